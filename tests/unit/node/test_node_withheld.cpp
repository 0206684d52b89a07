// Messages that may have expired, as far as this node can know: they are withheld. DESIGN G10.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "tests/unit/node/linked_peer.hpp"
#include "tests/unit/node/other_writer.hpp"

using namespace hedgerow;
using namespace hedgerow::test;
using Catch::Matchers::ContainsSubstring;
using Texts = std::vector<std::string>;

namespace {

constexpr auto kSure = ClockQuality::kSynchronised;
constexpr auto kUnsure = ClockQuality::kUnsynchronised;

struct WithheldHarness : OtherWriter {
  // The other node wrote it just now.
  void receive(std::string payload, std::optional<std::uint32_t> expiry_s, ClockQuality quality, std::uint8_t qos = 1,
               bool retain = false) {
    receive_write({.payload = std::move(payload),
                   .then = {.unix_ms = wall.unix_ms, .quality = quality},
                   .expiry_s = expiry_s,
                   .qos = qos,
                   .retain = retain});
  }
  void subscribe(TestClient& client, const std::string& filter = "a") { OtherWriter::subscribe(client, filter, 2); }
  // "1" expires in ten minutes by a clock that this board lacks, "2" never.
  void receive_one_to_wait_for() {
    receive("1", 600, kSure);
    receive("2", {}, kSure);
  }
  void publish(std::string payload, unsigned qos = 1, bool retain = false) {
    TestClient publisher(*this, {.client_id = "publisher"});
    publisher.send(encode(PublishSent{.topic = "a",
                                      .payload = std::move(payload),
                                      .qos = qos,
                                      .packet_id = 1,
                                      .retain = retain,
                                      .properties = property(0x02, u32(60))}));
    settle();
  }
  [[nodiscard]] std::uint64_t withheld() const { return node->counters().withheld; }
};

constexpr Duration kLongAfterStart = std::chrono::minutes{5};

}  // namespace

TEST_CASE_METHOD(WithheldHarness, "between synchronised clocks nothing is withheld", "[node][G10]") {
  TestClient client(*this, {.client_id = "client"});
  subscribe(client);
  receive("1", 60, kSure);
  CHECK(client.messages() == Texts{"a=1"});
  CHECK(withheld() == 0);
  CHECK(node->alarms().empty());
}

