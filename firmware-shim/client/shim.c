#include "firmware-shim/client/shim.h"

#include <string.h>

/* A stored publish: its payload's size, its flags, its topic, its message id (2 bytes; 0: never sent), its payload. */
#define ENTRY_SIZE 0u
#define ENTRY_FLAGS 1u
#define ENTRY_TOPIC 2u
#define ENTRY_ID 3u
#define ENTRY_HEADER 5u
/* In its flags, beside those of the message: the gateway has it, only the release of its id is not answered yet. */
#define ENTRY_RELEASED HR_SN_WILL

/* Reserved (section 5.3.11): the gateway does not take this topic, in this connection. */
#define REFUSED_ID 0xFFFFu

#define PUBLISH_HEADER 9u        /* with the long length */
#define KEEP_ALIVE_MS_PER_S 667u /* a third of it is left for the way */
#define MESSAGES_PER_POLL 8u

enum { STEP_NONE, STEP_CONNECT, STEP_REGISTER, STEP_SUBSCRIBE, STEP_PUBLISH, STEP_RELEASE, STEP_PING, STEP_SLEEP };

static uint32_t now_ms(const hr_shim* shim) { return shim->port->time_ms(shim->port->context); }

static bool is_due(uint32_t now, uint32_t at) { return (int32_t)(now - at) >= 0; }

static hr_sn_view text_view(const char* text) { return (hr_sn_view){(const uint8_t*)text, strlen(text)}; }

static unsigned qos_of(uint8_t flags) { return (flags & HR_SN_QOS_MASK) >> HR_SN_QOS_SHIFT; }

static uint8_t qos_flags(unsigned qos) { return (uint8_t)(qos << HR_SN_QOS_SHIFT); }

static void send_message(hr_shim* shim, const hr_sn_message* message) {
  size_t size;
  if (hr_sn_encode(message, shim->out, sizeof shim->out, &size) != HR_SN_OK) return;
  shim->sent_at = now_ms(shim);
  shim->port->send(shim->port->context, shim->out, size);
}

static void send_answer(hr_shim* shim, hr_sn_type type, uint16_t topic_id, uint16_t msg_id, uint8_t code) {
  hr_sn_message answer = {.type = type, .topic_id = topic_id, .msg_id = msg_id, .code = code};
  send_message(shim, &answer);
}

/* --- topics --- */

/* A topic of two characters is its own id (section 3). */
static bool is_short(const char* topic) { return topic[0] != '\0' && topic[1] != '\0' && topic[2] == '\0'; }

static uint16_t short_id(const char* topic) {
  return (uint16_t)((unsigned)(uint8_t)topic[0] << 8 | (unsigned)(uint8_t)topic[1]);
}

static bool has_id(const hr_shim* shim, size_t topic) {
  return shim->topic_ids[topic] != 0 || is_short(shim->config->topics[topic]);
}

static hr_sn_message publish_message(const hr_shim* shim, size_t topic, uint8_t flags) {
  hr_sn_message message = {.type = HR_SN_PUBLISH, .flags = flags};
  const char* name = shim->config->topics[topic];
  if (is_short(name)) {
    message.flags |= HR_SN_TOPIC_SHORT;
    message.topic_id = short_id(name);
  } else {
    message.topic_id = shim->topic_ids[topic];
  }
  return message;
}

/* The topic that a message from the gateway names; size 0: not known here. */
static hr_sn_view inbound_topic(const hr_shim* shim, const hr_sn_message* message, uint8_t short_name[2]) {
  hr_sn_view none = {NULL, 0};
  if ((message->flags & HR_SN_TOPIC_MASK) == HR_SN_TOPIC_SHORT) {
    short_name[0] = (uint8_t)(message->topic_id >> 8);
    short_name[1] = (uint8_t)message->topic_id;
    return (hr_sn_view){short_name, 2};
  }
  if ((message->flags & HR_SN_TOPIC_MASK) != HR_SN_TOPIC_NORMAL || message->topic_id == 0) return none;
  for (size_t i = 0; i < shim->config->subscription_count; i++) {
    if (shim->filter_ids[i] == message->topic_id) return text_view(shim->config->subscriptions[i].filter);
  }
  for (size_t i = 0; i < HR_SHIM_NAMES_MAX; i++) {
    if (shim->names[i].id == message->topic_id) return (hr_sn_view){shim->names[i].text, shim->names[i].size};
  }
  return none;
}

