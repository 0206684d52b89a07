// Records that were old when they came from another node, and sessions that want only the latest: `late` and
// `conflate`. DESIGN 1.
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/node/other_writer.hpp"

using namespace hedgerow;
using namespace hedgerow::test;
using Texts = std::vector<std::string>;

namespace {

struct LateHarness : OtherWriter {
  // The other node wrote it `ago`, and it comes now.
  void receive(std::string payload, Duration ago, ClockQuality quality = ClockQuality::kSynchronised,
               bool retain = false) {
    const auto ago_ms = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(ago).count());
    receive_write({.payload = std::move(payload),
                   .then = {.unix_ms = wall.unix_ms - ago_ms, .quality = quality},
                   .retain = retain});
  }
  void subscribe(TestClient& client, const std::string& filter = "a") { OtherWriter::subscribe(client, filter, 1); }
  void publish(std::string payload, bool retain, unsigned qos = 1) {
    TestClient publisher(*this, {.client_id = "publisher"});
    publisher.send(encode(PublishSent{
        .topic = "a", .payload = std::move(payload), .qos = qos, .packet_id = qos > 0 ? 1U : 0U, .retain = retain}));
    settle();
    advance(std::chrono::seconds{2});
    settle();
  }
};

constexpr Duration kLate = std::chrono::minutes{10};

}  // namespace

TEST_CASE_METHOD(LateHarness, "what comes in time goes to everybody", "[node]") {
  TestClient brief(*this, {.client_id = "brief"});
  TestClient lasting(*this, keeping("lasting"));
  subscribe(brief);
  subscribe(lasting);
  receive("1", std::chrono::minutes{1});
  CHECK(brief.messages() == Texts{"a=1"});
  CHECK(lasting.messages() == Texts{"a=1"});
}

TEST_CASE_METHOD(LateHarness, "what comes late goes only to persistent sessions", "[node]") {
  TestClient brief(*this, {.client_id = "brief"});
  TestClient lasting(*this, keeping("lasting"));
  subscribe(brief);
  subscribe(lasting);
  receive("1", kLate);
  CHECK(brief.messages().empty());
  CHECK(lasting.messages() == Texts{"a=1"});
}

TEST_CASE_METHOD(LateHarness, "what comes late goes to replays", "[node]") {
  receive("1", kLate);
  TestClient brief(*this, {.client_id = "brief"});
  brief.send(encode_subscribe(1, {{"a", 1}}, mqtt::Protocol::kV5, user_property("hedgerow-replay", "1h")));
  settle();
  CHECK(brief.messages() == Texts{"a=1"});
}

TEST_CASE_METHOD(LateHarness, "what came late is kept from a session that reads it later", "[node]") {
  TestClient brief(*this, {.client_id = "brief"});
  subscribe(brief);
  brief.stream.queued = 10 << 20;
  receive("1", kLate);
  receive("2", std::chrono::seconds{1});
  brief.drained();
  settle();
  CHECK(brief.messages() == Texts{"a=2"});
}

TEST_CASE_METHOD(LateHarness, "what came in time and waits for a slow client is not late", "[node]") {
  TestClient brief(*this, {.client_id = "brief"});
  subscribe(brief);
  brief.stream.queued = 10 << 20;
  receive("1", std::chrono::seconds{1});
  advance(kLate);
  brief.drained();
  settle();
  CHECK(brief.messages() == Texts{"a=1"});
}

TEST_CASE_METHOD(LateHarness, "a clock that nobody can trust makes nothing late", "[node][G10]") {
  TestClient brief(*this, {.client_id = "brief"});
  subscribe(brief);
  receive("1", kLate, ClockQuality::kUnsynchronised);
  CHECK(brief.messages() == Texts{"a=1"});
}

TEST_CASE_METHOD(LateHarness, "a shared subscription is late unless a member's session is persistent", "[node]") {
  TestClient brief(*this, {.client_id = "brief"});
  subscribe(brief, "$share/g/a");
  receive("1", kLate);
  CHECK(brief.messages().empty());
  TestClient lasting(*this, keeping("lasting"));
  subscribe(lasting, "$share/g/a");
  receive("2", kLate);
  CHECK(brief.messages().size() + lasting.messages().size() == 1);
}

TEST_CASE_METHOD(LateHarness, "where the channel conflates, an absent session gets the latest value only", "[node]") {
  conflate = true;
  restart();
  {
    TestClient lasting(*this, keeping("lasting"));
    subscribe(lasting);
  }
  for (const char* value : {"1", "2", "3"}) publish(value, /*retain=*/true);
  TestClient back(*this, keeping("lasting"));
  CHECK(back.messages() == Texts{"a=3"});
  publish("4", /*retain=*/true);
  publish("5", /*retain=*/true);
  CHECK(back.messages() == Texts{"a=4", "a=5"});
}

