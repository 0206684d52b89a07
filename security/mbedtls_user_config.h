// What Hedgerow changes in mbedTLS's default configuration (MBEDTLS_USER_CONFIG_FILE).
//
// The dependency build and every file that includes an mbedTLS header see this file: structure layouts depend on it.
// Changing it rebuilds the cached dependencies, because it is part of the cache's key.

// Several threads use TLS and PSA: the loop, Paho's threads.
#define MBEDTLS_THREADING_C
#define MBEDTLS_THREADING_PTHREAD

// Keys are files of ours, written atomically; PSA must not write files of its own into the working directory.
#undef MBEDTLS_PSA_CRYPTO_STORAGE_C
#undef MBEDTLS_PSA_ITS_FILE_C

// Sockets belong to asio and Paho.
#undef MBEDTLS_NET_C
#undef MBEDTLS_TIMING_C

// TLS 1.2 only with forward secrecy and authenticated encryption; static RSA and CBC are history.
#undef MBEDTLS_KEY_EXCHANGE_RSA_ENABLED
#undef MBEDTLS_KEY_EXCHANGE_RSA_PSK_ENABLED
#undef MBEDTLS_KEY_EXCHANGE_PSK_ENABLED
#undef MBEDTLS_KEY_EXCHANGE_DHE_PSK_ENABLED
#undef MBEDTLS_KEY_EXCHANGE_DHE_RSA_ENABLED
#undef MBEDTLS_KEY_EXCHANGE_ECDH_ECDSA_ENABLED
#undef MBEDTLS_KEY_EXCHANGE_ECDH_RSA_ENABLED
#undef MBEDTLS_SSL_ENCRYPT_THEN_MAC
#undef MBEDTLS_SSL_RENEGOTIATION

// A connection's buffers hold records of 16 KiB, and most records are small: their pages are taken as they are used, see
// security/crypto_mbedtls/page_memory.hpp.
#define MBEDTLS_PLATFORM_MEMORY

// Ciphers, digests, traces and tests that nothing here uses.
#undef MBEDTLS_ARIA_C
#undef MBEDTLS_CAMELLIA_C
#undef MBEDTLS_DEBUG_C
#undef MBEDTLS_DES_C
#undef MBEDTLS_MD5_C
#undef MBEDTLS_RIPEMD160_C
#undef MBEDTLS_SELF_TEST

// Boards with the instructions use them, found out at run time; others fall back.
#if defined(__aarch64__)
#define MBEDTLS_SHA256_USE_ARMV8_A_CRYPTO_IF_PRESENT
#endif
