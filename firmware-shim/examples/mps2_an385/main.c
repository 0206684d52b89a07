/* A thing on an emulated board: a sensor that counts, an output that a message switches, a line that is UART 0.
 *
 *   field/once    every reading at QoS 2        field/led    "on" lights the board's first LED
 *   field/again   the same at QoS 1             field/lit    what the LED does then, retained
 *
 * The sensor has READINGS readings; a real one would have no end. Where a key is flashed the messages are sealed.
 */
#include <string.h>

#include "firmware-shim/client/sealed.h"
#include "firmware-shim/client/shim.h"
#include "firmware-shim/codec/frame.h"
#include "firmware-shim/seal_mbedtls/seal_mbedtls.h"

#ifndef READINGS
#define READINGS 10000u
#endif

/* --- the hardware: Arm Application Note 385; UART and timer of the Cortex-M System Design Kit --- */

#define REGISTER(address) (*(volatile uint32_t*)(address))
#define UART_DATA REGISTER(0x40004000u)
#define UART_STATE REGISTER(0x40004004u)
#define UART_CONTROL REGISTER(0x40004008u)
#define UART_INTERRUPT REGISTER(0x4000400Cu)
#define UART_BAUD_DIVIDER REGISTER(0x40004010u)
#define UART_SENDING 1u
#define UART_RECEIVED 2u
#define UART_BOTH_WAYS_AND_INTERRUPT 0xBu
#define INTERRUPTS_ON REGISTER(0xE000E100u)
#define UART_RECEIVED_INTERRUPT 1u
#define LEDS REGISTER(0x40028000u)
#define SYSTICK_CONTROL REGISTER(0xE000E010u)
#define SYSTICK_RELOAD REGISTER(0xE000E014u)
#define SYSTICK_VALUE REGISTER(0xE000E018u)
#define SYSTICK_ON 7u

#define CLOCK_HZ 25000000u
#define BAUD 115200u

static volatile uint32_t now_ms;

void sys_tick(void);
void sys_tick(void) { now_ms = now_ms + 1; }

/* What the interrupt has gathered. */
static uint8_t received[256];
static volatile uint8_t received_end;
static uint8_t received_begin;

void uart_received(void);
void uart_received(void) {
  UART_INTERRUPT = UART_RECEIVED;
  while ((UART_STATE & UART_RECEIVED) != 0) {
    received[received_end] = (uint8_t)UART_DATA;
    received_end = (uint8_t)(received_end + 1u);
  }
}

static void start_hardware(void) {
  UART_BAUD_DIVIDER = CLOCK_HZ / BAUD;
  UART_CONTROL = UART_BOTH_WAYS_AND_INTERRUPT;
  INTERRUPTS_ON = UART_RECEIVED_INTERRUPT;
  SYSTICK_RELOAD = CLOCK_HZ / 1000u - 1u;
  SYSTICK_VALUE = 0;
  SYSTICK_CONTROL = SYSTICK_ON;
}

/* --- the port --- */

static uint8_t in[HR_SEALED_FRAME_MAX + HR_FRAME_CRC_SIZE];
static hr_frame_decoder decoder;

static void port_send(void* context, const uint8_t* bytes, size_t size) {
  (void)context;
  static uint8_t frame[HR_FRAME_SIZE_MAX(HR_SEALED_FRAME_MAX)];
  size_t framed = hr_frame_encode(bytes, size, frame);
  for (size_t i = 0; i < framed; i++) {
    while ((UART_STATE & UART_SENDING) != 0) {
    }
    UART_DATA = frame[i];
  }
}

static size_t port_receive(void* context, uint8_t* buffer, size_t capacity) {
  (void)context;
  while (received_begin != received_end) {
    size_t size = hr_frame_decode(&decoder, received[received_begin++]);
    if (size == 0 || size > capacity) continue;
    memcpy(buffer, in, size);
    return size;
  }
  return 0;
}

static uint32_t port_time_ms(void* context) {
  (void)context;
  return now_ms;
}

