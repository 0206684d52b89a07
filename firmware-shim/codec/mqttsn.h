/* MQTT-SN 1.2: messages to bytes and back. The same code runs on the microcontroller and in the gateway.
 *
 * Source: "MQTT For Sensor Networks (MQTT-SN) Protocol Specification, Version 1.2", IBM 2013; section numbers are its.
 * Pure C11: no heap, no state, no libc but memcpy; a decoded message points into the caller's bytes.
 * Thread rule: none needed. Errors: what does not follow the grammar is refused whole, with the reason.
 */
#ifndef HEDGEROW_FIRMWARE_SHIM_CODEC_MQTTSN_H
#define HEDGEROW_FIRMWARE_SHIM_CODEC_MQTTSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Section 5.2.1: a length has one byte, or 0x01 and two bytes. */
#define HR_SN_MESSAGE_MAX 65535u
/* Section 5.3.1 */
#define HR_SN_CLIENT_ID_MAX 23u

/* Section 5.2.2 */
typedef enum {
  HR_SN_ADVERTISE = 0x00,
  HR_SN_SEARCHGW = 0x01,
  HR_SN_GWINFO = 0x02,
  HR_SN_CONNECT = 0x04,
  HR_SN_CONNACK = 0x05,
  HR_SN_WILLTOPICREQ = 0x06,
  HR_SN_WILLTOPIC = 0x07,
  HR_SN_WILLMSGREQ = 0x08,
  HR_SN_WILLMSG = 0x09,
  HR_SN_REGISTER = 0x0A,
  HR_SN_REGACK = 0x0B,
  HR_SN_PUBLISH = 0x0C,
  HR_SN_PUBACK = 0x0D,
  HR_SN_PUBCOMP = 0x0E,
  HR_SN_PUBREC = 0x0F,
  HR_SN_PUBREL = 0x10,
  HR_SN_SUBSCRIBE = 0x12,
  HR_SN_SUBACK = 0x13,
  HR_SN_UNSUBSCRIBE = 0x14,
  HR_SN_UNSUBACK = 0x15,
  HR_SN_PINGREQ = 0x16,
  HR_SN_PINGRESP = 0x17,
  HR_SN_DISCONNECT = 0x18,
  HR_SN_WILLTOPICUPD = 0x1A,
  HR_SN_WILLTOPICRESP = 0x1B,
  HR_SN_WILLMSGUPD = 0x1C,
  HR_SN_WILLMSGRESP = 0x1D,
  HR_SN_ENCAPSULATED = 0xFE
} hr_sn_type;

/* Section 5.3.4. Of a message that has no flags they are 0. */
#define HR_SN_DUP 0x80u
#define HR_SN_QOS_MASK 0x60u
#define HR_SN_QOS_SHIFT 5u
#define HR_SN_QOS_MINUS_1 3u /* publish without a connection */
#define HR_SN_RETAIN 0x10u
#define HR_SN_WILL 0x08u
#define HR_SN_CLEAN_SESSION 0x04u
#define HR_SN_TOPIC_MASK 0x03u
#define HR_SN_TOPIC_NORMAL 0x00u     /* an id from REGISTER; in SUBSCRIBE and UNSUBSCRIBE the name itself */
#define HR_SN_TOPIC_PREDEFINED 0x01u /* an id that both sides know beforehand */
#define HR_SN_TOPIC_SHORT 0x02u      /* the id is the topic's two characters */

/* Section 5.3.10 */
typedef enum {
  HR_SN_ACCEPTED = 0,
  HR_SN_CONGESTION = 1,
  HR_SN_INVALID_TOPIC_ID = 2,
  HR_SN_NOT_SUPPORTED = 3
} hr_sn_return_code;

/* Bytes that belong to somebody else. */
typedef struct {
  const uint8_t* data;
  size_t size;
} hr_sn_view;

/* One message. `type` says which of the others mean something; encoding ignores the rest and decoding leaves it 0. */
typedef struct {
  hr_sn_type type;
  uint8_t flags;
  uint8_t code;  /* a hr_sn_return_code; ADVERTISE, GWINFO: gateway id; SEARCHGW, ENCAPSULATED: radius in hops */
  bool has_body; /* DISCONNECT: a duration follows. WILLTOPIC, WILLTOPICUPD: a will follows; none deletes it */
  uint16_t
      duration; /* seconds. CONNECT: keep alive; DISCONNECT: how long the client sleeps; ADVERTISE: until the next */
  uint16_t topic_id; /* 0 and 0xFFFF are reserved (section 5.3.11); this codec lets them pass */
  uint16_t msg_id;
  hr_sn_view tail; /* CONNECT, PINGREQ: client id; REGISTER, SUBSCRIBE, UNSUBSCRIBE, WILLTOPIC…: topic; PUBLISH,
                      WILLMSG…: payload; GWINFO: gateway's address; ENCAPSULATED: id of the wireless node */
} hr_sn_message;

typedef enum {
  HR_SN_OK = 0,
  HR_SN_TRUNCATED,    /* fewer bytes than the length says, or none */
  HR_SN_BAD_LENGTH,   /* the length contradicts the bytes or the message's type */
  HR_SN_UNKNOWN_TYPE, /* reserved in section 5.2.2 */
  HR_SN_BAD_FIELD,    /* a field has a value that its message does not allow */
  HR_SN_NO_ROOM       /* encoding: the buffer, or a message, has no room for it */
} hr_sn_result;

/* Decodes the message that `size` bytes hold exactly. An ENCAPSULATED one holds the message for the node behind it
 * in what follows its own length: `inner` gets these bytes, otherwise nothing; it may be NULL, and an encapsulated
 * message is then refused as HR_SN_UNKNOWN_TYPE. `message` is whole only with HR_SN_OK. */
hr_sn_result hr_sn_decode(const uint8_t* bytes, size_t size, hr_sn_message* message, hr_sn_view* inner);

/* Writes `message` and sets `written`. Of an ENCAPSULATED one it writes what comes before the inner message.
 * HR_SN_BAD_FIELD, HR_SN_UNKNOWN_TYPE: it is none that hr_sn_decode would take. */
hr_sn_result hr_sn_encode(const hr_sn_message* message, uint8_t* buffer, size_t capacity, size_t* written);

/* The bytes of the message at the start of `size` bytes: its length, of a stream of them. 0: not yet known.
 * Less than 2 otherwise never; HR_SN_BAD_LENGTH is for hr_sn_decode to find. */
size_t hr_sn_length(const uint8_t* bytes, size_t size);

#ifdef __cplusplus
}
#endif

#endif
