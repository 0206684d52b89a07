#include "firmware-shim/seal_mbedtls/seal_mbedtls.h"

#include <mbedtls/aes.h>
#include <mbedtls/ccm.h>
#include <string.h>

#define BLOCK 16u
#define KEY_BITS (8u * HR_SEAL_KEY_SIZE)

static bool ccm_seal(void* context, const hr_seal_ccm* use, uint8_t tag[HR_SEAL_TAG_SIZE]) {
  (void)context;
  mbedtls_ccm_context ccm;
  mbedtls_ccm_init(&ccm);
  bool done = mbedtls_ccm_setkey(&ccm, MBEDTLS_CIPHER_ID_AES, use->key, KEY_BITS) == 0 &&
              mbedtls_ccm_encrypt_and_tag(&ccm, use->size, use->nonce, HR_SEAL_CCM_NONCE_SIZE, use->associated,
                                          use->associated_size, use->in, use->out, tag, HR_SEAL_TAG_SIZE) == 0;
  mbedtls_ccm_free(&ccm);
  return done;
}

static bool ccm_open(void* context, const hr_seal_ccm* use, const uint8_t tag[HR_SEAL_TAG_SIZE]) {
  (void)context;
  mbedtls_ccm_context ccm;
  mbedtls_ccm_init(&ccm);
  bool done = mbedtls_ccm_setkey(&ccm, MBEDTLS_CIPHER_ID_AES, use->key, KEY_BITS) == 0 &&
              mbedtls_ccm_auth_decrypt(&ccm, use->size, use->nonce, HR_SEAL_CCM_NONCE_SIZE, use->associated,
                                       use->associated_size, use->in, use->out, tag, HR_SEAL_TAG_SIZE) == 0;
  mbedtls_ccm_free(&ccm);
  return done;
}

/* RFC 4493, section 2.4, where the last block is whole. mbedTLS's own wants its cipher layer, which is larger. */
static bool cmac(void* context, const uint8_t key[HR_SEAL_KEY_SIZE], const uint8_t* bytes, size_t size,
                 uint8_t out[BLOCK]) {
  (void)context;
  mbedtls_aes_context aes;
  mbedtls_aes_init(&aes);
  uint8_t subkey[BLOCK] = {0};
  bool done = mbedtls_aes_setkey_enc(&aes, key, KEY_BITS) == 0 &&
              mbedtls_aes_crypt_ecb(&aes, MBEDTLS_AES_ENCRYPT, subkey, subkey) == 0;
  unsigned carry = subkey[0] >> 7;
  for (unsigned i = 0; i < BLOCK; i++) {
    unsigned next = i + 1u < BLOCK ? (unsigned)subkey[i + 1u] >> 7 : carry * 0x87u;
    subkey[i] = (uint8_t)((unsigned)subkey[i] << 1 ^ next);
  }
  memset(out, 0, BLOCK);
  for (size_t at = 0; done && at < size; at += BLOCK) {
    bool is_last = at + BLOCK == size;
    for (unsigned i = 0; i < BLOCK; i++) out[i] = (uint8_t)(out[i] ^ bytes[at + i] ^ (is_last ? subkey[i] : 0u));
    done = mbedtls_aes_crypt_ecb(&aes, MBEDTLS_AES_ENCRYPT, out, out) == 0;
  }
  mbedtls_aes_free(&aes);
  return done;
}

const hr_seal_crypto hr_seal_mbedtls = {.context = NULL, .seal = ccm_seal, .open = ccm_open, .cmac = cmac};
