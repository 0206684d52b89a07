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

// TLS 1.2 only with forward secrecy and authenticated encryption; static RSA and CBC are history. Things may have no more
// than AES and a key, so the lists of DTLS alone (security/dtls_mbedtls) name PSK as well.
#undef MBEDTLS_KEY_EXCHANGE_RSA_ENABLED
#undef MBEDTLS_KEY_EXCHANGE_RSA_PSK_ENABLED
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
#undef MBEDTLS_SHA3_C
#undef MBEDTLS_CIPHER_MODE_CFB
#undef MBEDTLS_CIPHER_MODE_OFB
#undef MBEDTLS_CIPHER_MODE_XTS
#undef MBEDTLS_CMAC_C
#undef MBEDTLS_DHM_C
#undef MBEDTLS_ECJPAKE_C
#undef MBEDTLS_LMS_C
#undef MBEDTLS_NIST_KW_C
#undef MBEDTLS_PKCS7_C

// Curves that nobody asks for: what we make is P-256, and X25519 or P-256 is what clients offer.
#undef MBEDTLS_ECP_DP_SECP192R1_ENABLED
#undef MBEDTLS_ECP_DP_SECP224R1_ENABLED
#undef MBEDTLS_ECP_DP_SECP192K1_ENABLED
#undef MBEDTLS_ECP_DP_SECP224K1_ENABLED
#undef MBEDTLS_ECP_DP_SECP256K1_ENABLED
#undef MBEDTLS_ECP_DP_BP256R1_ENABLED
#undef MBEDTLS_ECP_DP_BP384R1_ENABLED
#undef MBEDTLS_ECP_DP_BP512R1_ENABLED

// Sessions are neither resumed nor moved, so that each shows its certificate or key.
#undef MBEDTLS_SSL_CACHE_C
#undef MBEDTLS_SSL_CONTEXT_SERIALIZATION
#undef MBEDTLS_SSL_SESSION_TICKETS
#undef MBEDTLS_SSL_TICKET_C
#undef MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_ENABLED
#undef MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_EPHEMERAL_ENABLED

// DTLS: cookies are checked before mbedTLS sees a datagram (security/dtls_mbedtls/hello.hpp).
#undef MBEDTLS_SSL_COOKIE_C
#undef MBEDTLS_SSL_DTLS_CLIENT_PORT_REUSE

// Boards with the instructions use them, found out at run time; others fall back.
#if defined(__aarch64__)
#define MBEDTLS_SHA256_USE_ARMV8_A_CRYPTO_IF_PRESENT
#endif
