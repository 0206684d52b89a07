/* The shim's messages sealed (codec/seal.h): stands between the shim and the wire, and speaks for both.
 *
 *   static const hr_sealed_key key = {.id = HR_THING_ID, .key = HR_THING_KEY};   of hedgerow thing add NAME
 *   static hr_sealed sealed;
 *   if (!hr_sealed_init(&sealed, &key, &hr_seal_mbedtls, &port)) …;
 *   hr_shim_init(&shim, &config, hr_sealed_port(&sealed), store, sizeof store);
 *
 * It says hello with the first message, and again when the gateway has forgotten the session; the message waits
 * meanwhile, one at most. What a message from elsewhere says is never looked at before its seal has been opened.
 *
 * Safe against a repeated nonce after a reset: the port's `nonvolatile` keeps how often the board has started, which is
 * part of each hello. A port without it must have true chance in `random`.
 *
 * Pure C11: no heap, no libc but string.h. Thread rule: the shim's. Ownership: key, crypto and port must outlive it.
 */
#ifndef HEDGEROW_FIRMWARE_SHIM_CLIENT_SEALED_H
#define HEDGEROW_FIRMWARE_SHIM_CLIENT_SEALED_H

#include "firmware-shim/client/shim.h"
#include "firmware-shim/codec/seal.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Between two hellos that were not answered, and between two signs of life that were not asked for. */
#ifndef HR_SEALED_RETRY_MS
#define HR_SEALED_RETRY_MS 500u
#endif
#define HR_SEALED_FRAME_MAX (HR_SHIM_FRAME_MAX + HR_SEAL_OVERHEAD)

/* 24 bytes, as `hedgerow thing add NAME --hex` gives them, to flash as they are. */
typedef struct {
  uint8_t id[HR_SEAL_ID_SIZE];
  uint8_t key[HR_SEAL_KEY_SIZE];
} hr_sealed_key;

/* What happened so far; for the program to look at. */
typedef struct {
  uint32_t hellos;
  uint32_t sessions;
  uint32_t refused; /* frames that were not sealed for us, or came twice */
} hr_sealed_counts;

/* One line. The members are its own. */
typedef struct {
  const hr_sealed_key* key;
  const hr_seal_crypto* crypto;
  const hr_shim_port* wire;
  hr_shim_port port; /* the shim's */
  hr_sealed_counts counts;
  hr_seal_session session;
  hr_seal_hello hello; /* its nonce: starts[4] hellos[4] random[8] */
  uint32_t starts;
  uint32_t said_at; /* the last hello, or sign of life */
  bool has_session;
  bool is_greeting; /* a hello waits for its welcome */
  bool has_said;
  uint8_t held_size; /* of the message that waits in `out`; 0: none */
  uint8_t in[HR_SEALED_FRAME_MAX];
  uint8_t out[HR_SEALED_FRAME_MAX];
} hr_sealed;

/* False: the port's nonvolatile memory could not be read or written; without that nothing may be sealed. */
bool hr_sealed_init(hr_sealed* sealed, const hr_sealed_key* key, const hr_seal_crypto* crypto,
                    const hr_shim_port* wire);

/* For hr_shim_init(). */
static inline const hr_shim_port* hr_sealed_port(const hr_sealed* sealed) { return &sealed->port; }

#ifdef __cplusplus
}
#endif

#endif
