# How Hedgerow's targets are built: flags as interface targets, and the functions that apply them.
#
#   hedgerow_library(NAME [SMALL] SOURCES file... LINKS target...)       a static library; without SOURCES header-only
#       SMALL: for what runs once or seldom; released optimised for size, a third smaller
#   hedgerow_small_sources(file...)
#       the same for files of a library whose others are hot
#   hedgerow_executable(NAME SOURCES file... LINKS target...)    build/PRESET/bin/NAME
#   hedgerow_test(NAME LABEL unit|contract|sim|e2e|fuzz SOURCES file... LINKS target... [TIMEOUT seconds])
#       a Catch2 program; each case is one ctest test. A case tagged [slow] has the label LABEL-slow instead. The
#       target tests-LABEL builds all programs of a label.
#
# Includes are relative to the root of the checkout.

set(HEDGEROW_SANITIZER "" CACHE STRING "address (with undefined), thread, fuzzer (clang only; with both), or empty")
set_property(CACHE HEDGEROW_SANITIZER PROPERTY STRINGS "" address thread fuzzer)
option(HEDGEROW_WERROR "Treat warnings as errors" ON)

set(CMAKE_POSITION_INDEPENDENT_CODE OFF)  # -fPIE comes from hedgerow_flags: everything ends in an executable
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g1")
set(CMAKE_C_FLAGS_DEBUG "-O0 -g1")
set(CMAKE_CXX_FLAGS_RELEASE "-O2")
set(CMAKE_C_FLAGS_RELEASE "-O2")

# --- what the machine allows ---------------------------------------------------------------------------------------

find_program(HEDGEROW_CCACHE ccache)
mark_as_advanced(HEDGEROW_CCACHE)
if(HEDGEROW_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER "${HEDGEROW_CCACHE}")
  set(CMAKE_CXX_COMPILER_LAUNCHER "${HEDGEROW_CCACHE}")
endif()

# One compiler wants up to 2 GiB: jobs are the smaller of cores and half the memory in GiB.
cmake_host_system_information(RESULT host_cores QUERY NUMBER_OF_LOGICAL_CORES)
cmake_host_system_information(RESULT host_memory_mib QUERY TOTAL_PHYSICAL_MEMORY)
math(EXPR jobs "${host_memory_mib} / 2048")
if(jobs GREATER host_cores)
  set(jobs ${host_cores})
endif()
if(jobs LESS 1)
  set(jobs 1)
endif()
set_property(GLOBAL PROPERTY JOB_POOLS compile=${jobs} link=${jobs})
set(CMAKE_JOB_POOL_COMPILE compile)
set(CMAKE_JOB_POOL_LINK link)

# --- flags ---------------------------------------------------------------------------------------------------------

add_library(hedgerow_flags INTERFACE)
target_compile_features(hedgerow_flags INTERFACE cxx_std_20 c_std_11)
target_include_directories(hedgerow_flags INTERFACE "${CMAKE_SOURCE_DIR}")
target_compile_options(hedgerow_flags INTERFACE -fPIE -ffunction-sections -fdata-sections)
target_link_options(hedgerow_flags INTERFACE -pie -Wl,--gc-sections -Wl,--as-needed)
target_link_libraries(hedgerow_flags INTERFACE hedgerow_warnings hedgerow_hardening hedgerow_sanitizers)
if(HEDGEROW_ARCH STREQUAL "armhf")
  # Debian 13's armhf has a 64-bit time_t, and Paho comes from there. GCC's note about an ABI change of 2014 is noise.
  target_compile_definitions(hedgerow_flags INTERFACE _TIME_BITS=64 _FILE_OFFSET_BITS=64)
  target_compile_options(hedgerow_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-psabi>)
endif()

add_library(hedgerow_warnings INTERFACE)
target_compile_options(hedgerow_warnings INTERFACE
  -Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Wformat=2 -Wcast-qual -Wundef -Wimplicit-fallthrough
  $<$<CXX_COMPILER_ID:GNU>:-Wduplicated-cond -Wduplicated-branches -Wlogical-op>
  $<$<COMPILE_LANGUAGE:CXX>:-Wold-style-cast -Wnon-virtual-dtor -Woverloaded-virtual -Wextra-semi -Wsuggest-override>
  $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes>)
if(HEDGEROW_WERROR)
  target_compile_options(hedgerow_warnings INTERFACE -Werror)
endif()

