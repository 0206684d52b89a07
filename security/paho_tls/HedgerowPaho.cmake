# Keeps OpenSSL out: checks the seam between Paho C and security/paho_tls, and offers a test for finished binaries.

# What Paho C 1.3.14 needs of OpenSSL and of its own TLS module outside SSLSocket.c and Base64.c: exactly this.
set(hedgerow_openssl_names
  EVP_DigestFinal EVP_DigestInit EVP_DigestUpdate EVP_MD_CTX_free EVP_MD_CTX_new EVP_sha1 OPENSSL_thread_stop
  OpenSSL_version RAND_bytes SSL_SESSION_free SSL_get1_session SSL_set_session)
set(hedgerow_paho_seam
  Base64_encode Base64_encodeLength SSLSocket_abortWrite SSLSocket_close SSLSocket_connect SSLSocket_continueWrite
  SSLSocket_getPendingRead SSLSocket_getch SSLSocket_getdata SSLSocket_handleOpensslInit SSLSocket_initialize
  SSLSocket_putdatas SSLSocket_setSocketForSSL SSLSocket_terminate)
set(hedgerow_openssl_pattern
  "(ASN1|BIO|CRYPTO|ERR|EVP|HMAC|OPENSSL|OpenSSL|PEM|RAND|RSA|SHA1|SHA256|SSL|TLS|X509)_[A-Za-z0-9_]+")

# Fails the configuration when the archive wants anything else than what is written above.
function(hedgerow_check_paho archive)
  execute_process(COMMAND "${CMAKE_NM}" -A --undefined-only "${archive}"
    OUTPUT_VARIABLE undefined ERROR_QUIET RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${CMAKE_NM} cannot read ${archive}: build the dependencies anew (remove ${HEDGEROW_DEPS})")
  endif()
  string(REPLACE "\n" ";" lines "${undefined}")
  list(FILTER lines EXCLUDE REGEX ":(SSLSocket|Base64)\\.c\\.o:")
  set(wanted "")
  foreach(line IN LISTS lines)
    if(line MATCHES " U ((${hedgerow_openssl_pattern})|SSLSocket_[A-Za-z]+|Base64_[A-Za-z]+)$")
      list(APPEND wanted "${CMAKE_MATCH_1}")
    endif()
  endforeach()
  list(REMOVE_DUPLICATES wanted)
  list(SORT wanted)
  set(expected ${hedgerow_openssl_names} ${hedgerow_paho_seam})
  list(SORT expected)
  if(NOT wanted STREQUAL expected)
    message(FATAL_ERROR
      "${archive} is another Paho C than security/paho_tls was written for.\n"
      "It wants:  ${wanted}\nExpected:  ${expected}\n"
      "Use the version in cross-toolchains/dependencies.lock, or adapt security/paho_tls to the new one.")
  endif()
endfunction()

# A test that a finished binary holds no symbol of OpenSSL: hedgerow_test_no_openssl(TARGET LABEL).
function(hedgerow_test_no_openssl target label)
  if(TARGET ${target})
    add_test(NAME "${target} holds no symbol of OpenSSL"
      COMMAND "${CMAKE_COMMAND}" -DNM=${CMAKE_NM} -DBINARY=$<TARGET_FILE:${target}>
              -DPATTERN=${hedgerow_openssl_pattern} -P "${CMAKE_SOURCE_DIR}/security/paho_tls/no_openssl.cmake")
    set_tests_properties("${target} holds no symbol of OpenSSL" PROPERTIES LABELS "${label}")
  endif()
endfunction()
