#include "tests/support/ports.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>
#include <string>
#include <utility>

namespace hedgerow::test {
namespace {

constexpr unsigned kFirstPort = 21'000;
constexpr unsigned kPorts = 9'000;

bool can_bind(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  ::close(fd);
  return bound;
}

}  // namespace

PortLease::PortLease() {
  const std::filesystem::path locks =
      std::filesystem::temp_directory_path() / ("hedgerow-test-ports-" + std::to_string(::getuid()));
  std::filesystem::create_directories(locks);
  // Tests that start together begin at different places.
  const unsigned start = static_cast<unsigned>(::getpid()) * 13U;
  for (unsigned i = 0; i < kPorts; ++i) {
    const auto port = static_cast<std::uint16_t>(kFirstPort + (start + i) % kPorts);
    const int lock = ::open((locks / std::to_string(port)).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0) continue;
    if (::flock(lock, LOCK_EX | LOCK_NB) == 0 && can_bind(port)) {
      port_ = port;
      lock_ = lock;
      return;
    }
    ::close(lock);
  }
  throw std::runtime_error("no free loopback port: remove " + locks.string() + " if no test is running");
}

PortLease::PortLease(PortLease&& other) noexcept : port_(other.port_), lock_(std::exchange(other.lock_, -1)) {}

PortLease& PortLease::operator=(PortLease&& other) noexcept {
  std::swap(port_, other.port_);
  std::swap(lock_, other.lock_);
  return *this;
}

PortLease::~PortLease() {
  if (lock_ >= 0) ::close(lock_);
}

}  // namespace hedgerow::test