TEST_CASE_METHOD(LateHarness, "where the channel conflates, a message that was begun is completed",
                 "[node][MQTT-4.4.0-1]") {
  conflate = true;
  restart();
  TestClient lasting(*this, keeping("lasting"));
  lasting.send(encode_subscribe(1, {{"a", 2}}));
  settle();
  publish("1", /*retain=*/true, 2);
  const std::vector<Delivered> first = deliveries(lasting.received());
  REQUIRE(first.size() == 1);
  lasting.drop();
  publish("2", /*retain=*/true, 2);
  publish("3", /*retain=*/true, 2);
  TestClient back(*this, keeping("lasting"));
  const std::vector<Delivered> again = deliveries(back.received());
  REQUIRE(again.size() == 2);
  CHECK(again[0].payload == "1");
  CHECK(again[0].packet_id == first[0].packet_id);
  CHECK(again[0].dup);
  CHECK(again[1].payload == "3");
}

TEST_CASE_METHOD(LateHarness, "where the channel conflates, what is not retained all comes", "[node]") {
  conflate = true;
  restart();
  {
    TestClient lasting(*this, keeping("lasting"));
    subscribe(lasting);
  }
  for (const char* value : {"1", "2"}) publish(value, /*retain=*/false);
  TestClient back(*this, keeping("lasting"));
  CHECK(back.messages() == Texts{"a=1", "a=2"});
}

TEST_CASE_METHOD(LateHarness, "a connection may ask that what its session missed is conflated", "[node]") {
  {
    TestClient lasting(*this, keeping("lasting"));
    subscribe(lasting);
  }
  for (const char* value : {"1", "2", "3"}) publish(value, /*retain=*/true);
  {
    TestClient back(*this, keeping("lasting", user_property("hedgerow-conflate", "true")));
    CHECK(back.messages() == Texts{"a=3"});
  }
  for (const char* value : {"4", "5"}) publish(value, /*retain=*/true);
  TestClient again(*this, keeping("lasting", user_property("hedgerow-conflate", "false")));
  CHECK(again.messages() == Texts{"a=4", "a=5"});
}

TEST_CASE_METHOD(LateHarness, "a wish to conflate that cannot be read is refused, and changes nothing", "[node]") {
  {
    TestClient lasting(*this, keeping("lasting"));
    subscribe(lasting);
  }
  publish("1", /*retain=*/true);
  TestClient wrong(*this, keeping("lasting", user_property("hedgerow-conflate", "yes")));
  const std::vector<ServerPacket> answer = wrong.received();
  REQUIRE(answer.size() == 1);
  CHECK(answer[0].type == mqtt::PacketType::kConnack);
  CHECK(answer[0].body.at(1) == 0x83);
  CHECK(as_text(answer[0].body).find("hedgerow-conflate is neither true nor false") != std::string_view::npos);
  TestClient back(*this, keeping("lasting"));
  CHECK(back.messages() == Texts{"a=1"});
}

TEST_CASE_METHOD(LateHarness, "a newer value of QoS 0 takes no stored one away", "[node]") {
  conflate = true;
  restart();
  {
    TestClient lasting(*this, keeping("lasting"));
    subscribe(lasting);
    advance(std::chrono::seconds{1});
    settle();
  }
  publish("1", /*retain=*/true);
  publish("2", /*retain=*/true, 0);
  TestClient back(*this, keeping("lasting"));
  CHECK(back.messages() == Texts{"a=1"});
}

TEST_CASE_METHOD(LateHarness,
                 "a retained message of QoS 0 is of the moment at which it came, not at which it is stored",
                 "[node][G3]") {
  TestClient publisher(*this, {.client_id = "publisher"});
  publisher.send(encode(PublishSent{.topic = "a", .payload = "old", .retain = true}));
  advance(std::chrono::milliseconds{200});
  // Another node's answer to it.
  receive("new", Duration{0}, ClockQuality::kSynchronised, /*retain=*/true);
  advance(std::chrono::seconds{2});
  TestClient reader(*this, {.client_id = "reader"});
  reader.send(encode_subscribe(1, {{"a", 1}}));
  settle();
  CHECK(reader.messages() == Texts{"a=new retained"});
}

TEST_CASE_METHOD(LateHarness, "a retained message of QoS 0 comes after what this node knew, whatever its clock says",
                 "[node][G10]") {
  receive("ahead", -std::chrono::minutes{5}, ClockQuality::kSynchronised, /*retain=*/true);
  publish("mine", /*retain=*/true, 0);
  restart();
  publish("again", /*retain=*/true, 0);
  TestClient reader(*this, {.client_id = "reader"});
  reader.send(encode_subscribe(1, {{"a", 1}}));
  settle();
  CHECK(reader.messages() == Texts{"a=again retained"});
}
