/* A thing on a PC or a Linux board: sends the lines of its standard input as readings over UDP, QoS 1, and prints what
 * comes for its subscription. The smallest whole port of the shim to read first.
 *
 *   posix-thing ADDRESS PORT NAME TOPIC [FILTER]
 *
 * Ends when its input has ended and every reading is on the gateway's disk; exit status 2: a mistake in the words.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "firmware-shim/client/shim.h"

static void port_send(void* context, const uint8_t* bytes, size_t size) {
  ssize_t lost = send(*(int*)context, bytes, size, 0);
  (void)lost; /* the shim sends it again */
}

static size_t port_receive(void* context, uint8_t* buffer, size_t capacity) {
  ssize_t size = recv(*(int*)context, buffer, capacity, MSG_DONTWAIT);
  return size < 0 ? 0 : (size_t)size;
}

static uint32_t port_time_ms(void* context) {
  (void)context;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint32_t)now.tv_sec * 1000u + (uint32_t)(now.tv_nsec / 1000000);
}

static void port_random(void* context, uint8_t* out, size_t size) {
  (void)context;
  if (getrandom(out, size, 0) != (ssize_t)size) abort();
}

static void print_message(void* context, hr_sn_view topic, hr_sn_view payload) {
  (void)context;
  printf("%.*s %.*s\n", (int)topic.size, (const char*)topic.data, (int)payload.size, (const char*)payload.data);
  fflush(stdout);
}

static int connect_udp(const char* address, const char* port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
  if (inet_pton(AF_INET, address, &to.sin_addr) != 1) return -1;
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (fd >= 0 && connect(fd, (const struct sockaddr*)&to, sizeof to) != 0) return -1;
  return fd;
}

int main(int argc, char** argv) {
  if (argc < 5 || argc > 6) {
    fprintf(stderr, "usage: posix-thing ADDRESS PORT NAME TOPIC [FILTER]\n");
    return 2;
  }
  int fd = connect_udp(argv[1], argv[2]);
  if (fd < 0) {
    fprintf(stderr, "posix-thing: %s:%s: no IPv4 address and port that can be reached\n", argv[1], argv[2]);
    return 2;
  }
  const char* topics[] = {argv[4]};
  hr_shim_subscription subscription = {.filter = argc == 6 ? argv[5] : NULL, .qos = 1};
  hr_shim_config config = {.client_id = argv[3],
                           .keep_alive_s = 60,
                           .topics = topics,
                           .topic_count = 1,
                           .subscriptions = &subscription,
                           .subscription_count = argc == 6 ? 1 : 0,
                           .on_message = print_message};
  hr_shim_port port = {
      .context = &fd, .send = port_send, .receive = port_receive, .time_ms = port_time_ms, .random = port_random};
  static uint8_t store[4096];
  static hr_shim shim;
  hr_shim_init(&shim, &config, &port, store, sizeof store);

  setvbuf(stdin, NULL, _IONBF, 0); /* poll() must see what is left */
  char line[HR_SHIM_FRAME_MAX];
  bool has_line = false;
  bool ended = false;
  while (!ended || has_line || hr_shim_waiting(&shim) != 0) {
    uint32_t due_ms = hr_shim_poll(&shim);
    if (has_line) {
      hr_shim_result result = hr_shim_publish(&shim, 0, 1, false, line, strlen(line));
      if (result == HR_SHIM_INVALID) fprintf(stderr, "posix-thing: left out, too long: %s\n", line);
      has_line = result == HR_SHIM_FULL;
      if (!has_line) continue;
    }
    struct pollfd ready[] = {{.fd = fd, .events = POLLIN}, {.fd = ended || has_line ? -1 : 0, .events = POLLIN}};
    poll(ready, 2, due_ms > 60000 ? 60000 : (int)due_ms);
    if (!ended && !has_line && ready[1].revents != 0) {
      has_line = fgets(line, sizeof line, stdin) != NULL;
      ended = !has_line;
      if (has_line) line[strcspn(line, "\n")] = '\0';
    }
  }
  return 0;
}
