#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "daemon/net_asio/control_server.hpp"
#include "tests/support/temporary_directory.hpp"

namespace hedgerow::net_asio {
namespace {

class ControlClient {
 public:
  explicit ControlClient(const std::filesystem::path& data) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const int directory = ::open(data.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = "/proc/self/fd/" + std::to_string(directory) + "/control.sock";
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    REQUIRE(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
    ::close(directory);
  }
  ControlClient(const ControlClient&) = delete;
  ControlClient& operator=(const ControlClient&) = delete;
  ~ControlClient() { ::close(fd_); }

  void send(const std::string& text) {
    REQUIRE(::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
  }
  void pump() {
    std::array<char, 4096> buffer{};
    for (;;) {
      const ssize_t count = ::recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (count > 0) received.append(buffer.data(), static_cast<std::size_t>(count));
      if (count == 0 || (count < 0 && errno == ECONNRESET)) closed = true;
      if (count <= 0) return;
    }
  }

  std::string received;
  bool closed = false;

 private:
  int fd_;
};

struct ControlFixture {
  ControlFixture() { serve(); }
  void serve() {
    auto started = serve_control(loop, directory.path(), [this](std::string request, ControlReply reply) {
      requests.push_back(request);
      handler(std::move(request), std::move(reply));
    });
    INFO((started ? "" : started.error().what));
    REQUIRE(started);
    server = std::move(*started);
  }
  template <class Done>
  void until(Done done, ControlClient& client) {
    const Instant give_up = EventLoop::now() + std::chrono::seconds{10};
    while (!done()) {
      if (EventLoop::now() >= give_up) FAIL("waited ten seconds for what did not happen");
      (void)loop.run_until(EventLoop::now() + std::chrono::milliseconds{2});
      client.pump();
    }
  }

  test::TemporaryDirectory directory;
  EventLoop loop;
  ControlHandler handler = [](std::string request, const ControlReply& reply) { reply("you said " + request); };
  std::vector<std::string> requests;
  std::unique_ptr<ControlServer> server;
};

}  // namespace

TEST_CASE_METHOD(ControlFixture, "one line in, one line out, as often as asked", "[net][control]") {
  ControlClient client(directory.path());
  client.send("first\nsec");
  until([&] { return client.received == "you said first\n"; }, client);
  client.send("ond\nthird\n");
  until([&] { return client.received == "you said first\nyou said second\nyou said third\n"; }, client);
}

TEST_CASE_METHOD(ControlFixture, "only the owner may open the socket", "[net][control]") {
  struct stat file {};
  REQUIRE(::stat((directory.path() / "control.sock").c_str(), &file) == 0);
  CHECK(S_ISSOCK(file.st_mode));
  CHECK((file.st_mode & 0777U) == 0600U);
}

TEST_CASE_METHOD(ControlFixture, "an answer may come later, and to nobody", "[net][control]") {
  ControlReply kept;
  handler = [&](const std::string&, ControlReply reply) { kept = std::move(reply); };
  {
    ControlClient client(directory.path());
    client.send("status\n");
    until([&] { return kept != nullptr; }, client);
    kept("late");
    until([&] { return client.received == "late\n"; }, client);
    kept = nullptr;
    client.send("status\n");
    until([&] { return kept != nullptr; }, client);
  }
  kept("nobody hears this");
  kept("nor this");
  ControlClient next(directory.path());
  kept = nullptr;
  next.send("status\n");
  until([&] { return kept != nullptr; }, next);
}

TEST_CASE_METHOD(ControlFixture, "an answer that is never given closes the client", "[net][control]") {
  handler = [](const std::string&, const ControlReply&) {};
  ControlClient client(directory.path());
  client.send("status\n");
  until([&] { return client.closed; }, client);
}

TEST_CASE_METHOD(ControlFixture, "a line without end is cut off", "[net][control][G6]") {
  ControlClient client(directory.path());
  client.send(std::string(kControlLineBytesMax + 1, 'x'));
  until([&] { return client.closed; }, client);
  CHECK(requests.empty());
}

TEST_CASE_METHOD(ControlFixture, "the ninth client waits until another leaves", "[net][control][G6]") {
  std::vector<std::unique_ptr<ControlClient>> clients;
  for (std::size_t i = 0; i < kControlClientsMax; ++i) {
    clients.push_back(std::make_unique<ControlClient>(directory.path()));
    clients.back()->send("here\n");
    until([&] { return !clients.back()->received.empty(); }, *clients.back());
  }
  ControlClient ninth(directory.path());
  ninth.send("me too\n");
  while (loop.run_until(EventLoop::now() + std::chrono::milliseconds{2}) > 0) {
  }
  CHECK(requests.size() == kControlClientsMax);
  clients.pop_back();
  until([&] { return ninth.received == "you said me too\n"; }, ninth);
}

TEST_CASE_METHOD(ControlFixture, "a socket that answers is not taken over", "[net][control]") {
  const auto second = serve_control(loop, directory.path(), [](const std::string&, const ControlReply&) {});
  REQUIRE_FALSE(second);
  CHECK(second.error().category == Category::kUnavailable);
  CHECK_THAT(second.error().what, Catch::Matchers::ContainsSubstring("another hedgerowd"));
}

TEST_CASE_METHOD(ControlFixture, "a socket that a dead daemon left is replaced", "[net][control]") {
  server.reset();
  const int dead = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = (directory.path() / "control.sock").string();
  REQUIRE(path.size() < sizeof(address.sun_path));
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  REQUIRE(::bind(dead, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  ::close(dead);
  serve();
  ControlClient client(directory.path());
  client.send("alive\n");
  until([&] { return !client.received.empty(); }, client);
}

TEST_CASE_METHOD(ControlFixture, "the file goes with the server", "[net][control]") {
  server.reset();
  CHECK_FALSE(std::filesystem::exists(directory.path() / "control.sock"));
}

TEST_CASE("a data directory with a long path has a control socket, too", "[net][control]") {
  test::TemporaryDirectory directory;
  const std::filesystem::path data = directory.path() / std::string(120, 'd');
  std::filesystem::create_directory(data);
  EventLoop loop;
  const auto server = serve_control(loop, data, [](std::string request, const ControlReply& reply) { reply(request); });
  REQUIRE(server);
  ControlClient client(data);
  client.send("ping\n");
  const Instant give_up = EventLoop::now() + std::chrono::seconds{10};
  while (client.received != "ping\n" && EventLoop::now() < give_up) {
    (void)loop.run_until(EventLoop::now() + std::chrono::milliseconds{2});
    client.pump();
  }
  CHECK(client.received == "ping\n");
}

TEST_CASE("a missing data directory is named", "[net][control]") {
  EventLoop loop;
  const auto server = serve_control(loop, "/nonexistent/hedgerow", [](const std::string&, const ControlReply&) {});
  REQUIRE_FALSE(server);
  CHECK_THAT(server.error().what, Catch::Matchers::ContainsSubstring("/nonexistent/hedgerow"));
}

}  // namespace hedgerow::net_asio