static void take_name(hr_shim* shim, const hr_sn_message* message) {
  uint8_t code = HR_SN_NOT_SUPPORTED;
  if (message->tail.size <= HR_SHIM_NAME_MAX && message->topic_id != 0) {
    size_t slot = shim->next_name;
    for (size_t i = 0; i < HR_SHIM_NAMES_MAX; i++) {
      if (shim->names[i].id == message->topic_id) slot = i;
    }
    if (slot == shim->next_name) shim->next_name = (uint8_t)((shim->next_name + 1u) % HR_SHIM_NAMES_MAX);
    shim->names[slot].id = message->topic_id;
    shim->names[slot].size = (uint8_t)message->tail.size;
    memcpy(shim->names[slot].text, message->tail.data, message->tail.size);
    code = HR_SN_ACCEPTED;
  }
  send_answer(shim, HR_SN_REGACK, message->topic_id, message->msg_id, code);
}

/* --- the store --- */

static uint16_t entry_id(const uint8_t* entry) {
  return (uint16_t)((unsigned)entry[ENTRY_ID] << 8 | entry[ENTRY_ID + 1]);
}

static void drop_first(hr_shim* shim) {
  size_t size = ENTRY_HEADER + shim->store[ENTRY_SIZE];
  shim->store_used -= size;
  memmove(shim->store, shim->store + size, shim->store_used);
}

static uint16_t new_id(hr_shim* shim) {
  if (++shim->last_id == 0) shim->last_id = 1;
  return shim->last_id;
}

/* --- steps: what is sent, and sent again until it is answered --- */

static void send_first_stored(hr_shim* shim) {
  uint8_t* entry = shim->store;
  hr_sn_message message = publish_message(shim, entry[ENTRY_TOPIC], (uint8_t)(entry[ENTRY_FLAGS] & ~ENTRY_RELEASED));
  message.msg_id = shim->step_id;
  message.tail = (hr_sn_view){entry + ENTRY_HEADER, entry[ENTRY_SIZE]};
  send_message(shim, &message);
  entry[ENTRY_FLAGS] |= HR_SN_DUP;
}

static void send_step(hr_shim* shim) {
  const hr_shim_config* config = shim->config;
  hr_sn_message message = {.msg_id = shim->step_id};
  switch (shim->step) {
    case STEP_CONNECT:
      message.type = HR_SN_CONNECT;
      if (config->clean_session) message.flags |= HR_SN_CLEAN_SESSION;
      if (config->will != NULL) message.flags |= HR_SN_WILL;
      message.duration = config->keep_alive_s;
      message.tail = text_view(config->client_id);
      break;
    case STEP_REGISTER:
      message.type = HR_SN_REGISTER;
      message.tail = text_view(config->topics[shim->step_index]);
      break;
    case STEP_SUBSCRIBE:
      message.type = HR_SN_SUBSCRIBE;
      message.flags = qos_flags(config->subscriptions[shim->step_index].qos);
      message.tail = text_view(config->subscriptions[shim->step_index].filter);
      break;
    case STEP_PUBLISH: send_first_stored(shim); return;
    case STEP_RELEASE: message.type = HR_SN_PUBREL; break;
    case STEP_PING:
      message.type = HR_SN_PINGREQ;
      if (shim->state == HR_SHIM_ASLEEP) message.tail = text_view(config->client_id);
      break;
    default: /* STEP_SLEEP */
      message.type = HR_SN_DISCONNECT;
      message.has_body = true;
      message.duration = shim->sleep_s;
      break;
  }
  send_message(shim, &message);
}

static void begin_step(hr_shim* shim, unsigned step, size_t index, uint16_t id) {
  shim->step = (uint8_t)step;
  shim->step_index = (uint8_t)index;
  shim->step_id = id;
  shim->tries = 0;
  shim->due_at = now_ms(shim) + HR_SHIM_RETRY_MS;
  send_step(shim);
}

static void end_step(hr_shim* shim) { shim->step = STEP_NONE; }

/* The gateway has no room now: the same again, as long as it takes. */
static void wait_for_room(hr_shim* shim) {
  shim->tries = 0;
  shim->due_at = now_ms(shim) + HR_SHIM_RETRY_MS;
}

static void lose_connection(hr_shim* shim) {
  uint8_t jitter = 0;
  shim->port->random(shim->port->context, &jitter, sizeof jitter);
  shim->state = HR_SHIM_OFFLINE;
  end_step(shim);
  /* From three quarters to five quarters of the back-off, so that a hundred things do not come back at once. */
  shim->due_at = now_ms(shim) + shim->backoff_ms * 3u / 4u + shim->backoff_ms / 2u * jitter / UINT8_MAX;
  shim->backoff_ms *= 2;
  if (shim->backoff_ms > HR_SHIM_RECONNECT_MAX_MS) shim->backoff_ms = HR_SHIM_RECONNECT_MAX_MS;
}

