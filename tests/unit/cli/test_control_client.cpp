#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <functional>
#include <string>
#include <thread>

#include "daemon/cli/control_client.hpp"
#include "daemon/monitor/status.hpp"
#include "tests/support/temporary_directory.hpp"

namespace hedgerow::cli {
namespace {

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

void send_all(int client, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::send(client, text.data(), text.size(), MSG_NOSIGNAL);
    if (count <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

TEST_CASE("a request is answered by one line", "[cli]") {
  const test::TemporaryDirectory directory;
  OneAnswer daemon{directory.path(), [](int client) {
                     send_all(client, "{\"node\":");
                     send_all(client, "\"a\"}\nmore");
                   }};
  const Expected<std::string> answer = ask_daemon(directory.path(), monitor::kStatusRequest);
  daemon.wait();
  CHECK(answer.value() == "{\"node\":\"a\"}");
  CHECK(daemon.request == "{\"verb\":\"status\"}\n");
}

TEST_CASE("the data directory's path may be longer than a socket address", "[cli]") {
  const test::TemporaryDirectory directory;
  const std::filesystem::path data = directory.path() / std::string(120, 'a') / std::string(120, 'b');
  std::filesystem::create_directories(data);
  const OneAnswer daemon{data, [](int client) { send_all(client, "{}\n"); }};
  CHECK(ask_daemon(data, monitor::kStatusRequest).value() == "{}");
}

TEST_CASE("a long answer arrives whole", "[cli]") {
  const test::TemporaryDirectory directory;
  const std::string text(1'000'000, 'x');
  const OneAnswer daemon{directory.path(), [&](int client) { send_all(client, text + "\n"); }};
  CHECK(ask_daemon(directory.path(), monitor::kStatusRequest).value() == text);
}

TEST_CASE("an answer without end is refused", "[cli][G6]") {
  const test::TemporaryDirectory directory;
  const OneAnswer daemon{directory.path(), [](int client) { send_all(client, std::string(5U << 20U, 'x')); }};
  const Expected<std::string> answer = ask_daemon(directory.path(), monitor::kStatusRequest);
  REQUIRE_FALSE(answer);
  CHECK(answer.error().category == Category::kLimit);
}

TEST_CASE("where no daemon runs, the sentence says how to start one", "[cli]") {
  const test::TemporaryDirectory directory;
  const std::string expected = "no hedgerowd answers at " + (directory.path() / "control.sock").string() +
                               ": is it running? start it with: hedgerowd --config FILE, or name its data directory "
                               "with --data DIR";
  CHECK(ask_daemon(directory.path(), monitor::kStatusRequest).error().what == expected);
  const std::filesystem::path gone = directory.path() / "gone";
  CHECK(ask_daemon(gone, monitor::kStatusRequest).error().category == Category::kUnavailable);
}

TEST_CASE("the socket that a dead daemon left counts as no daemon", "[cli]") {
  const test::TemporaryDirectory directory;
  {
    OneAnswer daemon{directory.path(), [](int client) { send_all(client, "{}\n"); }};
    REQUIRE(ask_daemon(directory.path(), monitor::kStatusRequest));
  }
  const Expected<std::string> answer = ask_daemon(directory.path(), monitor::kStatusRequest);
  REQUIRE_FALSE(answer);
  CHECK(answer.error().what.starts_with("no hedgerowd answers at "));
}

TEST_CASE("a daemon that closes without an answer is reported", "[cli]") {
  const test::TemporaryDirectory directory;
  const OneAnswer daemon{directory.path(), [](int) {}};
  const Expected<std::string> answer = ask_daemon(directory.path(), monitor::kStatusRequest);
  REQUIRE_FALSE(answer);
  CHECK(answer.error().what == "hedgerowd closed " + (directory.path() / "control.sock").string() +
                                   " before it answered: its log may say why");
}

TEST_CASE("a daemon that says nothing is not waited for beyond the time", "[cli][G6]") {
  const test::TemporaryDirectory directory;
  const OneAnswer daemon{directory.path(), [](int client) {
                           char byte = 0;
                           while (::recv(client, &byte, 1, 0) > 0) continue;  // until the client gives up
                         }};
  const Expected<std::string> answer =
      ask_daemon(directory.path(), monitor::kStatusRequest, std::chrono::milliseconds{50});
  REQUIRE_FALSE(answer);
  CHECK(answer.error().what == "hedgerowd at " + (directory.path() / "control.sock").string() +
                                   " does not answer in time: its log may say why");
}

}  // namespace
}  // namespace hedgerow::cli