# Release: position independent, relocations read-only before main, canaries, checked libc calls and container accesses.
add_library(hedgerow_hardening INTERFACE)
target_compile_definitions(hedgerow_hardening INTERFACE _GLIBCXX_ASSERTIONS)
if(NOT HEDGEROW_SANITIZER)
  target_compile_options(hedgerow_hardening INTERFACE
    $<$<CONFIG:Release>:-fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3>)
  if(NOT HEDGEROW_ARCH STREQUAL "armhf")
    target_compile_options(hedgerow_hardening INTERFACE $<$<CONFIG:Release>:-fstack-clash-protection>)
  endif()
  target_link_options(hedgerow_hardening INTERFACE -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
  # Only libc stays dynamic. Sanitizers interpose on libstdc++ and need it dynamic.
  target_link_options(hedgerow_hardening INTERFACE -static-libstdc++ -static-libgcc)
  # Relative relocations in a bitmap: 3 to 5 per cent smaller. Debian 12's loader knows them; its linker for arm64 does
  # not, so that is lld (see aarch64-linux-gnu.cmake), and its linker for armhf may go without.
  if(NOT HEDGEROW_ARCH STREQUAL "armhf")
    target_link_options(hedgerow_hardening INTERFACE $<$<CONFIG:Release>:-Wl,-z,pack-relative-relocs>)
  endif()
endif()

add_library(hedgerow_sanitizers INTERFACE)
if(HEDGEROW_SANITIZER STREQUAL "address")
  set(sanitizer_flags -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
elseif(HEDGEROW_SANITIZER STREQUAL "thread")
  # -Wno-tsan: asio uses fences, which this sanitizer does not model.
  set(sanitizer_flags -fsanitize=thread -fno-omit-frame-pointer)
  target_compile_options(hedgerow_sanitizers INTERFACE -Wno-tsan)
  # It fails to start where the kernel randomises addresses by more than 28 bits: run the tests without randomisation.
  if(EXISTS /proc/sys/vm/mmap_rnd_bits)
    file(STRINGS /proc/sys/vm/mmap_rnd_bits mmap_rnd_bits)
    if(mmap_rnd_bits GREATER 28)
      set(CMAKE_CROSSCOMPILING_EMULATOR "setarch;-R")
    endif()
  endif()
elseif(HEDGEROW_SANITIZER STREQUAL "fuzzer")
  # The libraries are instrumented as the targets are; tests/fuzz links libFuzzer itself.
  set(sanitizer_flags -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
elseif(HEDGEROW_SANITIZER)
  message(FATAL_ERROR "HEDGEROW_SANITIZER is '${HEDGEROW_SANITIZER}': use address, thread, fuzzer or nothing")
endif()
if(HEDGEROW_SANITIZER)
  target_compile_options(hedgerow_sanitizers INTERFACE ${sanitizer_flags} -O1)
  target_link_options(hedgerow_sanitizers INTERFACE ${sanitizer_flags})
endif()

# --- functions -----------------------------------------------------------------------------------------------------

function(hedgerow_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "SMALL" "" "SOURCES;LINKS")
  hedgerow_refuse_unparsed(hedgerow_library "${name}" "${arg_UNPARSED_ARGUMENTS}")
  if(arg_SOURCES)
    add_library(${name} STATIC ${arg_SOURCES})
    target_link_libraries(${name} PUBLIC hedgerow_flags ${arg_LINKS})
    if(arg_SMALL)
      target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-Os>)
    endif()
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE hedgerow_flags ${arg_LINKS})
  endif()
endfunction()

function(hedgerow_small_sources)
  set_property(SOURCE ${ARGN} APPEND PROPERTY COMPILE_OPTIONS $<$<CONFIG:Release>:-Os>)
endfunction()

function(hedgerow_executable name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINKS")
  hedgerow_refuse_unparsed(hedgerow_executable "${name}" "${arg_UNPARSED_ARGUMENTS}")
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE hedgerow_flags ${arg_LINKS})
endfunction()

function(hedgerow_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "LABEL;TIMEOUT" "SOURCES;LINKS")
  hedgerow_refuse_unparsed(hedgerow_test "${name}" "${arg_UNPARSED_ARGUMENTS}")
  if(NOT arg_LABEL MATCHES "^(unit|contract|sim|e2e|fuzz)$")
    message(FATAL_ERROR "hedgerow_test(${name}): LABEL is '${arg_LABEL}': use unit, contract, sim, e2e or fuzz")
  endif()
  if(HEDGEROW_TESTS STREQUAL "none" OR (HEDGEROW_TESTS STREQUAL "unit" AND NOT arg_LABEL STREQUAL "unit"))
    return()
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  if(HEDGEROW_SANITIZER OR CMAKE_CROSSCOMPILING)
    math(EXPR arg_TIMEOUT "${arg_TIMEOUT} * 4")
  endif()

  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE hedgerow_flags ${arg_LINKS} deps::catch2)
  if(NOT TARGET tests-${arg_LABEL})
    add_custom_target(tests-${arg_LABEL})
  endif()
  add_dependencies(tests-${arg_LABEL} ${name})
  set(environment "")
  if(arg_LABEL STREQUAL "e2e")
    # The programs under test.
    set(environment ENVIRONMENT "HEDGEROW_BIN_DIR=${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
  endif()
  # Cases are listed when ctest starts, not after linking: a foreign or sanitized binary may need an emulator's time.
  # One label a case (Catch2 3.7 loses lists): "e2e-slow" is found by -L e2e and left out by -LE slow.
  catch_discover_tests(${name}
    TEST_SPEC "~[slow]"
    TEST_PREFIX "${name}: "
    DISCOVERY_MODE PRE_TEST
    PROPERTIES LABELS ${arg_LABEL} TIMEOUT ${arg_TIMEOUT} ${environment})
  catch_discover_tests(${name}
    TEST_SPEC "[slow]"
    TEST_PREFIX "${name}: "
    DISCOVERY_MODE PRE_TEST
    PROPERTIES LABELS ${arg_LABEL}-slow TIMEOUT ${arg_TIMEOUT} ${environment})
endfunction()

function(hedgerow_refuse_unparsed function name rest)
  if(rest)
    message(FATAL_ERROR "${function}(${name}): unknown argument '${rest}'")
  endif()
endfunction()