static void go_online(hr_shim* shim) {
  shim->state = HR_SHIM_ONLINE;
  shim->backoff_ms = HR_SHIM_RECONNECT_MIN_MS;
  shim->counts.connects++;
  memset(shim->topic_ids, 0, sizeof shim->topic_ids);
  memset(shim->filter_ids, 0, sizeof shim->filter_ids);
  memset(shim->subscribed, 0, sizeof shim->subscribed);
  end_step(shim);
}

/* Online, and nothing is waited for: what comes next. */
static void next_step(hr_shim* shim) {
  const hr_shim_config* config = shim->config;
  for (size_t i = 0; i < config->subscription_count; i++) {
    if (!shim->subscribed[i]) {
      begin_step(shim, STEP_SUBSCRIBE, i, new_id(shim));
      return;
    }
  }
  for (size_t i = 0; i < config->topic_count; i++) {
    if (!has_id(shim, i)) {
      begin_step(shim, STEP_REGISTER, i, new_id(shim));
      return;
    }
  }
  while (shim->store_used != 0 && shim->topic_ids[shim->store[ENTRY_TOPIC]] == REFUSED_ID) {
    shim->counts.refused++;
    drop_first(shim);
  }
  if (shim->store_used != 0) {
    uint8_t* entry = shim->store;
    uint16_t id = entry_id(entry);
    if (id == 0) {
      id = new_id(shim);
      entry[ENTRY_ID] = (uint8_t)(id >> 8);
      entry[ENTRY_ID + 1] = (uint8_t)id;
    }
    begin_step(shim, (entry[ENTRY_FLAGS] & ENTRY_RELEASED) != 0 ? STEP_RELEASE : STEP_PUBLISH, 0, id);
    return;
  }
  if (shim->sleep_wanted) {
    begin_step(shim, STEP_SLEEP, 0, 0);
  } else if (config->keep_alive_s != 0 &&
             is_due(now_ms(shim), shim->sent_at + config->keep_alive_s * KEEP_ALIVE_MS_PER_S)) {
    begin_step(shim, STEP_PING, 0, 0);
  }
}

/* --- what comes --- */

static void answer_will_topic(hr_shim* shim) {
  const hr_shim_will* will = shim->config->will;
  hr_sn_message message = {.type = HR_SN_WILLTOPIC, .has_body = will != NULL};
  if (will != NULL) {
    message.flags = (uint8_t)(qos_flags(will->qos) | (will->retain ? HR_SN_RETAIN : 0u));
    message.tail = text_view(will->topic);
  }
  send_message(shim, &message);
}

static void answer_will_message(hr_shim* shim) {
  hr_sn_message message = {.type = HR_SN_WILLMSG};
  if (shim->config->will != NULL) message.tail = text_view(shim->config->will->message);
  send_message(shim, &message);
}

/* The gateway's word on the publish that is waiting. */
static void take_puback(hr_shim* shim, const hr_sn_message* message) {
  if (shim->step != STEP_PUBLISH || message->msg_id != shim->step_id) return;
  switch (message->code) {
    case HR_SN_ACCEPTED:
      shim->counts.acknowledged++;
      drop_first(shim);
      end_step(shim);
      break;
    case HR_SN_CONGESTION: wait_for_room(shim); break;
    case HR_SN_INVALID_TOPIC_ID: /* it has forgotten our topics: tell them again */
      memset(shim->topic_ids, 0, sizeof shim->topic_ids);
      end_step(shim);
      break;
    default:
      shim->counts.refused++;
      drop_first(shim);
      end_step(shim);
      break;
  }
}

static void take_release_answer(hr_shim* shim, const hr_sn_message* message) {
  if (message->msg_id != shim->step_id) return;
  if (message->type == HR_SN_PUBREC && shim->step == STEP_PUBLISH && qos_of(shim->store[ENTRY_FLAGS]) == 2) {
    shim->store[ENTRY_FLAGS] |= ENTRY_RELEASED;
    begin_step(shim, STEP_RELEASE, 0, shim->step_id);
  } else if (message->type == HR_SN_PUBCOMP && shim->step == STEP_RELEASE) {
    shim->counts.acknowledged++;
    drop_first(shim);
    end_step(shim);
  }
}

