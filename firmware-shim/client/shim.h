/* The firmware shim: joins a microcontroller to a Hedgerow board as an MQTT-SN 1.2 client.
 *
 *   static uint8_t store[512];
 *   static hr_shim shim;
 *   hr_shim_init(&shim, &config, &port, store, sizeof store);
 *   for (;;) {
 *     if (reading_due()) hr_shim_publish(&shim, TOPIC_TEMPERATURE, 1, false, text, size);
 *     sleep_until_interrupt(hr_shim_poll(&shim));
 *   }
 *
 * It connects, registers topics, subscribes, keeps alive and comes back by itself; the program only publishes, and
 * looks after hr_shim_poll(). Publishes of QoS 1 and 2 wait in the store until the gateway has answered that they are
 * on its disk, through restarts of the gateway and lost lines, in order and one at a time.
 *
 * Pure C11: no heap, no libc but string.h, no thread, no interrupt. The hardware is five functions (hr_shim_port).
 * Thread rule: one caller at a time; never from an interrupt. Ownership: config, port, store and all they point to must
 * outlive the shim; they are read, the store is written.
 * Source: MQTT-SN 1.2; section numbers are its.
 */
#ifndef HEDGEROW_FIRMWARE_SHIM_CLIENT_SHIM_H
#define HEDGEROW_FIRMWARE_SHIM_CLIENT_SHIM_H

#include "firmware-shim/codec/mqttsn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Limits, each of which costs RAM; a build may set others. */
#ifndef HR_SHIM_FRAME_MAX
#define HR_SHIM_FRAME_MAX 128u /* bytes of a message in either direction */
#endif
#ifndef HR_SHIM_TOPICS_MAX
#define HR_SHIM_TOPICS_MAX 8u /* topics published to, and filters subscribed to, each */
#endif
#ifndef HR_SHIM_NAMES_MAX
#define HR_SHIM_NAMES_MAX 4u /* topics that come by a filter with wildcards, at a time */
#endif
#ifndef HR_SHIM_NAME_MAX
#define HR_SHIM_NAME_MAX 30u /* bytes of the name of such a topic */
#endif

/* Section 7.2 recommends 10 to 15 s; a gateway that writes to a disk answers within milliseconds. */
#ifndef HR_SHIM_RETRY_MS
#define HR_SHIM_RETRY_MS 3000u
#endif
#define HR_SHIM_RETRIES 4u
#define HR_SHIM_RECONNECT_MIN_MS 500u
#define HR_SHIM_RECONNECT_MAX_MS 30000u

/* What must survive a reset, as one piece: so many bytes. Memory that was never written may hold anything. */
#define HR_SHIM_NONVOLATILE_SIZE 4u
typedef enum { HR_SHIM_LOAD, HR_SHIM_SAVE } hr_shim_nonvolatile;

/* The hardware. `context` is passed on. None may block for longer than the program can wait. */
typedef struct {
  void* context;
  /* Hands one message to the wire; what cannot be sent is lost, and sent again later. */
  void (*send)(void* context, const uint8_t* bytes, size_t size);
  /* One message that has come, of at most `capacity` bytes; 0: none. A longer one is dropped. */
  size_t (*receive)(void* context, uint8_t* buffer, size_t capacity);
  /* Milliseconds since any moment; wraps after 2^32. */
  uint32_t (*time_ms)(void* context);
  void (*random)(void* context, uint8_t* out, size_t size);
  /* Reads or writes the bytes that survive a reset; false: that failed. Used at the start only, once each, and only
   * where messages are sealed (sealed.h); otherwise it may be NULL. */
  bool (*nonvolatile)(void* context, hr_shim_nonvolatile operation, uint8_t bytes[HR_SHIM_NONVOLATILE_SIZE]);
} hr_shim_port;

typedef struct {
  const char* topic;
  const char* message;
  uint8_t qos; /* 0, 1, 2 */
  bool retain;
} hr_shim_will;

typedef struct {
  const char* filter; /* `+` and `#` as in MQTT */
  uint8_t qos;
} hr_shim_subscription;

typedef struct {
  const char* client_id;     /* 1 to 23 bytes (section 5.3.1) */
  uint16_t keep_alive_s;     /* 0: no keep alive */
  bool clean_session;        /* false: subscriptions and what waits for us survive (MQTT: Clean Start = 0) */
  const hr_shim_will* will;  /* NULL: none */
  const char* const* topics; /* that this thing publishes to; hr_shim_publish names them by their index */
  size_t topic_count;        /* at most HR_SHIM_TOPICS_MAX */
  const hr_shim_subscription* subscriptions;
  size_t subscription_count; /* at most HR_SHIM_TOPICS_MAX */
  /* What came for a subscription: at QoS 2 once, at QoS 1 perhaps again after a lost answer. `topic` and `payload`
   * are the shim's, until it returns. It may publish, not poll. NULL: none. */
  void (*on_message)(void* context, hr_sn_view topic, hr_sn_view payload);
  void* context;
} hr_shim_config;

