#include "firmware-shim/codec/seal.h"

#include <string.h>

#define MARK 0u
#define MARK_HELLO 1u
#define MARK_WELCOME 2u
#define MARK_DATA 3u
#define MARK_AGAIN 4u

#define LABEL "hedgerow sealed line"
#define LABEL_SIZE (sizeof LABEL - 1u)
#define KDF_SIZE (1u + LABEL_SIZE + 1u + HR_SEAL_ID_SIZE + 2u * HR_SEAL_NONCE_SIZE + 2u)
_Static_assert(KDF_SIZE % 16u == 0, "the port's CMAC is of whole blocks");

static void put_u32(uint8_t* out, uint32_t value) {
  for (unsigned i = 0; i < 4; i++) out[i] = (uint8_t)(value >> (24u - 8u * i));
}

static uint32_t get_u32(const uint8_t* in) {
  uint32_t value = 0;
  for (unsigned i = 0; i < 4; i++) value = value << 8 | in[i];
  return value;
}

static hr_seal_side other(hr_seal_side side) { return side == HR_SEAL_THING ? HR_SEAL_GATEWAY : HR_SEAL_THING; }

static void write_nonce(hr_seal_side from, uint32_t counter, uint8_t nonce[HR_SEAL_CCM_NONCE_SIZE]) {
  memset(nonce, 0, HR_SEAL_CCM_NONCE_SIZE);
  nonce[0] = (uint8_t)from;
  put_u32(nonce + HR_SEAL_CCM_NONCE_SIZE - 4u, counter);
}

hr_seal_kind hr_seal_kind_of(const uint8_t* frame, size_t size) {
  if (size == 0 || frame[0] != MARK) return HR_SEAL_PLAIN;
  if (size < 2) return HR_SEAL_MALFORMED;
  switch (frame[1]) {
    case MARK_HELLO: return size == HR_SEAL_HELLO_SIZE ? HR_SEAL_HELLO : HR_SEAL_MALFORMED;
    case MARK_WELCOME: return size == HR_SEAL_WELCOME_SIZE ? HR_SEAL_WELCOME : HR_SEAL_MALFORMED;
    case MARK_DATA: return size >= HR_SEAL_OVERHEAD ? HR_SEAL_DATA : HR_SEAL_MALFORMED;
    case MARK_AGAIN: return size == HR_SEAL_AGAIN_SIZE ? HR_SEAL_AGAIN : HR_SEAL_MALFORMED;
    default: return HR_SEAL_MALFORMED;
  }
}

bool hr_seal_begin(const hr_seal_crypto* crypto, const uint8_t key[HR_SEAL_KEY_SIZE], const hr_seal_hello* hello,
                   const uint8_t gateway_nonce[HR_SEAL_NONCE_SIZE], hr_seal_side side, hr_seal_session* session) {
  uint8_t input[KDF_SIZE];
  uint8_t* at = input;
  *at++ = 1;
  memcpy(at, LABEL, LABEL_SIZE + 1u); /* with the zero behind it */
  at += LABEL_SIZE + 1u;
  memcpy(at, hello->id, HR_SEAL_ID_SIZE);
  at += HR_SEAL_ID_SIZE;
  memcpy(at, hello->thing_nonce, HR_SEAL_NONCE_SIZE);
  at += HR_SEAL_NONCE_SIZE;
  memcpy(at, gateway_nonce, HR_SEAL_NONCE_SIZE);
  at += HR_SEAL_NONCE_SIZE;
  *at++ = 0;
  *at = 128;
  memset(session, 0, sizeof *session);
  session->side = side;
  return crypto->cmac(crypto->context, key, input, sizeof input, session->key);
}

void hr_seal_write_again(uint8_t* frame) {
  frame[0] = MARK;
  frame[1] = MARK_AGAIN;
}

void hr_seal_write_hello(const hr_seal_hello* hello, uint8_t* frame) {
  frame[0] = MARK;
  frame[1] = MARK_HELLO;
  memcpy(frame + 2, hello->id, HR_SEAL_ID_SIZE);
  memcpy(frame + 2 + HR_SEAL_ID_SIZE, hello->thing_nonce, HR_SEAL_NONCE_SIZE);
}

