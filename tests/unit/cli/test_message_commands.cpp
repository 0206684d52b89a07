#include <unistd.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "daemon/cli/run_command.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/unit/cli/one_answer.hpp"

namespace hedgerow::cli {
namespace {

// A pipe; what is written first is there to be read.
class Pipe {
 public:
  explicit Pipe(std::string_view content = {}) {
    REQUIRE(::pipe(ends_.data()) == 0);
    REQUIRE(::write(ends_[1], content.data(), content.size()) == static_cast<ssize_t>(content.size()));
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    close_reader();
    close_writer();
  }
  void close_reader() { close(ends_[0]); }
  void close_writer() { close(ends_[1]); }
  [[nodiscard]] int reader() const { return ends_[0]; }
  [[nodiscard]] int writer() const { return ends_[1]; }

 private:
  static void close(int& end) {
    if (end >= 0) ::close(end);
    end = -1;
  }
  std::array<int, 2> ends_{-1, -1};
};

struct Told {
  std::string out;
  std::vector<std::string> notes;
  std::string error;
  std::string request;
};

// What a command says when the daemon answers so.
Told run(Command command, std::string_view answer, bool is_terminal = false, int input = -1) {
  const test::TemporaryDirectory directory;
  command.data = directory.path();
  Told told;
  const Console console{.write =
                            [&](std::string_view text) {
                              told.out += text;
                              return Expected<void>{};
                            },
                        .note = [&](std::string_view line) { told.notes.emplace_back(line); },
                        .is_terminal = is_terminal,
                        .input = input,
                        .output = -1};
  OneAnswer daemon{directory.path(), [&](int client) { send_all(client, answer); }};
  const Expected<std::string> text = run_command(command, console);
  daemon.wait();
  if (text) {
    told.out += *text;
  } else {
    told.error = text.error().what;
  }
  told.request = daemon.request;
  return told;
}

constexpr std::string_view kEnd = "{\"end\":true}\n";

std::string answer(std::string_view documents) { return std::string(documents) + std::string(kEnd); }

TEST_CASE("get writes a payload as it is, and ends the line on a terminal only", "[cli]") {
  const Command get{.verb = Verb::kGet, .topic = "a"};
  const std::string text = answer("{\"topic\":\"a\",\"payload\":\"1\\n2\"}\n");
  CHECK(run(get, text).out == "1\n2");
  CHECK(run(get, text, /*is_terminal=*/true).out == "1\n2\n");
  CHECK(run(get, answer("{\"topic\":\"a\",\"payload_base64\":\"AP8=\"}\n")).out == std::string("\0\xFF", 2));
  CHECK(run(get, text).request == "{\"verb\":\"get\",\"filter\":\"a\"}\n");
}

TEST_CASE("a topic without a retained message is a failure", "[cli]") {
  CHECK(run({.verb = Verb::kGet, .topic = "a"}, kEnd).error == "no message is retained at \"a\"");
  CHECK(run({.verb = Verb::kGet, .topic = "a", .json = true}, kEnd).error == "no message is retained at \"a\"");
  CHECK(run({.verb = Verb::kGet, .topic = "a/+"}, kEnd).error == "no retained message matches \"a/+\"");
}

TEST_CASE("messages are lines that no payload breaks", "[cli]") {
  const std::string text = answer(
      "{\"topic\":\"a/1\",\"payload\":\"21.5\"}\n{\"topic\":\"a/2\",\"payload\":\"x\\ny\\r\\tä\"}\n"
      "{\"topic\":\"a/3\",\"payload_base64\":\"G1syShv/wpsA\"}\n");
  const std::string lines = "a/1 21.5\na/2 x\\ny\\r\tä\na/3 \\x1b[2J\\x1b\\xff\\xc2\\x9b\\x00\n";
  CHECK(run({.verb = Verb::kGet, .topic = "a/#"}, text).out == lines);
  CHECK(run({.verb = Verb::kWatch, .topic = "a/#"}, text).out == lines);
}

TEST_CASE("history shows times, and those that cannot be trusted as such", "[cli][G10]") {
  const Told told = run(
      {.verb = Verb::kHistory, .topic = "a", .since = "24h", .most = 2},
      answer("{\"topic\":\"a\",\"payload\":\"1\",\"time\":\"2026-11-22T03:00:00.000Z\",\"clock\":\"synchronised\"}\n"
             "{\"topic\":\"a\",\"payload\":\"2\",\"time\":\"1970-01-01T00:00:09.000Z\",\"clock\":"
             "\"unsynchronised\"}\n"));
  CHECK(told.out == "2026-11-22T03:00:00.000Z  a 1\n1970-01-01T00:00:09.000Z? a 2\n");
  CHECK(told.request == "{\"verb\":\"history\",\"filter\":\"a\",\"since\":\"24h\",\"limit\":2}\n");
}

TEST_CASE("gaps are sentences", "[cli][G6]") {
  const Command gaps{.verb = Verb::kGaps};
  CHECK(run(gaps, kEnd).out == "nothing is missing\n");
  CHECK(run(gaps, answer("{\"channel\":\"default\",\"node\":\"gw-barn\",\"replica\":\"00000000000000ab\",\"first\":1,"
                         "\"last\":3,\"count\":3,\"reason\":\"age\",\"why\":\"they were old\"}\n"))
            .out == "channel default: 3 messages of node gw-barn (its numbers 1 to 3): they were old\n");
  CHECK(run(gaps, answer("{\"channel\":\"default\",\"node\":null,\"replica\":\"00000000000000ab\",\"first\":2,"
                         "\"last\":2,\"count\":1,\"reason\":\"age\",\"why\":\"they were old\"}\n"))
            .out ==
        "channel default: 1 message of a node that is not known here (replica 00000000000000ab) (its numbers 2 to 2): "
        "they were old\n");
}

TEST_CASE("for programs, documents come as they are", "[cli]") {
  const std::string documents =
      "{\"topic\":\"a\",\"payload\":\"1\"}\n{\"lost\":2,\"why\":\"slow\"}\n{\"topic\":\"a\",\"payload\":\"4\"}\n";
  CHECK(run({.verb = Verb::kWatch, .topic = "a", .json = true}, answer(documents)).out == documents);
  CHECK(run({.verb = Verb::kGaps, .json = true}, kEnd).out.empty());
}

TEST_CASE("what is left out is said on standard error", "[cli][G6]") {
  const Told told = run({.verb = Verb::kWatch, .topic = "a"}, answer("{\"lost\":2,\"why\":\"slow\"}\n"));
  CHECK(told.notes == std::vector<std::string>{"2 messages are left out: slow"});
  CHECK(told.out.empty());
}

TEST_CASE("an error in the middle ends the command with its reason", "[cli]") {
  const Told told = run({.verb = Verb::kHistory, .topic = "#"},
                        "{\"topic\":\"a\",\"payload\":\"1\",\"time\":\"T\"}\n{\"error\":\"the disk is gone\"}\n");
  CHECK(told.out == "T? a 1\n");
  CHECK(told.error == "the disk is gone");
  CHECK(run({.verb = Verb::kWatch, .topic = "a"}, "").error.find("before it answered") != std::string::npos);
  CHECK(run({.verb = Verb::kWatch, .topic = "a"}, "[]\n").error.find("one version") != std::string::npos);
}

TEST_CASE("a watch ends when nobody reads its output any more", "[cli]") {
  const test::TemporaryDirectory directory;
  Pipe output;
  output.close_reader();
  OneAnswer daemon{directory.path(), [](int client) {
                     char byte = 0;
                     while (::recv(client, &byte, 1, 0) > 0) continue;  // until the client has gone
                   }};
  const Command watch{.verb = Verb::kWatch, .data = directory.path(), .topic = "a"};
  CHECK(run_command(watch, {.output = output.writer()}));
  daemon.wait();
}

TEST_CASE("set sends the value beside the request, whatever it is", "[cli]") {
  const Told told = run({.verb = Verb::kSet, .topic = "a", .value = "4\n2"}, "{\"stored\":true}\n");
  CHECK(told.request == "3 {\"verb\":\"set\",\"topic\":\"a\",\"retain\":true}\n");
  CHECK(told.out.empty());
  CHECK(run({.verb = Verb::kSet, .topic = "a", .value = "42", .retain = false, .json = true}, "{\"stored\":true}\n")
            .out == "{\"topic\":\"a\",\"bytes\":2,\"retain\":false,\"stored\":true}\n");
  CHECK(run({.verb = Verb::kSet, .topic = "a", .deletes = true}, "{\"stored\":true}\n").request ==
        "0 {\"verb\":\"set\",\"topic\":\"a\",\"retain\":true}\n");
}

TEST_CASE("set takes what comes on standard input", "[cli]") {
  Pipe input(std::string("4\0002", 3));
  input.close_writer();
  CHECK(run({.verb = Verb::kSet, .topic = "a"}, "{\"stored\":true}\n", false, input.reader()).request ==
        "3 {\"verb\":\"set\",\"topic\":\"a\",\"retain\":true}\n");
}

TEST_CASE("set of nothing deletes nothing", "[cli]") {
  Pipe input;
  input.close_writer();
  const Expected<std::string> text = run_command({.verb = Verb::kSet, .topic = "a"}, {.input = input.reader()});
  REQUIRE_FALSE(text);
  CHECK(text.error().what.find("say set --delete if you mean that") != std::string::npos);
}

TEST_CASE("a refusal is told with its reason", "[cli]") {
  CHECK(run({.verb = Verb::kSet, .topic = "a", .value = "1"}, "{\"error\":\"the disk is full\"}\n").error ==
        "the disk is full");
}

TEST_CASE("without a daemon nothing is shown", "[cli]") {
  const test::TemporaryDirectory directory;
  for (const Verb verb : {Verb::kGet, Verb::kWatch, Verb::kHistory, Verb::kGaps}) {
    const Expected<std::string> text = run_command({.verb = verb, .data = directory.path(), .topic = "a"});
    REQUIRE_FALSE(text);
    CHECK(text.error().category == Category::kNotFound);
  }
}

}  // namespace
}  // namespace hedgerow::cli
