/* The cryptography of sealed messages by mbedTLS 3: AES and CCM, nothing else of it. A board with an AES unit fills in
 * hr_seal_crypto itself instead.
 *
 * For a microcontroller mbedTLS is built with seal_mbedtls_config.h (MBEDTLS_CONFIG_FILE) from aes.c, ccm.c,
 * block_cipher.c, constant_time.c and platform_util.c of its library folder.
 * Thread rule: none needed: there is no state.
 */
#ifndef HEDGEROW_FIRMWARE_SHIM_CODEC_SEAL_MBEDTLS_H
#define HEDGEROW_FIRMWARE_SHIM_CODEC_SEAL_MBEDTLS_H

#include "firmware-shim/codec/seal.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const hr_seal_crypto hr_seal_mbedtls;

#ifdef __cplusplus
}
#endif

#endif