void hr_seal_read_hello(const uint8_t* frame, hr_seal_hello* hello) {
  memcpy(hello->id, frame + 2, HR_SEAL_ID_SIZE);
  memcpy(hello->thing_nonce, frame + 2 + HR_SEAL_ID_SIZE, HR_SEAL_NONCE_SIZE);
}

bool hr_seal_write_welcome(const hr_seal_crypto* crypto, const hr_seal_session* session,
                           const uint8_t gateway_nonce[HR_SEAL_NONCE_SIZE], uint8_t* frame) {
  uint8_t nonce[HR_SEAL_CCM_NONCE_SIZE];
  write_nonce(HR_SEAL_GATEWAY, 0, nonce);
  frame[0] = MARK;
  frame[1] = MARK_WELCOME;
  memcpy(frame + 2, gateway_nonce, HR_SEAL_NONCE_SIZE);
  const hr_seal_ccm use = {
      .key = session->key, .nonce = nonce, .associated = frame, .associated_size = 2u + HR_SEAL_NONCE_SIZE};
  return crypto->seal(crypto->context, &use, frame + 2 + HR_SEAL_NONCE_SIZE);
}

bool hr_seal_take_welcome(const hr_seal_crypto* crypto, const uint8_t key[HR_SEAL_KEY_SIZE], const hr_seal_hello* hello,
                          const uint8_t* frame, hr_seal_session* session) {
  hr_seal_session begun;
  if (!hr_seal_begin(crypto, key, hello, frame + 2, HR_SEAL_THING, &begun)) return false;
  uint8_t nonce[HR_SEAL_CCM_NONCE_SIZE];
  write_nonce(HR_SEAL_GATEWAY, 0, nonce);
  const hr_seal_ccm use = {
      .key = begun.key, .nonce = nonce, .associated = frame, .associated_size = 2u + HR_SEAL_NONCE_SIZE};
  if (!crypto->open(crypto->context, &use, frame + 2 + HR_SEAL_NONCE_SIZE)) return false;
  *session = begun;
  return true;
}

size_t hr_seal_close(const hr_seal_crypto* crypto, hr_seal_session* session, const uint8_t* message, size_t size,
                     uint8_t* frame) {
  if (session->sent == UINT32_MAX) return 0;
  session->sent++; /* also when what follows fails: no counter is used twice */
  uint8_t nonce[HR_SEAL_CCM_NONCE_SIZE];
  write_nonce(session->side, session->sent, nonce);
  frame[0] = MARK;
  frame[1] = MARK_DATA;
  put_u32(frame + 2, session->sent);
  const hr_seal_ccm use = {.key = session->key,
                           .nonce = nonce,
                           .associated = frame,
                           .associated_size = HR_SEAL_HEADER_SIZE,
                           .in = message,
                           .size = size,
                           .out = frame + HR_SEAL_HEADER_SIZE};
  if (!crypto->seal(crypto->context, &use, frame + HR_SEAL_HEADER_SIZE + size)) return 0;
  return size + HR_SEAL_OVERHEAD;
}

hr_seal_result hr_seal_open(const hr_seal_crypto* crypto, hr_seal_session* session, const uint8_t* frame, size_t size,
                            uint8_t* message) {
  uint32_t counter = get_u32(frame + 2);
  uint8_t nonce[HR_SEAL_CCM_NONCE_SIZE];
  write_nonce(other(session->side), counter, nonce);
  const hr_seal_ccm use = {.key = session->key,
                           .nonce = nonce,
                           .associated = frame,
                           .associated_size = HR_SEAL_HEADER_SIZE,
                           .in = frame + HR_SEAL_HEADER_SIZE,
                           .size = size - HR_SEAL_OVERHEAD,
                           .out = message};
  if (!crypto->open(crypto->context, &use, frame + size - HR_SEAL_TAG_SIZE)) return HR_SEAL_FORGED;
  if (counter <= session->received) return HR_SEAL_REPEATED;
  session->received = counter;
  return HR_SEAL_OPENED;
}