TEST_CASE_METHOD(WithheldHarness, "a clock that was a year ahead withholds nothing of what right clocks write since",
                 "[node][G10]") {
  TestClient client(*this, {.client_id = "client"});
  subscribe(client);
  receive_write({.payload = "wrong", .then = {.unix_ms = wall.unix_ms + 31'536'000'000, .quality = kSure}});
  receive("1", 60, kSure, 1, true);  // stamped after it
  CHECK(client.messages() == Texts{"a=wrong", "a=1"});
  CHECK(withheld() == 0);
  CHECK(node->alarms().empty());
  TestClient in_time(*this, {.client_id = "in-time"});
  in_time.send(encode_subscribe(1, {{"a", 1}}));
  settle();
  CHECK(in_time.messages() == Texts{"a=1 retained"});
  wall.unix_ms += 60'000;
  advance(std::chrono::seconds{60});
  TestClient too_late(*this, {.client_id = "too-late"});
  too_late.send(encode_subscribe(1, {{"a", 1}}));
  settle();
  CHECK(too_late.messages().empty());
  CHECK(withheld() == 0);
}

TEST_CASE_METHOD(WithheldHarness, "what an unsynchronised clock stamped elsewhere is withheld, counted and told once",
                 "[node][G10][G6]") {
  const bool keeps = GENERATE(false, true);
  const std::string filter = GENERATE("a", "$share/g/a");
  wall.quality = GENERATE(kSure, kUnsure);
  TestClient client(*this, keeps ? keeping("client") : ConnectOut{.client_id = "client"});
  subscribe(client, filter);
  receive("1", 60, kUnsure);
  receive("2", 60, kUnsure);
  receive("3", {}, kUnsure);
  CHECK(client.messages() == Texts{"a=3"});
  CHECK(withheld() == 2);
  advance(std::chrono::seconds{2});
  settle();
  REQUIRE(node->alarms().size() == 1);
  CHECK_THAT(node->alarms()[0], ContainsSubstring("2 since the start") && ContainsSubstring("that wrote them"));
  receive("4", 60, kUnsure);
  advance(std::chrono::seconds{2});
  settle();
  CHECK(std::count_if(log.begin(), log.end(),
                      [](const std::string& line) { return line.find("withheld") != std::string::npos; }) == 1);
  advance(std::chrono::hours{1});
  CHECK(node->alarms().empty());
}

TEST_CASE_METHOD(WithheldHarness, "on the node where it was published a message needs no clock", "[node][G10]") {
  wall.quality = kUnsure;
  advance(kLongAfterStart);
  TestClient client(*this, {.client_id = "client"});
  subscribe(client);
  {
    TestClient lasting(*this, keeping("lasting"));
    subscribe(lasting);
  }
  publish("1");
  CHECK(client.messages() == Texts{"a=1"});
  // The clock is set, by three years.
  wall = {.unix_ms = wall.unix_ms + 94'608'000'000, .quality = kSure};
  advance(std::chrono::seconds{20});
  TestClient back(*this, keeping("lasting"));
  CHECK(back.messages() == Texts{"a=1"});
  CHECK(withheld() == 0);
}

TEST_CASE_METHOD(WithheldHarness, "on the node where it was published a message expires without a clock",
                 "[node][G10][MQTT-3.3.2-5]") {
  wall.quality = kUnsure;
  {
    TestClient lasting(*this, keeping("lasting"));
    subscribe(lasting);
  }
  publish("1");
  wall.unix_ms -= 86'400'000;
  advance(std::chrono::seconds{60});
  TestClient back(*this, keeping("lasting"));
  CHECK(back.messages().empty());
  CHECK(withheld() == 0);
}

TEST_CASE_METHOD(WithheldHarness, "a session waits a while for the clock of a board that has just started",
                 "[node][G10]") {
  const std::string filter = GENERATE("a", "$share/g/a");
  wall.quality = kUnsure;
  TestClient lasting(*this, keeping("lasting"));
  subscribe(lasting, filter);
  receive_one_to_wait_for();
  advance(std::chrono::seconds{20});
  settle();
  CHECK(lasting.messages().empty());
  CHECK(withheld() == 0);
  wall.quality = kSure;
  advance(std::chrono::seconds{2});
  settle();
  CHECK(lasting.messages() == Texts{"a=1", "a=2"});
  CHECK(withheld() == 0);
}

TEST_CASE_METHOD(WithheldHarness, "at QoS 0 nothing waits for a clock", "[node][G10]") {
  const std::string filter = GENERATE("a", "$share/g/a");
  wall.quality = kUnsure;
  TestClient lasting(*this, keeping("lasting"));
  OtherWriter::subscribe(lasting, filter, 0);
  receive_one_to_wait_for();
  CHECK(lasting.messages() == Texts{"a=2"});
  CHECK(withheld() == 1);
}

TEST_CASE_METHOD(WithheldHarness, "a session does not wait for ever for a clock", "[node][G10][G6]") {
  const std::string filter = GENERATE("a", "$share/g/a");
  wall.quality = kUnsure;
  TestClient lasting(*this, keeping("lasting"));
  subscribe(lasting, filter);
  receive_one_to_wait_for();
  advance(std::chrono::seconds{61});
  settle();
  CHECK(lasting.messages() == Texts{"a=2"});
  CHECK(withheld() == 1);
  REQUIRE(node->alarms().size() == 1);
  CHECK_THAT(node->alarms()[0], ContainsSubstring("the clock of this board"));
  receive("3", 600, kSure);
  receive("4", {}, kSure);
  CHECK(lasting.messages() == Texts{"a=4"});
  CHECK(withheld() == 2);
  wall.quality = kSure;
  CHECK(node->alarms().empty());
}

TEST_CASE_METHOD(WithheldHarness, "who keeps no position does not wait for a clock", "[node][G10]") {
  wall.quality = kUnsure;
  TestClient brief(*this, {.client_id = "brief"});
  subscribe(brief);
  receive_one_to_wait_for();
  CHECK(brief.messages() == Texts{"a=2"});
  CHECK(withheld() == 1);
}

TEST_CASE_METHOD(WithheldHarness, "a session waits once more when the board gets its network", "[node][G10]") {
  wall.quality = kUnsure;
  TestClient lasting(*this, keeping("lasting"));
  subscribe(lasting);
  advance(kLongAfterStart);
  LinkedPeer link(*this, LinkedPeer::Greeting{});
  receive("1", 600, kSure);
  CHECK(lasting.messages().empty());
  wall.quality = kSure;
  advance(std::chrono::seconds{2});
  settle();
  CHECK(lasting.messages() == Texts{"a=1"});
}

TEST_CASE_METHOD(WithheldHarness, "a link that comes and goes makes nobody wait again", "[node][G10]") {
  wall.quality = kUnsure;
  TestClient lasting(*this, keeping("lasting"));
  subscribe(lasting);
  { LinkedPeer first(*this, LinkedPeer::Greeting{}); }
  advance(kLongAfterStart);
  LinkedPeer::Greeting newer;
  newer.incarnation = 501;
  LinkedPeer again(*this, newer);
  receive_one_to_wait_for();
  CHECK(lasting.messages() == Texts{"a=2"});
}

TEST_CASE_METHOD(WithheldHarness,
                 "a retained message that is withheld is kept, and goes out once a clock tells its age",
                 "[node][G10]") {
  wall.quality = kUnsure;
  receive("1", 600, kSure, 1, /*retain=*/true);
  const auto retained = [&] {
    TestClient client(*this, {.client_id = "client"});
    client.send(encode_subscribe(1, {{"a", 1}}));
    settle();
    return client.messages();
  };
  CHECK(retained().empty());
  CHECK(withheld() == 1);
  wall.quality = kSure;
  CHECK(retained() == Texts{"a=1 retained"});
}

TEST_CASE_METHOD(WithheldHarness, "what was published here before a restart is withheld until the clock is set",
                 "[node][G10]") {
  {
    TestClient lasting(*this, keeping("lasting"));
    subscribe(lasting);
  }
  publish("1", 2);
  restart();
  wall.quality = kUnsure;
  TestClient back(*this, keeping("lasting"));
  CHECK(back.messages().empty());
  CHECK(withheld() == 0);
  wall.quality = kSure;
  advance(std::chrono::seconds{5});
  settle();
  CHECK(back.messages() == Texts{"a=1 dup"});  // it may have been sent before the kill
}
