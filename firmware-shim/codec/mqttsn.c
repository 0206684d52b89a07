#include "firmware-shim/codec/mqttsn.h"

#include <string.h>

/* What a message of each type consists of, field by field, behind its length and type (sections 5.4.1 to 5.5):
 *   F flags   P protocol id   C code   D duration   T topic id   M message id
 *   t topic id, or a name where the flags say so   * the rest   + the rest, at least a byte
 *   ? all that follows may be left out */
static const char* layout_of(unsigned type) {
  static const char* const layouts[] = {
      [HR_SN_ADVERTISE] = "CD",    [HR_SN_SEARCHGW] = "C",    [HR_SN_GWINFO] = "C*",       [HR_SN_CONNECT] = "FPD+",
      [HR_SN_CONNACK] = "C",       [HR_SN_WILLTOPICREQ] = "", [HR_SN_WILLTOPIC] = "?F+",   [HR_SN_WILLMSGREQ] = "",
      [HR_SN_WILLMSG] = "*",       [HR_SN_REGISTER] = "TM+",  [HR_SN_REGACK] = "TMC",      [HR_SN_PUBLISH] = "FTM*",
      [HR_SN_PUBACK] = "TMC",      [HR_SN_PUBCOMP] = "M",     [HR_SN_PUBREC] = "M",        [HR_SN_PUBREL] = "M",
      [HR_SN_SUBSCRIBE] = "FMt",   [HR_SN_SUBACK] = "FTMC",   [HR_SN_UNSUBSCRIBE] = "FMt", [HR_SN_UNSUBACK] = "M",
      [HR_SN_PINGREQ] = "*",       [HR_SN_PINGRESP] = "",     [HR_SN_DISCONNECT] = "?D",   [HR_SN_WILLTOPICUPD] = "?F+",
      [HR_SN_WILLTOPICRESP] = "C", [HR_SN_WILLMSGUPD] = "*",  [HR_SN_WILLMSGRESP] = "C",
  };
  if (type == HR_SN_ENCAPSULATED) return "C+";
  return type < sizeof layouts / sizeof layouts[0] ? layouts[type] : NULL;
}

#define PROTOCOL_ID 0x01u /* section 5.3.8 */
#define LONG_LENGTH 0x01u

typedef struct {
  const uint8_t* at;
  size_t left;
  bool failed;
} reader;

static uint8_t read_byte(reader* in) {
  if (in->left == 0) {
    in->failed = true;
    return 0;
  }
  in->left--;
  return *in->at++;
}

static uint16_t read_u16(reader* in) {
  unsigned high = read_byte(in);
  return (uint16_t)(high << 8 | read_byte(in));
}

static hr_sn_view read_rest(reader* in) {
  hr_sn_view rest = {in->at, in->left};
  in->at += in->left;
  in->left = 0;
  return rest;
}

/* Fields that no message may have: section 5.3.4 knows three types of topic, 5.3.1 clients' ids of 1 to 23 bytes. */
static bool fields_valid(const hr_sn_message* message) {
  if ((message->flags & HR_SN_TOPIC_MASK) == HR_SN_TOPIC_MASK) return false;
  if (message->type == HR_SN_CONNECT || message->type == HR_SN_PINGREQ)
    return message->tail.size <= HR_SN_CLIENT_ID_MAX;
  return true;
}

static bool topic_is_name(const hr_sn_message* message) {
  return (message->flags & HR_SN_TOPIC_MASK) == HR_SN_TOPIC_NORMAL;
}

static hr_sn_result read_fields(const char* layout, reader* in, hr_sn_message* message) {
  for (; *layout != '\0'; layout++) {
    switch (*layout) {
      case 'F': message->flags = read_byte(in); break;
      case 'P':
        if (read_byte(in) != PROTOCOL_ID && !in->failed) return HR_SN_BAD_FIELD;
        break;
      case 'C': message->code = read_byte(in); break;
      case 'D': message->duration = read_u16(in); break;
      case 'T': message->topic_id = read_u16(in); break;
      case 'M': message->msg_id = read_u16(in); break;
      case 't':
        if (!topic_is_name(message)) {
          message->topic_id = read_u16(in);
          break;
        }
        if (in->left == 0) in->failed = true;
        message->tail = read_rest(in);
        break;
      case '+':
        if (in->left == 0) in->failed = true;
        message->tail = read_rest(in);
        break;
      case '*': message->tail = read_rest(in); break;
      default: /* '?' */
        if (in->left == 0) return HR_SN_OK;
        message->has_body = true;
        break;
    }
  }
  return in->failed || in->left != 0 ? HR_SN_BAD_LENGTH : HR_SN_OK;
}

