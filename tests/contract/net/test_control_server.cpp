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
  void end_sending() { ::shutdown(fd_, SHUT_WR); }
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
    auto started = serve_control(loop, directory.path(), [this](control::Question question, control::AnswerPtr answer) {
      requests.push_back(question.document);
      handler(std::move(question), std::move(answer));
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
  // Turns the loop so often that whatever is ready has happened.
  void rest() {
    while (loop.run_until(EventLoop::now() + std::chrono::milliseconds{2}) > 0) continue;
  }

  control::Handler handler = [](const control::Question& question, const control::AnswerPtr& answer) {
    answer->finish("you said " + question.document + question.body);
  };
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
  control::AnswerPtr kept;
  handler = [&](const control::Question&, control::AnswerPtr answer) { kept = std::move(answer); };
  {
    ControlClient client(directory.path());
    client.send("status\n");
    until([&] { return kept != nullptr; }, client);
    kept->finish("late");
    until([&] { return client.received == "late\n"; }, client);
    kept = nullptr;
    client.send("status\n");
    until([&] { return kept != nullptr; }, client);
  }
  kept->finish("nobody hears this");
  kept->finish("nor this");
  ControlClient next(directory.path());
  kept = nullptr;
  next.send("status\n");
  until([&] { return kept != nullptr; }, next);
}

TEST_CASE_METHOD(ControlFixture, "an answer that is never given closes the client", "[net][control]") {
  handler = [](const control::Question&, const control::AnswerPtr&) {};
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

TEST_CASE_METHOD(ControlFixture, "a request may bring bytes of any kind", "[net][control]") {
  ControlClient client(directory.path());
  client.send("0 {}\n");
  until([&] { return client.received == "you said {}\n"; }, client);
  client.received.clear();
  client.send("5 {\"set\"}\nab\ncd{}\n");
  until([&] { return client.received == "you said {\"set\"}ab\ncd\nyou said {}\n"; }, client);
}

TEST_CASE_METHOD(ControlFixture, "a body as large as it may be comes whole", "[net][control][G6]") {
  std::string body;
  handler = [&](control::Question question, const control::AnswerPtr& answer) {
    body = std::move(question.body);
    answer->finish("{}");
  };
  ControlClient client(directory.path());
  client.send(std::to_string(kControlBodyBytesMax) + " {}\n");
  const std::string piece(std::size_t{64} * 1024, 'x');
  for (std::size_t sent = 0; sent < kControlBodyBytesMax; sent += piece.size()) {
    client.send(piece);
    rest();
  }
  until([&] { return client.received == "{}\n"; }, client);
  CHECK(body == std::string(kControlBodyBytesMax, 'x'));
}

TEST_CASE_METHOD(ControlFixture, "a body that is too large, or announced by no number, ends the conversation",
                 "[net][control][G6]") {
  for (const std::string& head :
       {std::to_string(kControlBodyBytesMax + 1) + " {}\n", std::string("99999999999999999999 {}\n"),
        std::string("1x {}\n"), std::string("12\n")}) {
    ControlClient client(directory.path());
    client.send(head);
    until([&] { return client.closed; }, client);
  }
  CHECK(requests.empty());
}

TEST_CASE_METHOD(ControlFixture, "an answer of several documents goes on until it is finished", "[net][control]") {
  control::AnswerPtr kept;
  handler = [&](const control::Question&, control::AnswerPtr answer) { kept = std::move(answer); };
  ControlClient client(directory.path());
  client.send("watch\nnext\n");
  until([&] { return kept != nullptr; }, client);
  kept->add("one");
  until([&] { return client.received == "one\n"; }, client);
  kept->add("two");
  kept->finish("end");
  until([&] { return requests.size() == 2; }, client);
  kept->finish("answer");
  until([&] { return client.received == "one\ntwo\nend\nanswer\n"; }, client);
}

TEST_CASE_METHOD(ControlFixture, "a reader that rests has no room left soon, and gets it all later",
                 "[net][control][G6]") {
  control::AnswerPtr kept;
  handler = [&](const control::Question&, control::AnswerPtr answer) { kept = std::move(answer); };
  ControlClient client(directory.path());
  client.send("history\n");
  until([&] { return kept != nullptr; }, client);
  const std::string document(1023, 'x');
  std::size_t sent = 0;
  while (kept->has_room()) {
    kept->add(document);
    ++sent;
    rest();
    REQUIRE(sent < 8192);  // what the kernel takes, and the queue
  }
  std::size_t rooms = 0;
  kept->on_room([&] { ++rooms; });
  rest();
  CHECK(rooms == 0);
  until([&] { return rooms > 0; }, client);
  CHECK(kept->has_room());
  until([&] { return client.received.size() == sent * 1024; }, client);
}

TEST_CASE_METHOD(ControlFixture, "a reader that vanishes is noticed while nothing is sent", "[net][control]") {
  control::AnswerPtr kept;
  bool gone = false;
  handler = [&](const control::Question&, control::AnswerPtr answer) { kept = std::move(answer); };
  auto reader = std::make_unique<ControlClient>(directory.path());
  reader->send("watch\n");
  until([&] { return kept != nullptr; }, *reader);
  kept->on_gone([&] { gone = true; });
  kept->add("one");
  until([&] { return reader->received == "one\n"; }, *reader);
  reader.reset();
  ControlClient other(directory.path());
  until([&] { return gone; }, other);
  CHECK_FALSE(kept->has_room());
}

TEST_CASE_METHOD(ControlFixture, "who only ends its own side still gets its answer", "[net][control]") {
  control::AnswerPtr kept;
  handler = [&](const control::Question&, control::AnswerPtr answer) { kept = std::move(answer); };
  ControlClient client(directory.path());
  client.send("history\n");
  client.end_sending();
  until([&] { return kept != nullptr; }, client);
  rest();
  kept->add("one");
  kept->finish("end");
  until([&] { return client.received == "one\nend\n"; }, client);
}

TEST_CASE_METHOD(ControlFixture, "the end of the server is the end of its answers", "[net][control]") {
  control::AnswerPtr kept;
  bool gone = false;
  handler = [&](const control::Question&, control::AnswerPtr answer) { kept = std::move(answer); };
  ControlClient client(directory.path());
  client.send("watch\n");
  until([&] { return kept != nullptr; }, client);
  kept->on_gone([&] { gone = true; });
  server.reset();
  CHECK(gone);
  kept->add("nobody hears this");
  until([&] { return client.closed; }, client);
}

TEST_CASE_METHOD(ControlFixture, "one client too many waits until another leaves", "[net][control][G6]") {
  std::vector<std::unique_ptr<ControlClient>> clients;
  for (std::size_t i = 0; i < kControlClientsMax; ++i) {
    clients.push_back(std::make_unique<ControlClient>(directory.path()));
    clients.back()->send("here\n");
    until([&] { return !clients.back()->received.empty(); }, *clients.back());
  }
  ControlClient last(directory.path());
  last.send("me too\n");
  rest();
  CHECK(requests.size() == kControlClientsMax);
  clients.pop_back();
  until([&] { return last.received == "you said me too\n"; }, last);
}

TEST_CASE_METHOD(ControlFixture, "a socket that answers is not taken over", "[net][control]") {
  const auto second = serve_control(loop, directory.path(), [](const control::Question&, const control::AnswerPtr&) {});
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
  const auto server = serve_control(
      loop, data,
      [](const control::Question& question, const control::AnswerPtr& answer) { answer->finish(question.document); });
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
  const auto server =
      serve_control(loop, "/nonexistent/hedgerow", [](const control::Question&, const control::AnswerPtr&) {});
  REQUIRE_FALSE(server);
  CHECK_THAT(server.error().what, Catch::Matchers::ContainsSubstring("/nonexistent/hedgerow"));
}

}  // namespace hedgerow::net_asio
