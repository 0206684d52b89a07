/* mbedTLS 3 for sealed messages on a microcontroller (MBEDTLS_CONFIG_FILE): AES-128, forwards only, and CCM. Its tables
 * lie in flash, one instead of four. */
#define MBEDTLS_AES_C
#define MBEDTLS_AES_FEWER_TABLES
#define MBEDTLS_AES_ONLY_128_BIT_KEY_LENGTH
#define MBEDTLS_AES_ROM_TABLES
#define MBEDTLS_BLOCK_CIPHER_NO_DECRYPT
#define MBEDTLS_CCM_C
#define MBEDTLS_NO_64BIT_MULTIPLICATION
