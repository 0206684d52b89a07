/* Frames on a serial line: where a message begins and ends, and whether it came whole.
 *
 *   frame := COBS(message crc32) 0x00
 *
 * COBS (Cheshire, Baker 1999) leaves no zero inside, so that after any damage the next zero begins anew. The CRC is
 * that of IEEE 802.3, big-endian. It tells damage, not forgery.
 * Pure C11: no heap, no libc but string.h. Thread rule: one caller for each decoder.
 */
#ifndef HEDGEROW_FIRMWARE_SHIM_CODEC_FRAME_H
#define HEDGEROW_FIRMWARE_SHIM_CODEC_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HR_FRAME_CRC_SIZE 4u
/* Room that the frame of a message of `size` bytes may take. */
#define HR_FRAME_SIZE_MAX(size) ((size) + HR_FRAME_CRC_SIZE + ((size) + HR_FRAME_CRC_SIZE) / 254u + 2u)

/* Writes the frame; returns its size. REQUIRES: HR_FRAME_SIZE_MAX(size) bytes of room. */
size_t hr_frame_encode(const uint8_t* message, size_t size, uint8_t* frame);

/* Takes frames apart, byte by byte. */
typedef struct {
  uint8_t* buffer; /* for a message and its CRC */
  size_t capacity;
  size_t used;
  uint8_t left;  /* bytes of the present COBS block */
  bool zero_due; /* the block before stood for a zero at its end */
  bool broken;   /* until the next zero */
  uint32_t damaged;
} hr_frame_decoder;

/* `buffer` is the decoder's; longer messages count as damaged. */
void hr_frame_decoder_init(hr_frame_decoder* decoder, uint8_t* buffer, size_t capacity);

/* The next byte of the line. Returns the size of a message that is whole now, at the start of the buffer until the
 * next call; otherwise 0. */
size_t hr_frame_decode(hr_frame_decoder* decoder, uint8_t byte);

#ifdef __cplusplus
}
#endif

#endif
