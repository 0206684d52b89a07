/* Sealed messages: what goes over a line so that nobody on it can read, forge or repeat anything, and so that the
 * gateway knows which thing speaks. The same code runs on the microcontroller and in the gateway.
 *
 *   hello   := 00 01 id[8] thing_nonce[16]          thing to gateway
 *   welcome := 00 02 gateway_nonce[16] tag[8]       gateway to thing
 *   data    := 00 03 counter[4] sealed[n] tag[8]    both ways; sealed is one message, or nothing
 *   again   := 00 04                                gateway to thing: there is no session (any more), say hello
 *
 * No MQTT-SN message begins with a zero (section 5.2.1), so these are told from plain ones. Numbers are big-endian.
 *
 *   session key  AES-CMAC of the thing's key over 01 "hedgerow sealed line" 00 id thing_nonce gateway_nonce 0080:
 *                NIST SP 800-108, counter mode, 128 bits
 *   seal         AES-128-CCM (RFC 3610), tag of 8 bytes; associated data: all that stands before the sealed bytes
 *   nonce        direction[1] 00[8] counter[4]; direction 0 is the thing's, 1 the gateway's
 *
 * Both sides draw a nonce for each session, so a key is never used for a second one, whoever was restarted; within it
 * the counter is never used twice. Data counts from 1, up only: what comes late or again is refused. A welcome is
 * sealed with counter 0, over nothing: it proves that the gateway has the key. The thing proves it with its first data,
 * and only then does the gateway end the session before, so nobody ends one with words that he has recorded.
 *
 * Pure C11: no heap, no libc but string.h; cryptography is a port. Thread rule: none needed.
 */
#ifndef HEDGEROW_FIRMWARE_SHIM_CODEC_SEAL_H
#define HEDGEROW_FIRMWARE_SHIM_CODEC_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HR_SEAL_ID_SIZE 8u
#define HR_SEAL_KEY_SIZE 16u
#define HR_SEAL_NONCE_SIZE 16u     /* of a hello or a welcome */
#define HR_SEAL_CCM_NONCE_SIZE 13u /* of one frame */
#define HR_SEAL_TAG_SIZE 8u
#define HR_SEAL_HEADER_SIZE 6u /* of data */
#define HR_SEAL_HELLO_SIZE (2u + HR_SEAL_ID_SIZE + HR_SEAL_NONCE_SIZE)
#define HR_SEAL_WELCOME_SIZE (2u + HR_SEAL_NONCE_SIZE + HR_SEAL_TAG_SIZE)
#define HR_SEAL_AGAIN_SIZE 2u
/* What data has beside its message. */
#define HR_SEAL_OVERHEAD (HR_SEAL_HEADER_SIZE + HR_SEAL_TAG_SIZE)

/* One use of AES-128-CCM. `out` may be `in`. */
typedef struct {
  const uint8_t* key;
  const uint8_t* nonce; /* HR_SEAL_CCM_NONCE_SIZE bytes */
  const uint8_t* associated;
  size_t associated_size;
  const uint8_t* in; /* may be NULL with size 0, like `out` */
  size_t size;
  uint8_t* out;
} hr_seal_ccm;

/* Cryptography. Each returns false when it fails. */
typedef struct {
  void* context;
  bool (*seal)(void* context, const hr_seal_ccm* use, uint8_t tag[HR_SEAL_TAG_SIZE]);
  /* False also when the tag is wrong; then nothing of `out` is to be used. */
  bool (*open)(void* context, const hr_seal_ccm* use, const uint8_t tag[HR_SEAL_TAG_SIZE]);
  /* AES-CMAC (RFC 4493) of whole blocks: `size` is a multiple of 16, and not 0. */
  bool (*cmac)(void* context, const uint8_t key[HR_SEAL_KEY_SIZE], const uint8_t* bytes, size_t size, uint8_t out[16]);
} hr_seal_crypto;

typedef enum { HR_SEAL_THING = 0, HR_SEAL_GATEWAY = 1 } hr_seal_side;

/* What one side knows of a session. */
typedef struct {
  uint8_t key[HR_SEAL_KEY_SIZE];
  uint32_t sent;     /* counter of the last data, in either direction */
  uint32_t received; /* 0: none */
  hr_seal_side side; /* our own */
} hr_seal_session;

typedef struct {
  uint8_t id[HR_SEAL_ID_SIZE];
  uint8_t thing_nonce[HR_SEAL_NONCE_SIZE];
} hr_seal_hello;

typedef enum {
  HR_SEAL_PLAIN, /* not one of ours */
  HR_SEAL_HELLO,
  HR_SEAL_WELCOME,
  HR_SEAL_DATA,
  HR_SEAL_AGAIN,
  HR_SEAL_MALFORMED /* begins like one of ours, but has not its size */
} hr_seal_kind;

typedef enum {
  HR_SEAL_OPENED,
  HR_SEAL_REPEATED, /* its counter was there already, or is older than the last */
  HR_SEAL_FORGED    /* or of another session, or damaged */
} hr_seal_result;

hr_seal_kind hr_seal_kind_of(const uint8_t* frame, size_t size);

/* Begins a session from both nonces. False: cryptography failed. */
bool hr_seal_begin(const hr_seal_crypto* crypto, const uint8_t key[HR_SEAL_KEY_SIZE], const hr_seal_hello* hello,
                   const uint8_t gateway_nonce[HR_SEAL_NONCE_SIZE], hr_seal_side side, hr_seal_session* session);

/* Writes HR_SEAL_AGAIN_SIZE bytes. */
void hr_seal_write_again(uint8_t* frame);

/* Writes HR_SEAL_HELLO_SIZE bytes. */
void hr_seal_write_hello(const hr_seal_hello* hello, uint8_t* frame);
/* REQUIRES: HR_SEAL_HELLO. */
void hr_seal_read_hello(const uint8_t* frame, hr_seal_hello* hello);

/* Writes HR_SEAL_WELCOME_SIZE bytes, the same for the same session. */
bool hr_seal_write_welcome(const hr_seal_crypto* crypto, const hr_seal_session* session,
                           const uint8_t gateway_nonce[HR_SEAL_NONCE_SIZE], uint8_t* frame);
/* The thing's session that a welcome begins; false: it does not answer this hello, or nobody with the key wrote it.
 * REQUIRES: HR_SEAL_WELCOME. */
bool hr_seal_take_welcome(const hr_seal_crypto* crypto, const uint8_t key[HR_SEAL_KEY_SIZE], const hr_seal_hello* hello,
                          const uint8_t* frame, hr_seal_session* session);

/* Seals a message into a frame with room for `size` + HR_SEAL_OVERHEAD bytes; it may lie there already, at
 * HR_SEAL_HEADER_SIZE. Returns the frame's size; 0: the session has sent all it may, or cryptography failed. */
size_t hr_seal_close(const hr_seal_crypto* crypto, hr_seal_session* session, const uint8_t* message, size_t size,
                     uint8_t* frame);

/* Opens data: size - HR_SEAL_OVERHEAD bytes of message. REQUIRES: HR_SEAL_DATA. */
hr_seal_result hr_seal_open(const hr_seal_crypto* crypto, hr_seal_session* session, const uint8_t* frame, size_t size,
                            uint8_t* message);

#ifdef __cplusplus
}
#endif

#endif
