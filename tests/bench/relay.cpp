#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <memory>
#include <vector>

#include "tests/bench/loads.hpp"
#include "tests/bench/stream.hpp"

namespace hedgerow::bench {
namespace {

volatile std::sig_atomic_t is_cut = 0;
volatile std::sig_atomic_t report_wanted = 0;

// One direction of one connection: what was read and not yet written.
struct Way {
  int from = -1;
  int to = -1;
  std::vector<std::uint8_t> waiting = std::vector<std::uint8_t>(256 * 1024);
  std::size_t begin = 0;
  std::size_t end = 0;

  // False: the connection has ended. Adds to `bytes` what was passed on.
  bool move(bool readable, std::uint64_t& bytes) {
    if (readable && begin == end) {
      const ssize_t count = ::recv(from, waiting.data(), waiting.size(), MSG_DONTWAIT);
      if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) return false;
      begin = 0;
      end = count > 0 ? static_cast<std::size_t>(count) : 0;
    }
    if (begin == end) return true;
    const ssize_t count = ::send(to, waiting.data() + begin, end - begin, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    begin += static_cast<std::size_t>(count);
    bytes += static_cast<std::uint64_t>(count);
    return true;
  }
  [[nodiscard]] pollfd wanted() const {
    return begin == end ? pollfd{.fd = from, .events = POLLIN, .revents = 0}
                        : pollfd{.fd = to, .events = POLLOUT, .revents = 0};
  }
};

struct Connection {
  Way forth;
  Way back;
  Connection(int client, int server) {
    forth.from = back.to = client;
    forth.to = back.from = server;
    const int on = 1;
    for (const int fd : {client, server}) ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    ::close(forth.from);
    ::close(forth.to);
  }
};

int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return fd;
  ::close(fd);
  return -1;
}

void take_client(int listener, std::uint16_t to, std::vector<std::unique_ptr<Connection>>& connections) {
  const int client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  if (client < 0) return;
  const int server = is_cut != 0 ? -1 : connect_to(to);
  if (server < 0) {
    ::close(client);
    return;
  }
  connections.push_back(std::make_unique<Connection>(client, server));
}

}  // namespace

void run_relay(std::uint16_t to, std::chrono::seconds limit) {
  const Listening listening = listen_anywhere();
  std::signal(SIGUSR1, [](int) { is_cut = 1; });
  std::signal(SIGUSR2, [](int) { is_cut = 0; });
  std::signal(SIGHUP, [](int) { report_wanted = 1; });
  std::printf("listening %u\n", unsigned{listening.port});
  std::fflush(stdout);
  std::vector<std::unique_ptr<Connection>> connections;
  std::uint64_t bytes = 0;
  std::vector<pollfd> polled;
  for (const auto end = Clock::now() + limit; Clock::now() < end;) {
    if (is_cut != 0) connections.clear();
    if (std::exchange(report_wanted, 0) != 0) {
      std::printf("bytes=%llu\n", static_cast<unsigned long long>(bytes));
      std::fflush(stdout);
    }
    polled.assign(1, {.fd = listening.fd, .events = POLLIN, .revents = 0});
    for (const auto& connection : connections) {
      polled.push_back(connection->forth.wanted());
      polled.push_back(connection->back.wanted());
    }
    if (::poll(polled.data(), polled.size(), 100) <= 0) continue;
    for (std::size_t i = 0; i < connections.size(); ++i) {
      Connection& connection = *connections[i];
      const bool goes_on = connection.forth.move((polled[1 + 2 * i].revents & ~POLLOUT) != 0, bytes) &&
                           connection.back.move((polled[2 + 2 * i].revents & ~POLLOUT) != 0, bytes);
      if (!goes_on) connections[i].reset();
    }
    std::erase(connections, nullptr);
    if (polled[0].revents != 0) take_client(listening.fd, to, connections);
  }
  ::close(listening.fd);
}

}  // namespace hedgerow::bench
