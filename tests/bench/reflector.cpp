#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <map>
#include <set>

#include "tests/bench/loads.hpp"
#include "tests/bench/stream.hpp"

namespace hedgerow::bench {
namespace {

class Reflector {
 public:
  // False: the connection has ended.
  bool serve(Stream& stream) {
    const bool is_open = stream.receive([&](const Packet& packet) { answer(stream, packet); });
    if (!is_open) subscribers_.erase(&stream);
    if (is_open) stream.flush();
    for (Stream* subscriber : subscribers_) subscriber->flush();
    return is_open;
  }

 private:
  void answer(Stream& stream, const Packet& packet) {
    if (packet.type() == kConnect) {
      stream.append(std::array<std::uint8_t, 4>{kConnack, 2, 0, 0});
    } else if (packet.type() == kSubscribe) {
      subscribers_.insert(&stream);
      const std::uint8_t granted = packet.body.back();
      stream.append(std::array<std::uint8_t, 5>{kSuback, 3, packet.body[0], packet.body[1], granted});
    } else if (packet.type() == kPublish) {
      if (packet.qos() > 0) stream.append_puback(u16_at(packet.body, payload_at(packet) - 2));
      for (Stream* subscriber : subscribers_) subscriber->append(packet.whole);
    }
  }

  std::set<Stream*> subscribers_;
};

}  // namespace

Listening listen_anywhere() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (fd < 0 || ::bind(fd, generic, size) != 0 || ::listen(fd, 64) != 0 || ::getsockname(fd, generic, &size) != 0) {
    throw std::runtime_error("no free loopback port");
  }
  return {.fd = fd, .port = ntohs(address.sin_port)};
}

std::uint16_t free_port() {
  const Listening listening = listen_anywhere();
  ::close(listening.fd);
  return listening.port;
}

void run_reflector(std::chrono::seconds limit) {
  const Listening listening = listen_anywhere();
  const int poller = ::epoll_create1(EPOLL_CLOEXEC);
  epoll_event added{.events = EPOLLIN, .data = {.fd = listening.fd}};
  ::epoll_ctl(poller, EPOLL_CTL_ADD, listening.fd, &added);
  std::printf("listening %u\n", unsigned{listening.port});
  std::fflush(stdout);

  std::map<int, Stream> streams;
  Reflector reflector;
  std::array<epoll_event, 64> events{};
  for (const auto end = Clock::now() + limit; Clock::now() < end;) {
    const int ready = ::epoll_wait(poller, events.data(), static_cast<int>(events.size()), 1000);
    for (int i = 0; i < ready; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd != listening.fd) {
        if (!reflector.serve(streams.at(fd))) streams.erase(fd);
        continue;
      }
      const int client = ::accept4(listening.fd, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) continue;
      streams.emplace(client, client);
      added.data.fd = client;
      ::epoll_ctl(poller, EPOLL_CTL_ADD, client, &added);
    }
  }
  ::close(poller);
  ::close(listening.fd);
}

}  // namespace hedgerow::bench
