// Replays through a whole node: SUBSCRIBE with the user property hedgerow-replay. DESIGN 1.
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/node/exchange.hpp"

using namespace hedgerow;
using namespace hedgerow::test;
using Texts = std::vector<std::string>;

namespace {

struct ReplayHarness : NodeHarness {
  void publish(std::string payload, bool retain = false, unsigned qos = 1, std::string topic = "a") {
    TestClient publisher(*this, {.client_id = "publisher"});
    publisher.send(encode(PublishSent{.topic = std::move(topic),
                                      .payload = std::move(payload),
                                      .qos = qos,
                                      .packet_id = qos > 0 ? 1U : 0U,
                                      .retain = retain}));
    settle();
    publisher.drop();
  }
  static Bytes replay(std::string_view since, std::string filter = "a", unsigned options = 1) {
    return encode_subscribe(1, {{std::move(filter), options}}, mqtt::Protocol::kV5,
                            user_property("hedgerow-replay", since));
  }
  // Everything that comes, acknowledged.
  Texts all(TestClient& client) {
    Texts out;
    settle();
    for (Texts more = client.messages(); !more.empty(); more = client.messages()) {
      out.insert(out.end(), more.begin(), more.end());
      settle();
    }
    return out;
  }
};

}  // namespace

TEST_CASE_METHOD(ReplayHarness, "history comes first, then what is new", "[node]") {
  publish("1");
  publish("2");
  TestClient client(*this, {.client_id = "c"});
  client.send(replay("1h"));
  publish("3");
  CHECK(all(client) == Texts{"a=1", "a=2", "a=3"});
}

TEST_CASE_METHOD(ReplayHarness, "history begins where it was asked to", "[node]") {
  publish("1");
  advance(std::chrono::hours{2});
  publish("2");
  TestClient client(*this, {.client_id = "c"});
  client.send(replay("1h"));
  CHECK(all(client) == Texts{"a=2"});
}

TEST_CASE_METHOD(ReplayHarness, "history is only what the filter matches", "[node]") {
  publish("1");
  publish("2", false, 1, "b");
  TestClient client(*this, {.client_id = "c"});
  client.send(replay("1h"));
  CHECK(all(client) == Texts{"a=1"});
}

TEST_CASE_METHOD(ReplayHarness, "a time without history brings what is new", "[node]") {
  publish("1");
  advance(std::chrono::hours{2});
  TestClient client(*this, {.client_id = "c"});
  client.send(replay("1h"));
  settle();
  publish("2");
  CHECK(all(client) == Texts{"a=2"});
}

TEST_CASE_METHOD(ReplayHarness, "history longer than the window and the memory has no gap and no double", "[node]") {
  Texts expected;
  const std::string filler(20'000, '.');
  for (int i = 1; i <= 150; ++i) {
    publish(std::to_string(i) + filler);
    expected.push_back("a=" + std::to_string(i) + filler);
  }
  TestClient client(*this, {.client_id = "c", .properties = property(0x21, u16(7))});
  client.send(replay("1h"));
  publish("live");
  expected.push_back("a=live");
  CHECK(all(client) == expected);
}

TEST_CASE_METHOD(ReplayHarness, "a session that is behind gets what came before its subscription too", "[node]") {
  TestClient client(*this, {.client_id = "c", .properties = property(0x21, u16(1))});
  client.send(encode_subscribe(1, {{"other", 1}}));
  settle();
  client.received();
  publish("x", false, 1, "other");
  publish("y", false, 1, "other");  // no room for it: the session falls behind
  publish("1");
  publish("2");
  client.send(replay("1h"));
  publish("3");
  Texts got = all(client);
  std::erase_if(got, [](const std::string& text) { return text.starts_with("other"); });
  CHECK(got == Texts{"a=1", "a=2", "a=3"});
}

TEST_CASE_METHOD(ReplayHarness,
                 "a known subscription that asks for history gets it, and each message once more at most", "[node]") {
  TestClient client(*this, keeping("c"));
  client.send(encode_subscribe(1, {{"a", 1}}));
  settle();
  publish("1");
  CHECK(all(client) == Texts{"a=1"});
  client.send(replay("1h"));
  publish("2");
  CHECK(all(client) == Texts{"a=1", "a=2"});
}

TEST_CASE_METHOD(ReplayHarness, "what cannot be read as a time fails the subscription, and says why", "[node]") {
  TestClient client(*this, {.client_id = "c"});
  client.received();
  client.send(replay("yesterday"));
  settle();
  const auto packets = client.received();
  REQUIRE(packets.size() == 1);
  REQUIRE(packets[0].type == mqtt::PacketType::kSuback);
  CHECK(packets[0].body.back() == 0x83);
  CHECK(packets[0].body[2] > 0);  // a reason string
  publish("1");
  CHECK(all(client).empty());
}

TEST_CASE_METHOD(ReplayHarness, "a retained message that the history holds comes once", "[node]") {
  publish("1", /*retain=*/true);
  TestClient client(*this, {.client_id = "c"});
  client.send(replay("1h"));
  CHECK(all(client) == Texts{"a=1"});
}

TEST_CASE_METHOD(ReplayHarness, "a retained message older than the history comes before it", "[node]") {
  publish("old", /*retain=*/true, 1, "a/old");
  advance(std::chrono::hours{2});
  publish("new", /*retain=*/false, 1, "a/new");
  TestClient client(*this, {.client_id = "c"});
  client.send(replay("1h", "a/#"));
  CHECK(all(client) == Texts{"a/old=old retained", "a/new=new"});
}

TEST_CASE_METHOD(ReplayHarness, "a retained message whose record was trimmed comes although history is asked for",
                 "[node]") {
  publish("kept", /*retain=*/true);
  advance(std::chrono::hours{25});  // keep is a day
  settle();
  publish("new", false, 1, "b");
  TestClient client(*this, {.client_id = "c"});
  client.send(replay("48h"));
  CHECK(all(client) == Texts{"a=kept retained"});
}

TEST_CASE_METHOD(ReplayHarness, "a retained message of QoS 0 is in no history, and comes", "[node]") {
  publish("1", /*retain=*/true, 0);
  advance(std::chrono::seconds{2});
  settle();
  TestClient client(*this, {.client_id = "c"});
  client.send(replay("1h"));
  CHECK(all(client) == Texts{"a=1 retained"});
}

TEST_CASE_METHOD(ReplayHarness, "a shared subscription has no history", "[node]") {
  publish("1");
  TestClient client(*this, {.client_id = "c"});
  client.send(replay("1h", "$share/g/a"));
  CHECK(all(client).empty());
}

TEST_CASE_METHOD(ReplayHarness, "history by QoS 2 is exactly once", "[node]") {
  publish("1", false, 2);
  publish("2", false, 2);
  TestClient client(*this, keeping("c"));
  client.send(replay("1h", "a", 2));
  settle();
  const auto got = deliveries(client.received());
  REQUIRE(got.size() == 2);
  for (const Delivered& message : got) {
    client.send(encode_pubrec(message.packet_id));
    settle();
    client.send(encode_pubcomp(message.packet_id));
  }
  advance(std::chrono::seconds{2});
  settle();
  CHECK(deliveries(client.received()).empty());
  CHECK(session_store.releases.begin()->second.empty());
}