static void take_register_answer(hr_shim* shim, const hr_sn_message* message) {
  if (shim->step != STEP_REGISTER || message->msg_id != shim->step_id) return;
  if (message->code == HR_SN_CONGESTION) {
    wait_for_room(shim);
    return;
  }
  shim->topic_ids[shim->step_index] = message->code == HR_SN_ACCEPTED ? message->topic_id : REFUSED_ID;
  end_step(shim);
}

static void take_subscribe_answer(hr_shim* shim, const hr_sn_message* message) {
  if (shim->step != STEP_SUBSCRIBE || message->msg_id != shim->step_id) return;
  if (message->code == HR_SN_CONGESTION) {
    wait_for_room(shim);
    return;
  }
  if (message->code != HR_SN_ACCEPTED) shim->counts.refused++;
  shim->filter_ids[shim->step_index] = message->code == HR_SN_ACCEPTED ? message->topic_id : 0;
  shim->subscribed[shim->step_index] = true;
  end_step(shim);
}

static void take_publish(hr_shim* shim, const hr_sn_message* message) {
  unsigned qos = qos_of(message->flags);
  uint8_t short_name[2];
  hr_sn_view topic = inbound_topic(shim, message, short_name);
  bool again = qos == 2 && shim->inbound_held && shim->inbound_id == message->msg_id;
  if (topic.size == 0) {
    if (qos != 0) send_answer(shim, HR_SN_PUBACK, message->topic_id, message->msg_id, HR_SN_INVALID_TOPIC_ID);
    return;
  }
  if (!again && shim->config->on_message != NULL) {
    shim->config->on_message(shim->config->context, topic, message->tail);
  }
  if (qos == 1) send_answer(shim, HR_SN_PUBACK, message->topic_id, message->msg_id, HR_SN_ACCEPTED);
  if (qos == 2) {
    shim->inbound_held = true;
    shim->inbound_id = message->msg_id;
    send_answer(shim, HR_SN_PUBREC, 0, message->msg_id, 0);
  }
}

static void take_disconnect(hr_shim* shim) {
  if (shim->step != STEP_SLEEP) {
    lose_connection(shim); /* it does not know us (any more): connect anew */
    return;
  }
  end_step(shim);
  shim->state = HR_SHIM_ASLEEP;
  shim->sleep_wanted = false;
}

static void take_connack(hr_shim* shim, const hr_sn_message* message) {
  if (shim->step != STEP_CONNECT) return;
  if (message->code == HR_SN_ACCEPTED) {
    go_online(shim);
  } else {
    lose_connection(shim);
  }
}

static void take(hr_shim* shim, const hr_sn_message* message) {
  /* Before CONNACK the gateway asks for the will, nothing else (section 6.2). */
  bool connected = shim->state == HR_SHIM_ONLINE || shim->state == HR_SHIM_ASLEEP;
  switch (message->type) {
    case HR_SN_CONNACK: take_connack(shim, message); break;
    case HR_SN_WILLTOPICREQ:
      if (shim->step == STEP_CONNECT) answer_will_topic(shim);
      break;
    case HR_SN_WILLMSGREQ:
      if (shim->step == STEP_CONNECT) answer_will_message(shim);
      break;
    case HR_SN_REGISTER:
      if (connected) take_name(shim, message);
      break;
    case HR_SN_REGACK: take_register_answer(shim, message); break;
    case HR_SN_SUBACK: take_subscribe_answer(shim, message); break;
    case HR_SN_PUBLISH:
      if (connected) take_publish(shim, message);
      break;
    case HR_SN_PUBACK: take_puback(shim, message); break;
    case HR_SN_PUBREC:
    case HR_SN_PUBCOMP: take_release_answer(shim, message); break;
    case HR_SN_PUBREL:
      if (shim->inbound_id == message->msg_id) shim->inbound_held = false;
      send_answer(shim, HR_SN_PUBCOMP, 0, message->msg_id, 0);
      break;
    case HR_SN_PINGREQ: send_answer(shim, HR_SN_PINGRESP, 0, 0, 0); break;
    case HR_SN_PINGRESP:
      if (shim->step == STEP_PING) end_step(shim);
      break;
    case HR_SN_DISCONNECT:
      if (connected) take_disconnect(shim);
      break;
    default: break; /* other nodes' and gateways' affairs */
  }
}

static void take_what_came(hr_shim* shim) {
  for (unsigned n = 0; n < MESSAGES_PER_POLL; n++) {
    size_t size = shim->port->receive(shim->port->context, shim->in, sizeof shim->in);
    if (size == 0) return;
    hr_sn_message message;
    if (hr_sn_decode(shim->in, size, &message, NULL) == HR_SN_OK) take(shim, &message);
  }
}