typedef enum {
  HR_SHIM_OFFLINE, /* until it tries again */
  HR_SHIM_CONNECTING,
  HR_SHIM_ONLINE,
  HR_SHIM_ASLEEP /* the gateway keeps what comes; section 6.14 */
} hr_shim_state;

typedef enum {
  HR_SHIM_DONE = 0,
  HR_SHIM_FULL,   /* the store has no room until something is acknowledged: later, or never if it is that small */
  HR_SHIM_INVALID /* no such topic or QoS, or longer than HR_SHIM_FRAME_MAX allows */
} hr_shim_result;

/* What happened so far; for the program to look at. */
typedef struct {
  uint32_t acknowledged; /* publishes of QoS 1 and 2 that are on the gateway's disk */
  uint32_t refused;      /* … that the gateway refused for good; they are gone */
  uint32_t sent_again;   /* messages of any kind */
  uint32_t connects;
} hr_shim_counts;

/* One shim. The members are its own. */
typedef struct {
  const hr_shim_config* config;
  const hr_shim_port* port;
  uint8_t* store; /* publishes, oldest first; see store_entry in shim.c */
  size_t store_size;
  size_t store_used;
  hr_shim_state state;
  hr_shim_counts counts;
  uint32_t due_at;  /* offline: when to connect; with a step: when to send it again */
  uint32_t sent_at; /* for keep alive */
  uint32_t backoff_ms;
  uint16_t last_id;
  uint16_t step_id;    /* message id of the step */
  uint16_t inbound_id; /* the QoS 2 publish that was delivered, and is not released yet */
  uint16_t sleep_s;
  uint8_t step; /* what was sent and wants an answer; one at a time (section 6.13) */
  uint8_t step_index;
  uint8_t tries;
  bool sleep_wanted;
  bool mail_wanted;
  bool inbound_held;
  bool subscribed[HR_SHIM_TOPICS_MAX];
  uint16_t topic_ids[HR_SHIM_TOPICS_MAX];  /* 0: not registered in this connection */
  uint16_t filter_ids[HR_SHIM_TOPICS_MAX]; /* 0: a filter with wildcards, or not subscribed */
  struct {
    uint16_t id;
    uint8_t size;
    uint8_t text[HR_SHIM_NAME_MAX];
  } names[HR_SHIM_NAMES_MAX];
  uint8_t next_name;
  uint8_t in[HR_SHIM_FRAME_MAX];
  uint8_t out[HR_SHIM_FRAME_MAX];
} hr_shim;

#define HR_SHIM_NEVER UINT32_MAX

/* REQUIRES: what config says of its members holds. `store` may be NULL with size 0: then QoS 0 only. */
void hr_shim_init(hr_shim* shim, const hr_shim_config* config, const hr_shim_port* port, uint8_t* store,
                  size_t store_size);

/* Publishes to config->topics[topic]. QoS 1 and 2 are stored, and sent in turn; QoS 0 is sent now if online and its
 * topic is registered, otherwise lost. Payloads have at most HR_SHIM_FRAME_MAX - 9 bytes. */
hr_shim_result hr_shim_publish(hr_shim* shim, size_t topic, uint8_t qos, bool retain, const void* payload, size_t size);

/* Does what is due: takes what came, sends what is next, connects again. Returns the milliseconds until it wants to be
 * called again (HR_SHIM_NEVER: not by itself); call it earlier when something has come, or was published. */
uint32_t hr_shim_poll(hr_shim* shim);

/* Goes to sleep for at most `seconds` as soon as all that is stored is acknowledged; state HR_SHIM_ASLEEP says that it
 * is done. The gateway keeps what comes meanwhile. hr_shim_publish wakes it. */
void hr_shim_sleep(hr_shim* shim, uint16_t seconds);

/* Fetches what the gateway kept, asleep as before. Call it more often than `seconds` of hr_shim_sleep. */
void hr_shim_check_mail(hr_shim* shim);

/* Bytes of the store that wait for their acknowledgement; 0: nothing does. */
static inline size_t hr_shim_waiting(const hr_shim* shim) { return shim->store_used; }

#ifdef __cplusplus
}
#endif

#endif
