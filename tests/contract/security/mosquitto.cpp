#include "tests/contract/security/mosquitto.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <stdexcept>

namespace hedgerow::test {

namespace {

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

const sockaddr* generic(const sockaddr_in& address) { return reinterpret_cast<const sockaddr*>(&address); }

}  // namespace

int free_port() {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t length = sizeof address;
  if (::bind(listener, generic(address), length) != 0 ||
      ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    throw std::runtime_error("no free port");
  }
  ::close(listener);
  return ntohs(address.sin_port);
}

Mosquitto::Mosquitto(int port, const std::filesystem::path& identity, const std::filesystem::path& scratch) {
  const auto configuration = scratch / "mosquitto.conf";
  std::ofstream(configuration) << "listener " << port << " 127.0.0.1\n"
                               << "cafile " << (identity / "authority.crt").string() << "\n"
                               << "certfile " << (identity / "node.crt").string() << "\n"
                               << "keyfile " << (identity / "node.key").string() << "\n"
                               << "require_certificate true\nuse_identity_as_username true\n"
                               << "tls_version tlsv1.3\nmax_queued_messages 0\nmax_queued_bytes 0\n"
                               << "set_tcp_nodelay true\n"
                               << (::getuid() == 0 ? "user root\n" : "");
  const std::string log = (scratch / "mosquitto.log").string();
  const std::string path = configuration.string();
  child_ = ::fork();
  if (child_ < 0) throw std::runtime_error("cannot fork");
  if (child_ == 0) {
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(out, 1);
    ::dup2(out, 2);
    ::execlp("mosquitto", "mosquitto", "-v", "-c", path.c_str(), static_cast<char*>(nullptr));
    ::execl("/usr/sbin/mosquitto", "mosquitto", "-v", "-c", path.c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }
  wait_until_it_serves(port);
}

void Mosquitto::wait_until_it_serves(int port) const {
  const sockaddr_in address = loopback(port);
  for (int attempt = 0; attempt < 500; ++attempt) {
    const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool serves = ::connect(client, generic(address), sizeof address) == 0;
    ::close(client);
    if (serves) return;
    if (::waitpid(child_, nullptr, WNOHANG) == child_) break;
    ::poll(nullptr, 0, 10);
  }
  throw std::runtime_error("mosquitto does not serve: is the package installed?");
}

Mosquitto::~Mosquitto() { kill(); }

void Mosquitto::kill() {
  if (child_ < 0) return;
  ::kill(child_, SIGKILL);
  ::waitpid(child_, nullptr, 0);
  child_ = -1;
}

}  // namespace hedgerow::test
