# Third-party libraries as imported targets deps::NAME, fetched and built by fetch-dependencies.sh into a cache outside
# the checkout. Sets HEDGEROW_ARCH (Debian's name of the target architecture) and HEDGEROW_DEPS (where they lie).

if(NOT HEDGEROW_ARCH)
  if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
    set(HEDGEROW_ARCH amd64)
  elseif(CMAKE_SYSTEM_PROCESSOR STREQUAL "aarch64" AND CMAKE_SIZEOF_VOID_P EQUAL 8)
    set(HEDGEROW_ARCH arm64)
  elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(armv7|armv8|aarch64)" AND CMAKE_SIZEOF_VOID_P EQUAL 4)
    set(HEDGEROW_ARCH armhf)
  else()
    message(FATAL_ERROR
      "Hedgerow builds for amd64, arm64 and armhf; this compiler builds for '${CMAKE_SYSTEM_PROCESSOR}'. "
      "Use one of the presets: cmake --list-presets")
  endif()
endif()

set(fetch_script "${CMAKE_CURRENT_LIST_DIR}/fetch-dependencies.sh")
set_property(DIRECTORY "${CMAKE_SOURCE_DIR}" APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
  "${fetch_script}"
  "${CMAKE_CURRENT_LIST_DIR}/dependencies.lock"
  "${CMAKE_SOURCE_DIR}/security/mbedtls_user_config.h")

execute_process(
  COMMAND sh "${fetch_script}" --arch ${HEDGEROW_ARCH} --cc "${CMAKE_C_COMPILER}" --cxx "${CMAKE_CXX_COMPILER}"
  OUTPUT_VARIABLE HEDGEROW_DEPS
  OUTPUT_STRIP_TRAILING_WHITESPACE
  RESULT_VARIABLE fetch_result)
if(NOT fetch_result EQUAL 0)
  message(FATAL_ERROR "The third-party libraries are not there; the lines above say why and what to do.")
endif()
message(STATUS "Dependencies: ${HEDGEROW_DEPS}")

# hedgerow_dependency(NAME [ARCHIVES file...] [LINKS target...] [DEFINES definition...])
# Headers count as system headers: their warnings are not ours. Each library has a prefix of its own: what does not link
# deps::NAME cannot include it.
function(hedgerow_dependency name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "ARCHIVES;LINKS;DEFINES")
  set(archives ${arg_ARCHIVES})
  list(TRANSFORM archives PREPEND "${HEDGEROW_DEPS}/${name}/lib/")
  add_library(deps::${name} INTERFACE IMPORTED GLOBAL)
  target_include_directories(deps::${name} SYSTEM INTERFACE "${HEDGEROW_DEPS}/${name}/include")
  target_link_libraries(deps::${name} INTERFACE ${archives} ${arg_LINKS})
  target_compile_definitions(deps::${name} INTERFACE ${arg_DEFINES})
endfunction()

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

hedgerow_dependency(mbedtls
  ARCHIVES libmbedtls.a libmbedx509.a libmbedcrypto.a
  LINKS Threads::Threads
  DEFINES "MBEDTLS_USER_CONFIG_FILE=<hedgerow_mbedtls_user_config.h>")
hedgerow_dependency(sqlite ARCHIVES libsqlite3.a LINKS Threads::Threads)
hedgerow_dependency(cjson ARCHIVES libcjson.a)
hedgerow_dependency(zstd ARCHIVES libzstd.a)
hedgerow_dependency(catch2 ARCHIVES libCatch2Main.a libCatch2.a)
hedgerow_dependency(boost LINKS Threads::Threads)
hedgerow_dependency(expected)
hedgerow_dependency(gsl)

# Paho C++ over Paho C. Every SSLSocket_* symbol must be defined by what is linked before (security/): the linker then
# never takes Paho's own, which want OpenSSL.
hedgerow_dependency(paho
  ARCHIVES libpaho-mqttpp3.a libpaho-mqtt3as.a libhedgerow_isoc23.a libhedgerow_ios_init.a
  LINKS Threads::Threads)

include("${HEDGEROW_DEPS}/catch2/lib/cmake/Catch2/Catch.cmake")