/* This board has no source of chance; where yours has one, ask it. */
static void port_random(void* context, uint8_t* out, size_t size) {
  (void)context;
  static uint32_t state = 1;
  for (size_t i = 0; i < size; i++) {
    state = state * 1664525u + 1013904223u + SYSTICK_VALUE;
    out[i] = (uint8_t)(state >> 24);
  }
}

/* This board's memory that survives a reset is RAM, which QEMU begins anew when it starts; yours has flash. */
static uint8_t kept[HR_SHIM_NONVOLATILE_SIZE] __attribute__((section(".kept")));

static bool port_nonvolatile(void* context, hr_shim_nonvolatile operation, uint8_t bytes[HR_SHIM_NONVOLATILE_SIZE]) {
  (void)context;
  if (operation == HR_SHIM_LOAD) {
    memcpy(bytes, kept, sizeof kept);
  } else {
    memcpy(kept, bytes, sizeof kept);
  }
  return true;
}

/* Flashed apart from the program (memory.ld). */
extern const hr_sealed_key thing_key;

static bool has_key(void) {
  static const hr_sealed_key erased;
  return memcmp(&thing_key, &erased, sizeof erased) != 0;
}

/* --- the program --- */

enum { TOPIC_ONCE, TOPIC_AGAIN, TOPIC_LIT };
static const char* const topics[] = {"field/once", "field/again", "field/lit"};
static const hr_shim_subscription subscriptions[] = {{"field/led", 1}};

static hr_shim shim;
static hr_sealed sealed;
static uint8_t store[512];
static bool lit_changed;

static void on_message(void* context, hr_sn_view topic, hr_sn_view payload) {
  (void)context;
  (void)topic;
  LEDS = payload.size == 2 && memcmp(payload.data, "on", 2) == 0 ? 1u : 0u;
  lit_changed = true;
}

static size_t to_text(uint32_t number, char* text) {
  char digits[10];
  size_t size = 0;
  do {
    digits[size++] = (char)('0' + number % 10u);
    number /= 10u;
  } while (number != 0);
  for (size_t i = 0; i < size; i++) text[i] = digits[size - 1 - i];
  return size;
}

int main(void) {
  static const hr_shim_config config = {.client_id = "field-1",
                                        .keep_alive_s = 60,
                                        .topics = topics,
                                        .topic_count = sizeof topics / sizeof topics[0],
                                        .subscriptions = subscriptions,
                                        .subscription_count = 1,
                                        .on_message = on_message};
  static const hr_shim_port port = {.send = port_send,
                                    .receive = port_receive,
                                    .time_ms = port_time_ms,
                                    .random = port_random,
                                    .nonvolatile = port_nonvolatile};
  start_hardware();
  hr_frame_decoder_init(&decoder, in, sizeof in);
  const hr_shim_port* wire = &port;
  if (has_key()) {
    if (!hr_sealed_init(&sealed, &thing_key, &hr_seal_mbedtls, &port)) return 1;
    wire = hr_sealed_port(&sealed);
  }
  hr_shim_init(&shim, &config, wire, store, sizeof store);

  uint32_t once = 0;
  uint32_t again = 0;
  for (;;) {
    char text[10];
    /* In turns, so that neither takes all the room in the store. */
    if (once < READINGS && once == again &&
        hr_shim_publish(&shim, TOPIC_ONCE, 2, false, text, to_text(once + 1, text)) == HR_SHIM_DONE) {
      once++;
    }
    if (again < once && hr_shim_publish(&shim, TOPIC_AGAIN, 1, false, text, to_text(again + 1, text)) == HR_SHIM_DONE) {
      again++;
    }
    if (lit_changed &&
        hr_shim_publish(&shim, TOPIC_LIT, 1, true, LEDS != 0 ? "on" : "off", LEDS != 0 ? 2 : 3) == HR_SHIM_DONE) {
      lit_changed = false;
    }
    /* The next tick comes within a millisecond, so nothing that comes in between is slept over. */
    if (hr_shim_poll(&shim) != 0 && received_begin == received_end) __asm volatile("wfi");
  }
}
