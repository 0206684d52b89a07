# 32-bit boards from ARMv7 on (Raspberry Pi 2 and later with a 32-bit system), built with Debian's cross compiler.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR armv7l)
set(HEDGEROW_ARCH armhf)

set(CMAKE_C_COMPILER arm-linux-gnueabihf-gcc)
set(CMAKE_CXX_COMPILER arm-linux-gnueabihf-g++)
set(CMAKE_FIND_ROOT_PATH /usr/arm-linux-gnueabihf)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)

# binfmt_misc is rarely set up in containers: the emulator is always named. Debian 12 and 13 name it differently.
find_program(HEDGEROW_QEMU NAMES qemu-arm-static qemu-arm REQUIRED)
set(CMAKE_CROSSCOMPILING_EMULATOR "${HEDGEROW_QEMU};-L;/usr/arm-linux-gnueabihf")