/* --- for the program --- */

void hr_shim_init(hr_shim* shim, const hr_shim_config* config, const hr_shim_port* port, uint8_t* store,
                  size_t store_size) {
  memset(shim, 0, sizeof *shim);
  shim->config = config;
  shim->port = port;
  shim->store = store;
  shim->store_size = store_size;
  shim->backoff_ms = HR_SHIM_RECONNECT_MIN_MS;
  shim->due_at = now_ms(shim);
  /* The gateway takes a message of the same id for the same message: begin elsewhere than before a reset. */
  uint8_t id[2];
  port->random(port->context, id, sizeof id);
  shim->last_id = (uint16_t)((unsigned)id[0] << 8 | id[1]);
}

hr_shim_result hr_shim_publish(hr_shim* shim, size_t topic, uint8_t qos, bool retain, const void* payload,
                               size_t size) {
  if (topic >= shim->config->topic_count || qos > 2 || size > HR_SHIM_FRAME_MAX - PUBLISH_HEADER || size > UINT8_MAX) {
    return HR_SHIM_INVALID;
  }
  uint8_t flags = (uint8_t)(qos_flags(qos) | (retain ? HR_SN_RETAIN : 0u));
  if (qos == 0) {
    if (shim->state != HR_SHIM_ONLINE || !has_id(shim, topic) || shim->topic_ids[topic] == REFUSED_ID)
      return HR_SHIM_DONE;
    hr_sn_message message = publish_message(shim, topic, flags);
    message.tail = (hr_sn_view){payload, size};
    send_message(shim, &message);
    return HR_SHIM_DONE;
  }
  if (shim->store_size - shim->store_used < ENTRY_HEADER + size) return HR_SHIM_FULL;
  uint8_t* entry = shim->store + shim->store_used;
  entry[ENTRY_SIZE] = (uint8_t)size;
  entry[ENTRY_FLAGS] = flags;
  entry[ENTRY_TOPIC] = (uint8_t)topic;
  entry[ENTRY_ID] = 0;
  entry[ENTRY_ID + 1] = 0;
  if (size != 0) memcpy(entry + ENTRY_HEADER, payload, size);
  shim->store_used += ENTRY_HEADER + size;
  return HR_SHIM_DONE;
}

void hr_shim_sleep(hr_shim* shim, uint16_t seconds) {
  shim->sleep_s = seconds;
  shim->sleep_wanted = true;
}

void hr_shim_check_mail(hr_shim* shim) { shim->mail_wanted = true; }

static void do_what_is_due(hr_shim* shim) {
  uint32_t now = now_ms(shim);
  if (shim->step != STEP_NONE) {
    if (!is_due(now, shim->due_at)) return;
    if (shim->tries == HR_SHIM_RETRIES) {
      lose_connection(shim);
      return;
    }
    shim->tries++;
    shim->counts.sent_again++;
    shim->due_at = now + HR_SHIM_RETRY_MS;
    send_step(shim);
    return;
  }
  switch (shim->state) {
    case HR_SHIM_OFFLINE:
      if (!is_due(now, shim->due_at)) return;
      shim->state = HR_SHIM_CONNECTING;
      begin_step(shim, STEP_CONNECT, 0, 0);
      break;
    case HR_SHIM_ASLEEP:
      if (shim->store_used != 0) {
        shim->state = HR_SHIM_CONNECTING;
        begin_step(shim, STEP_CONNECT, 0, 0);
      } else if (shim->mail_wanted) {
        shim->mail_wanted = false;
        begin_step(shim, STEP_PING, 0, 0);
      }
      break;
    case HR_SHIM_ONLINE: next_step(shim); break;
    case HR_SHIM_CONNECTING: break; /* STEP_CONNECT is under way */
  }
}

uint32_t hr_shim_poll(hr_shim* shim) {
  take_what_came(shim);
  do_what_is_due(shim);
  uint32_t now = now_ms(shim);
  uint32_t at = shim->due_at;
  if (shim->step == STEP_NONE && shim->state != HR_SHIM_OFFLINE) {
    if (shim->state == HR_SHIM_ASLEEP || shim->config->keep_alive_s == 0) return HR_SHIM_NEVER;
    at = shim->sent_at + shim->config->keep_alive_s * KEEP_ALIVE_MS_PER_S;
  }
  return is_due(now, at) ? 0 : at - now;
}
