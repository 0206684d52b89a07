// A daemon's control socket that answers one client, for the tests of this folder.
#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

namespace hedgerow::cli {

// A daemon that accepts one client, reads one line and hands the connection to the test. Bound through the open
// directory, so that a long path fits.
class OneAnswer {
 public:
  OneAnswer(const std::filesystem::path& data, std::function<void(int client)> answer) {
    const int directory = ::open(data.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = "/proc/self/fd/" + std::to_string(directory) + "/control.sock";
    std::memcpy(address.sun_path, path.data(), path.size());
    socket_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(socket_, 1) == 0);
    ::close(directory);
    thread_ = std::thread{[this, answer = std::move(answer)] {
      const int client = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
      for (char byte = 0; byte != '\n' && ::recv(client, &byte, 1, 0) == 1;) request += byte;
      answer(client);
      ::close(client);
    }};
  }
  OneAnswer(const OneAnswer&) = delete;
  OneAnswer& operator=(const OneAnswer&) = delete;
  ~OneAnswer() {
    if (thread_.joinable()) thread_.join();
    ::close(socket_);
  }
  void wait() { thread_.join(); }

  std::string request;

 private:
  int socket_ = -1;
  std::thread thread_;
};

inline void send_all(int client, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::send(client, text.data(), text.size(), MSG_NOSIGNAL);
    if (count <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

}  // namespace hedgerow::cli