size_t hr_sn_length(const uint8_t* bytes, size_t size) {
  if (size == 0) return 0;
  if (bytes[0] != LONG_LENGTH) return bytes[0] < 2 ? 2 : bytes[0];
  if (size < 3) return 0;
  size_t length = (size_t)bytes[1] << 8 | bytes[2];
  return length < 2 ? 2 : length;
}

hr_sn_result hr_sn_decode(const uint8_t* bytes, size_t size, hr_sn_message* message, hr_sn_view* inner) {
  memset(message, 0, sizeof *message);
  if (inner != NULL) *inner = (hr_sn_view){NULL, 0};
  reader in = {bytes, size, false};
  size_t length = read_byte(&in);
  size_t header = 2;
  if (length == LONG_LENGTH && !in.failed) {
    length = read_u16(&in);
    header = 4;
  }
  unsigned type = read_byte(&in);
  if (in.failed || length > size) return HR_SN_TRUNCATED;
  if (length < header) return HR_SN_BAD_LENGTH;

  const char* layout = layout_of(type);
  if (layout == NULL || (type == HR_SN_ENCAPSULATED && inner == NULL)) return HR_SN_UNKNOWN_TYPE;
  message->type = (hr_sn_type)type;
  if (type == HR_SN_ENCAPSULATED) {
    /* Section 5.5: the length ends with the wireless node's id; the rest is the message that goes there. */
    *inner = (hr_sn_view){bytes + length, size - length};
  } else if (length != size) {
    return HR_SN_BAD_LENGTH;
  }
  in.left = length - header;
  hr_sn_result result = read_fields(layout, &in, message);
  if (result == HR_SN_OK && !fields_valid(message)) return HR_SN_BAD_FIELD;
  return result;
}

static size_t fields_size(const char* layout, const hr_sn_message* message) {
  size_t size = 0;
  for (; *layout != '\0'; layout++) {
    switch (*layout) {
      case 'F':
      case 'P':
      case 'C': size += 1; break;
      case 'D':
      case 'T':
      case 'M': size += 2; break;
      case 't': size += topic_is_name(message) ? message->tail.size : 2; break;
      case '*':
      case '+': size += message->tail.size; break;
      default: /* '?' */
        if (!message->has_body) return size;
        break;
    }
  }
  return size;
}

static uint8_t* write_u16(uint8_t* out, unsigned value) {
  *out++ = (uint8_t)(value >> 8);
  *out++ = (uint8_t)value;
  return out;
}

static uint8_t* write_view(uint8_t* out, hr_sn_view view) {
  if (view.size != 0) memcpy(out, view.data, view.size);
  return out + view.size;
}

static void write_fields(const char* layout, const hr_sn_message* message, uint8_t* out) {
  for (; *layout != '\0'; layout++) {
    switch (*layout) {
      case 'F': *out++ = message->flags; break;
      case 'P': *out++ = PROTOCOL_ID; break;
      case 'C': *out++ = message->code; break;
      case 'D': out = write_u16(out, message->duration); break;
      case 'T': out = write_u16(out, message->topic_id); break;
      case 'M': out = write_u16(out, message->msg_id); break;
      case 't':
        out = topic_is_name(message) ? write_view(out, message->tail) : write_u16(out, message->topic_id);
        break;
      case '*':
      case '+': out = write_view(out, message->tail); break;
      default: /* '?' */
        if (!message->has_body) return;
        break;
    }
  }
}

/* A tail that the layout wants, and that is not there. */
static bool tail_missing(const char* layout, const hr_sn_message* message) {
  if (message->tail.size != 0 || (layout[0] == '?' && !message->has_body)) return false;
  return strchr(layout, '+') != NULL || (strchr(layout, 't') != NULL && topic_is_name(message));
}

hr_sn_result hr_sn_encode(const hr_sn_message* message, uint8_t* buffer, size_t capacity, size_t* written) {
  const char* layout = layout_of((unsigned)message->type);
  if (layout == NULL) return HR_SN_UNKNOWN_TYPE;
  if (!fields_valid(message) || tail_missing(layout, message)) return HR_SN_BAD_FIELD;

  size_t length = 2 + fields_size(layout, message);
  bool long_length = length > UINT8_MAX;
  if (long_length) length += 2;
  if (length > HR_SN_MESSAGE_MAX || length > capacity) return HR_SN_NO_ROOM;
  uint8_t* out = buffer;
  if (long_length) {
    *out++ = LONG_LENGTH;
    out = write_u16(out, (unsigned)length);
  } else {
    *out++ = (uint8_t)length;
  }
  *out++ = (uint8_t)message->type;
  write_fields(layout, message, out);
  *written = length;
  return HR_SN_OK;
}
