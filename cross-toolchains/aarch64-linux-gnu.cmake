# 64-bit boards (Raspberry Pi 3 and later with a 64-bit system), built with Debian's cross compiler.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(HEDGEROW_ARCH arm64)

set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)

# binfmt_misc is rarely set up in containers: the emulator is always named. Debian 12 and 13 name it differently.
find_program(HEDGEROW_QEMU NAMES qemu-aarch64-static qemu-aarch64 REQUIRED)
set(CMAKE_CROSSCOMPILING_EMULATOR "${HEDGEROW_QEMU};-L;/usr/aarch64-linux-gnu")

# Debian's compiler looks for a linker of another name than Debian's lld has: a directory that holds it under that name.
find_program(HEDGEROW_LLD NAMES ld.lld-19 REQUIRED)
file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/linker")
file(CREATE_LINK "${HEDGEROW_LLD}" "${CMAKE_BINARY_DIR}/linker/ld.lld" SYMBOLIC)
set(CMAKE_EXE_LINKER_FLAGS_INIT "-B${CMAKE_BINARY_DIR}/linker -fuse-ld=lld")
