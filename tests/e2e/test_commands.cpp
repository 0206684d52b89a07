// hedgerow get, set, watch, history and gaps, as people and their scripts use them.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <csignal>
#include <string>
#include <vector>

#include "tests/e2e/mosquitto.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/mqtt_client.hpp"

namespace hedgerow::test {
namespace {

using Catch::Matchers::ContainsSubstring;

std::vector<std::string> command(const Daemon& node, std::vector<std::string> words) {
  words.insert(words.begin(), {"--data", node.data().string()});
  return Programs::native().command("hedgerow", words);
}

Finished hedgerow(const Daemon& node, std::vector<std::string> words, std::string input = {}) {
  return run(command(node, std::move(words)), std::move(input));
}

std::string out_of(const Daemon& node, std::vector<std::string> words, std::string input = {}) {
  const Finished finished = hedgerow(node, std::move(words), std::move(input));
  INFO(finished.error);
  REQUIRE(finished.status.code == 0);
  return finished.out;
}

class Node {
 public:
  Node() { daemon.start(); }
  Daemon daemon{{}};
};

}  // namespace

TEST_CASE_METHOD(Node, "what set has set, get shows, also after kill -9", "[e2e][G1]") {
  CHECK(out_of(daemon, {"set", "setpoint/pump", "42"}).empty());
  daemon.restart();
  CHECK(out_of(daemon, {"get", "setpoint/pump"}) == "42\n");  // the test ends the last line
  MosquittoSub subscriber(daemon.port(), {"setpoint/#"}, {"-q", "1"});
  CHECK(subscriber.next() == "1 1 setpoint/pump 42");
  CHECK(out_of(daemon, {"set", "setpoint/pump", "--delete"}).empty());
  const Finished gone = hedgerow(daemon, {"get", "setpoint/pump"});
  CHECK(gone.status.code == 1);
  CHECK(gone.error == "hedgerow: no message is retained at \"setpoint/pump\"\n");
}

TEST_CASE_METHOD(Node, "set takes any bytes from a pipe, and get gives them back", "[e2e]") {
  std::string bytes;
  for (int i = 0; i < 200'000; ++i) bytes.push_back(static_cast<char>(i * 7));
  CHECK(out_of(daemon, {"set", "file", "-"}, bytes).empty());
  CHECK(out_of(daemon, {"get", "file"}) == bytes + "\n");
  CHECK_THAT(out_of(daemon, {"get", "file", "--json"}), ContainsSubstring("\"payload_base64\":\"AAcOFRwj"));
}

TEST_CASE_METHOD(Node, "what cannot be is refused with its reason", "[e2e]") {
  const Finished reserved = hedgerow(daemon, {"set", "hedgerow/x", "1"});
  CHECK(reserved.status.code == 1);
  CHECK_THAT(reserved.error, ContainsSubstring("written by the nodes themselves"));
  CHECK(hedgerow(daemon, {"set", "a/#", "1"}).status.code == 2);
  CHECK(hedgerow(daemon, {"set", "big", "-"}, std::string((std::size_t{1} << 20U) + 1, 'x')).status.code == 1);
  daemon.kill();
  const Finished alone = hedgerow(daemon, {"get", "a"});
  CHECK(alone.status.code == 1);
  CHECK_THAT(alone.error, ContainsSubstring("no hedgerowd answers at"));
}

TEST_CASE_METHOD(Node, "watch shows what is retained, then what comes, one line each", "[e2e]") {
  mosquitto_pub(daemon.port(), "farm/pump", "on", {"-q", "1", "-r"});
  Process watch({.arguments = command(daemon, {"watch", "farm/#"}), .environment = {}, .input = {}});
  REQUIRE(watch.wait_for_line(Output::kStandard, "farm/pump on"));
  mosquitto_pub(daemon.port(), "farm/door", "open", {"-q", "0"});
  REQUIRE(watch.wait_for_line(Output::kStandard, "farm/door open"));
  mosquitto_pub(daemon.port(), "farm/note", "two\nlines", {"-q", "2"});
  REQUIRE(watch.wait_for_line(Output::kStandard, "farm/note two\\nlines"));
  CHECK(watch.lines(Output::kStandard).size() == 3);
}

TEST_CASE_METHOD(Node, "watch --count ends by itself", "[e2e]") {
  mosquitto_pub(daemon.port(), "a", "1", {"-q", "1", "-r"});
  mosquitto_pub(daemon.port(), "b", "2", {"-q", "1", "-r"});
  CHECK(out_of(daemon, {"watch", "+", "--count", "2"}) == "a 1\nb 2\n");
}

TEST_CASE_METHOD(Node, "history shows the newest messages with their times", "[e2e]") {
  for (const char* const value : {"1", "2", "3"}) mosquitto_pub(daemon.port(), "level", value, {"-q", "1"});
  mosquitto_pub(daemon.port(), "other", "x", {"-q", "1"});
  const std::string all = out_of(daemon, {"history", "level", "--since", "1h"});
  CHECK_THAT(all,
             ContainsSubstring(" level 1\n") && ContainsSubstring(" level 2\n") && ContainsSubstring(" level 3\n"));
  CHECK_THAT(all, !ContainsSubstring("other"));
  const std::string newest = out_of(daemon, {"history", "#", "--limit", "1", "--json"});
  CHECK_THAT(newest,
             ContainsSubstring("{\"topic\":\"other\",\"payload\":\"x\",\"qos\":1,\"retain\":false,\"time\":\"20") &&
                 ContainsSubstring("\"node\":\"gw-barn\"") && ContainsSubstring("\"channel\":\"default\"}\n"));
}

TEST_CASE_METHOD(Node, "a watcher that is stopped delays nobody, and gets everything once it goes on", "[e2e][G6]") {
  constexpr std::uint64_t kCount = 20'000;
  Process watch({.arguments = command(daemon, {"watch", "load", "--json"}), .environment = {}, .input = {}});
  mosquitto_pub(daemon.port(), "load", "first", {"-q", "1", "-r"});
  REQUIRE(watch.wait_for_line(Output::kStandard, "first"));
  watch.signal(SIGSTOP);
  LoadPublisher load({.port = daemon.port(), .count = kCount});
  CHECK(load.finish().size() == kCount);
  CHECK(out_of(daemon, {"get", "load"}) == "first\n");
  watch.signal(SIGCONT);
  REQUIRE(watch.wait_for_lines(Output::kStandard, kCount + 1));
  CHECK_THAT(watch.lines(Output::kStandard).back(), ContainsSubstring(std::to_string(kCount - 1)));
  CHECK(watch.text(Output::kError).empty());
}

TEST_CASE("gaps says what keep has trimmed", "[e2e][G6]") {
  Daemon daemon({.channels = R"([{ "name": "load", "filter": "load", "keep": { "size": "64KiB" } }])"});
  daemon.start();
  CHECK(out_of(daemon, {"gaps"}) == "nothing is missing\n");
  LoadPublisher load({.port = daemon.port(), .count = 20'000});
  REQUIRE(load.finish().size() == 20'000);
  std::string gaps;
  const bool trimmed = daemon.wait_for_status([&](const StatusView&) {
    gaps = out_of(daemon, {"gaps", "load"});
    return gaps != "nothing is missing\n";
  });
  REQUIRE(trimmed);
  CHECK_THAT(gaps, ContainsSubstring("channel load: ") &&
                       ContainsSubstring(" messages of node gw-barn (its numbers 1 to ") &&
                       ContainsSubstring("the channel had grown larger than this node keeps"));
  CHECK(out_of(daemon, {"gaps", "hedgerow/x"}) == "nothing is missing\n");
}

TEST_CASE("another node's messages come with its name", "[e2e]") {
  const Authority authority;
  Daemon barn{{.node = "gw-barn"}};
  Daemon house{{.node = "gw-house"}};
  authority.enrol(barn);
  authority.enrol(house);
  house.set_peers({barn.tls_port()});
  barn.start();
  house.start();
  Process watch({.arguments = command(house, {"watch", "door", "--json"}), .environment = {}, .input = {}});
  CHECK(out_of(barn, {"set", "door", "open"}).empty());
  REQUIRE(watch.wait_for_line(Output::kStandard, "\"payload\":\"open\""));
  std::string shown;
  const bool named = house.wait_for_status([&](const StatusView&) {
    shown = out_of(house, {"get", "door", "--json"});
    return shown.find("\"node\":\"gw-barn\"") != std::string::npos;
  });
  INFO(shown);
  CHECK(named);
}

}  // namespace hedgerow::test
