#include "firmware-shim/client/sealed.h"

#include <string.h>

_Static_assert(HR_SHIM_FRAME_MAX <= UINT8_MAX, "the held message's size has a byte");

static void put_u32(uint8_t* out, uint32_t value) {
  for (unsigned i = 0; i < 4; i++) out[i] = (uint8_t)(value >> (24u - 8u * i));
}

static bool may_speak(hr_sealed* sealed) {
  uint32_t now = sealed->wire->time_ms(sealed->wire->context);
  if (sealed->has_said && now - sealed->said_at < HR_SEALED_RETRY_MS) return false;
  sealed->has_said = true;
  sealed->said_at = now;
  return true;
}

/* A new hello, or the one that was not answered, again. */
static void greet(hr_sealed* sealed) {
  if (!may_speak(sealed)) return;
  if (!sealed->is_greeting) {
    sealed->is_greeting = true;
    put_u32(sealed->hello.thing_nonce, sealed->starts);
    put_u32(sealed->hello.thing_nonce + 4, sealed->counts.hellos);
    sealed->wire->random(sealed->wire->context, sealed->hello.thing_nonce + 8, HR_SEAL_NONCE_SIZE - 8u);
  }
  sealed->counts.hellos++;
  uint8_t frame[HR_SEAL_HELLO_SIZE];
  hr_seal_write_hello(&sealed->hello, frame);
  sealed->wire->send(sealed->wire->context, frame, sizeof frame);
}

static void send_sealed(hr_sealed* sealed, const uint8_t* message, size_t size) {
  size_t framed = hr_seal_close(sealed->crypto, &sealed->session, message, size, sealed->out);
  if (framed != 0) {
    sealed->wire->send(sealed->wire->context, sealed->out, framed);
    return;
  }
  sealed->has_session = false; /* it has sent all it may */
  greet(sealed);
}

static void sealed_send(void* context, const uint8_t* bytes, size_t size) {
  hr_sealed* sealed = context;
  if (size > HR_SHIM_FRAME_MAX) return;
  if (sealed->has_session) {
    if (sealed->is_greeting) greet(sealed);
    send_sealed(sealed, bytes, size);
    return;
  }
  memcpy(sealed->out + HR_SEAL_HEADER_SIZE, bytes, size);
  sealed->held_size = (uint8_t)size;
  greet(sealed);
}

static void take_welcome(hr_sealed* sealed) {
  if (!sealed->is_greeting ||
      !hr_seal_take_welcome(sealed->crypto, sealed->key->key, &sealed->hello, sealed->in, &sealed->session)) {
    sealed->counts.refused++;
    return;
  }
  sealed->is_greeting = false;
  sealed->has_session = true;
  sealed->counts.sessions++;
  /* Proves to the gateway that we have the key, too, if only with nothing. */
  size_t size = sealed->held_size;
  sealed->held_size = 0;
  send_sealed(sealed, sealed->out + HR_SEAL_HEADER_SIZE, size);
}

/* The message's size; 0: none. */
static size_t take_data(hr_sealed* sealed, size_t size, uint8_t* buffer, size_t capacity) {
  size_t message_size = size - HR_SEAL_OVERHEAD;
  if (sealed->has_session && message_size <= capacity &&
      hr_seal_open(sealed->crypto, &sealed->session, sealed->in, size, buffer) == HR_SEAL_OPENED) {
    return message_size;
  }
  sealed->counts.refused++;
  /* Perhaps the gateway goes by a session before ours, since our first word was lost: say another, of nothing. */
  if (sealed->has_session && may_speak(sealed)) send_sealed(sealed, NULL, 0);
  return 0;
}

static size_t sealed_receive(void* context, uint8_t* buffer, size_t capacity) {
  hr_sealed* sealed = context;
  if (sealed->is_greeting) greet(sealed);
  for (;;) {
    size_t size = sealed->wire->receive(sealed->wire->context, sealed->in, sizeof sealed->in);
    if (size == 0) return 0;
    switch (hr_seal_kind_of(sealed->in, size)) {
      case HR_SEAL_WELCOME: take_welcome(sealed); break;
      case HR_SEAL_DATA: {
        size_t message_size = take_data(sealed, size, buffer, capacity);
        if (message_size != 0) return message_size;
        break;
      }
      case HR_SEAL_AGAIN: greet(sealed); break;
      case HR_SEAL_HELLO:
      case HR_SEAL_PLAIN:
      case HR_SEAL_MALFORMED: sealed->counts.refused++; break;
    }
  }
}

static uint32_t sealed_time_ms(void* context) {
  hr_sealed* sealed = context;
  return sealed->wire->time_ms(sealed->wire->context);
}

static void sealed_random(void* context, uint8_t* out, size_t size) {
  hr_sealed* sealed = context;
  sealed->wire->random(sealed->wire->context, out, size);
}

/* One start more than before: nothing that was said then is said again. */
static bool count_start(hr_sealed* sealed) {
  const hr_shim_port* wire = sealed->wire;
  if (wire->nonvolatile == NULL) {
    wire->random(wire->context, (uint8_t*)&sealed->starts, sizeof sealed->starts);
    return true;
  }
  uint8_t bytes[HR_SHIM_NONVOLATILE_SIZE];
  if (!wire->nonvolatile(wire->context, HR_SHIM_LOAD, bytes)) return false;
  for (unsigned i = 0; i < 4; i++) sealed->starts = sealed->starts << 8 | bytes[i];
  sealed->starts++;
  put_u32(bytes, sealed->starts);
  return wire->nonvolatile(wire->context, HR_SHIM_SAVE, bytes);
}

bool hr_sealed_init(hr_sealed* sealed, const hr_sealed_key* key, const hr_seal_crypto* crypto,
                    const hr_shim_port* wire) {
  memset(sealed, 0, sizeof *sealed);
  sealed->key = key;
  sealed->crypto = crypto;
  sealed->wire = wire;
  memcpy(sealed->hello.id, key->id, sizeof sealed->hello.id);
  sealed->port = (hr_shim_port){.context = sealed,
                                .send = sealed_send,
                                .receive = sealed_receive,
                                .time_ms = sealed_time_ms,
                                .random = sealed_random};
  return count_start(sealed);
}
