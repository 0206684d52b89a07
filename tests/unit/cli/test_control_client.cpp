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
#include "tests/unit/cli/one_answer.hpp"

namespace hedgerow::cli {
namespace {

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
  CHECK(ask_daemon(gone, monitor::kStatusRequest).error().category == Category::kNotFound);
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
