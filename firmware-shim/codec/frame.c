#include "firmware-shim/codec/frame.h"

#include <string.h>

/* Reflected polynomial of IEEE 802.3. By bits: a line is slower than this, and a table costs a kilobyte. */
static uint32_t crc32_add(uint32_t crc, uint8_t byte) {
  crc ^= byte;
  for (unsigned bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1u)));
  return crc;
}

static uint32_t crc32_of(const uint8_t* bytes, size_t size) {
  uint32_t crc = 0xFFFFFFFFu;
  for (size_t i = 0; i < size; i++) crc = crc32_add(crc, bytes[i]);
  return ~crc;
}

typedef struct {
  uint8_t* out;
  size_t used;
  size_t code_at;
  uint8_t code;
} cobs_writer;

static void cobs_end_block(cobs_writer* writer) {
  writer->out[writer->code_at] = writer->code;
  writer->code_at = writer->used++;
  writer->code = 1;
}

static void cobs_write(cobs_writer* writer, uint8_t byte) {
  if (byte != 0) {
    writer->out[writer->used++] = byte;
    writer->code++;
  }
  if (byte == 0 || writer->code == 0xFFu) cobs_end_block(writer);
}

size_t hr_frame_encode(const uint8_t* message, size_t size, uint8_t* frame) {
  cobs_writer writer = {frame, 1, 0, 1};
  for (size_t i = 0; i < size; i++) cobs_write(&writer, message[i]);
  uint32_t crc = crc32_of(message, size);
  for (unsigned shift = 32; shift > 0; shift -= 8) cobs_write(&writer, (uint8_t)(crc >> (shift - 8)));
  writer.out[writer.code_at] = writer.code;
  writer.out[writer.used++] = 0;
  return writer.used;
}

void hr_frame_decoder_init(hr_frame_decoder* decoder, uint8_t* buffer, size_t capacity) {
  memset(decoder, 0, sizeof *decoder);
  decoder->buffer = buffer;
  decoder->capacity = capacity;
}

static void decoder_put(hr_frame_decoder* decoder, uint8_t byte) {
  if (decoder->used == decoder->capacity) {
    decoder->broken = true;
    return;
  }
  decoder->buffer[decoder->used++] = byte;
}

/* A zero has come: what was gathered is a message, or damaged. */
static size_t decoder_end(hr_frame_decoder* decoder) {
  size_t used = decoder->used;
  bool whole = !decoder->broken && decoder->left == 0 && used > HR_FRAME_CRC_SIZE;
  bool nothing = !decoder->broken && used == 0 && decoder->left == 0; /* zeros between frames */
  decoder->used = 0;
  decoder->left = 0;
  decoder->zero_due = false;
  decoder->broken = false;
  if (whole) {
    size_t size = used - HR_FRAME_CRC_SIZE;
    uint32_t crc = 0;
    for (size_t i = size; i < used; i++) crc = crc << 8 | decoder->buffer[i];
    if (crc == crc32_of(decoder->buffer, size)) return size;
  }
  if (!nothing) decoder->damaged++;
  return 0;
}

size_t hr_frame_decode(hr_frame_decoder* decoder, uint8_t byte) {
  if (byte == 0) return decoder_end(decoder);
  if (decoder->broken) return 0;
  if (decoder->left != 0) {
    decoder->left--;
    decoder_put(decoder, byte);
    return 0;
  }
  if (decoder->zero_due) decoder_put(decoder, 0);
  decoder->left = (uint8_t)(byte - 1u);
  decoder->zero_due = byte != 0xFFu;
  return 0;
}
