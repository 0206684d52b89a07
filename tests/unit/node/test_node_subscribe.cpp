// SUBSCRIBE and UNSUBSCRIBE through a whole node: chapters 3.8 to 3.11 of MQTT 5.0, and the same of 3.1.1. Tags V311-…:
// clauses of 3.1.1 with another number or meaning.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <set>

#include "tests/unit/node/exchange.hpp"

using namespace hedgerow;
using namespace hedgerow::test;
using mqtt::PacketType;
using mqtt::Protocol;
using Texts = std::vector<std::string>;

namespace {

// One of each kind: those that are kept are answered by the disk, the others at once.
std::vector<ConnectOut> all_kinds() {
  return {{.client_id = "clean"},
          keeping("kept"),
          {.protocol = Protocol::kV311, .client_id = "clean 3.1.1"},
          {.protocol = Protocol::kV311, .client_id = "kept 3.1.1", .clean_start = false}};
}

struct SubscribeHarness : NodeHarness {
  TestClient publisher{*this, {.client_id = "publisher"}};
  unsigned last_id = 0;

  void publish(const std::string& topic, const std::string& payload, unsigned qos = 1, bool retain = false) {
    publisher.send(encode(PublishSent{
        .topic = topic, .payload = payload, .qos = qos, .packet_id = qos > 0 ? ++last_id : 0U, .retain = retain}));
    if (qos == 2) {
      settle();
      publisher.send(encode_pubrel(last_id));
    }
    settle();
  }
  // The bodies of all packets of one type that came since the last look, as hexadecimal.
  Texts answers(TestClient& client, PacketType type) {
    settle();
    Texts out;
    for (const ServerPacket& packet : client.received()) {
      if (packet.type == type) out.push_back(to_hex(packet.body));
    }
    return out;
  }
};

Texts texts(const std::vector<Delivered>& messages) {
  Texts out;
  for (const Delivered& message : messages) {
    out.push_back(message.topic + "=" + message.payload + " qos " + std::to_string(message.qos));
  }
  return out;
}

}  // namespace

// ---- SUBSCRIBE

TEST_CASE_METHOD(SubscribeHarness, "SUBSCRIBE is answered with one SUBACK, with a code for each filter in its place",
                 "[node][MQTT-3.8.4-1][MQTT-3.8.4-2][MQTT-3.8.4-5][MQTT-3.8.4-6][MQTT-3.8.4-7][MQTT-3.9.3-1]") {
  for (const ConnectOut& kind : all_kinds()) {
    CAPTURE(kind.client_id);
    TestClient client(*this, kind);
    client.send(encode_subscribe(0x1234, {{"a", 2}, {"forbidden", 1}, {"b/#", 0}, {"+", 1}}, kind.protocol));
    const bool is_v5 = kind.protocol == Protocol::kV5;
    CHECK(answers(client, PacketType::kSuback) == Texts{is_v5 ? "12340002870001" : "123402800001"});
  }
}

TEST_CASE_METHOD(SubscribeHarness, "several filters in one packet are as several packets",
                 "[node][MQTT-3.8.4-5][MQTT-3.10.4-6]") {
  for (const ConnectOut& kind : all_kinds()) {
    CAPTURE(kind.client_id);
    TestClient client(*this, kind);
    client.send(encode_subscribe(1, {{"a", 0}, {"b", 1}, {"a", 2}}, kind.protocol));
    CHECK(answers(client, PacketType::kSuback).size() == 1);
    publish("a", "1", 2);
    publish("b", "2", 2);
    CHECK(texts(deliveries(client.received(), kind.protocol)) == Texts{"a=1 qos 2", "b=2 qos 1"});
    client.send(encode_unsubscribe(2, {"b", "a", "b"}, kind.protocol));
    CHECK(answers(client, PacketType::kUnsuback) == Texts{kind.protocol == Protocol::kV5 ? "000200000011" : "0002"});
    publish("a", "3");
    publish("b", "4");
    CHECK(deliveries(client.received(), kind.protocol).empty());
  }
}

TEST_CASE_METHOD(SubscribeHarness, "an equal filter replaces the subscription", "[node][MQTT-3.8.4-3]") {
  for (const ConnectOut& kind : all_kinds()) {
    CAPTURE(kind.client_id);
    TestClient client(*this, kind);
    const bool is_v5 = kind.protocol == Protocol::kV5;
    for (const unsigned qos : {2U, 0U, 1U}) {
      const Bytes identifier = is_v5 ? property(0x0B, u8(qos + 10)) : Bytes{};
      client.send(encode_subscribe(1, {{"a", qos}}, kind.protocol, identifier));
      settle();
    }
    client.received();
    publish("a", "x", 2);
    const auto packets = client.received();
    REQUIRE(packets.size() == 1);
    CHECK(texts(deliveries(packets, kind.protocol)) == Texts{"a=x qos 1"});
    if (is_v5) CHECK(to_hex(packets[0].body).ends_with("020b0b78"));  // identifier 11 alone
  }
}

TEST_CASE_METHOD(SubscribeHarness, "what replaced a subscription holds while its session is away, and after a restart",
                 "[node][MQTT-3.8.4-3]") {
  const auto missed = [this](const ConnectOut& kind, const std::string& payload) {
    publisher.send(encode(PublishSent{.topic = "a", .payload = payload, .qos = 2, .packet_id = ++last_id}));
    settle();
    TestClient back(*this, kind);
    return texts(deliveries(back.received(), kind.protocol));
  };
  for (const Protocol protocol : {Protocol::kV311, Protocol::kV5}) {
    ConnectOut kind = keeping("kept");
    if (protocol == Protocol::kV311) kind = {.protocol = protocol, .client_id = "old", .clean_start = false};
    {
      TestClient client(*this, kind);
      for (const unsigned qos : {2U, 0U, 1U}) {
        client.send(encode_subscribe(1, {{"a", qos}}, protocol));
        settle();
      }
    }
    CHECK(missed(kind, "x") == Texts{"a=x qos 1"});
  }
  publisher.drop();
  restart();
  TestClient back(*this, keeping("kept"));
  CHECK(texts(deliveries(back.received())) == Texts{"a=x qos 1"});
}

TEST_CASE_METHOD(SubscribeHarness, "each SUBSCRIBE of 3.1.1 is sent the retained messages, and loses nothing",
                 "[node][V311-3.8.4-3]") {
  publish("kept", "k", 1, /*retain=*/true);
  TestClient client(*this, {.protocol = Protocol::kV311, .client_id = "old", .clean_start = false});
  client.send(encode_subscribe(1, {{"#", 1}}, Protocol::kV311));
  CHECK(client.messages().empty());
  settle();
  CHECK(client.messages() == Texts{"kept=k retained"});
  publisher.send(encode(PublishSent{.topic = "a", .payload = "1", .qos = 1, .packet_id = 100}));
  client.send(encode_subscribe(2, {{"#", 1}}, Protocol::kV311));
  publisher.send(encode(PublishSent{.topic = "a", .payload = "2", .qos = 1, .packet_id = 101}));
  settle();
  Texts got;
  for (Texts more = client.messages(); !more.empty(); more = client.messages()) {
    got.insert(got.end(), more.begin(), more.end());
    settle();
  }
  std::sort(got.begin(), got.end());
  CHECK(got == Texts{"a=1", "a=2", "kept=k retained"});
}

TEST_CASE_METHOD(SubscribeHarness, "a message is delivered with the lesser of its QoS and the granted one",
                 "[node][MQTT-3.8.4-8][V311-3.8.4-6][V311-3.3.1-5]") {
  for (const Protocol protocol : {Protocol::kV311, Protocol::kV5}) {
    for (unsigned granted = 0; granted <= 2; ++granted) {
      for (unsigned published = 0; published <= 2; ++published) {
        CAPTURE(granted, published);
        TestClient live(*this, {.protocol = protocol, .client_id = "live"});
        live.send(encode_subscribe(1, {{"a", granted}}, protocol));
        settle();
        live.received();
        publish("a", "x", published, /*retain=*/true);
        advance(std::chrono::seconds{2});  // cells of QoS 0 are stored later
        settle();
        const std::string expected = "a=x qos " + std::to_string(std::min(granted, published));
        CHECK(texts(deliveries(live.received(), protocol)) == Texts{expected});
        TestClient later(*this, {.protocol = protocol, .client_id = "later"});
        later.send(encode_subscribe(1, {{"a", granted}}, protocol));
        settle();
        CHECK(texts(deliveries(later.received(), protocol)) == Texts{expected});
      }
    }
  }
}

TEST_CASE_METHOD(SubscribeHarness, "no local keeps a client's own messages from it at every QoS",
                 "[node][MQTT-3.8.3-3]") {
  TestClient client(*this, {.client_id = "c"});
  client.send(encode_subscribe(1, {{"a", 2U | 4U}}));
  settle();
  for (unsigned qos = 0; qos <= 2; ++qos) {
    client.send(encode(PublishSent{.topic = "a", .payload = "mine", .qos = qos, .packet_id = qos}));
    publish("a", "theirs", qos);
  }
  CHECK(texts(deliveries(client.received())) == Texts{"a=theirs qos 0", "a=theirs qos 1", "a=theirs qos 2"});
}

// ---- UNSUBSCRIBE

TEST_CASE_METHOD(SubscribeHarness, "UNSUBSCRIBE is answered with UNSUBACK, also when nothing was erased",
                 "[node][MQTT-3.10.4-4][MQTT-3.10.4-5][MQTT-3.11.3-1]") {
  for (const ConnectOut& kind : all_kinds()) {
    CAPTURE(kind.client_id);
    TestClient client(*this, kind);
    const bool is_v5 = kind.protocol == Protocol::kV5;
    client.send(encode_subscribe(1, {{"a", 1}}, kind.protocol));
    settle();
    client.send(encode_unsubscribe(0x1234, {"none", "a"}, kind.protocol));
    CHECK(answers(client, PacketType::kUnsuback) == Texts{is_v5 ? "1234001100" : "1234"});
    client.send(encode_unsubscribe(0x1235, {"a"}, kind.protocol));
    CHECK(answers(client, PacketType::kUnsuback) == Texts{is_v5 ? "12350011" : "1235"});
  }
}

TEST_CASE_METHOD(SubscribeHarness, "UNSUBSCRIBE erases the filter that is equal byte for byte, and no other",
                 "[node][MQTT-3.10.4-1]") {
  TestClient client(*this, keeping("c"));
  client.send(encode_subscribe(1, {{"a/#", 0}, {"a/b", 0}, {"$share/g/a/b", 1}}));
  settle();
  client.send(encode_unsubscribe(2, {"a/+", "A/b", "a/b/", "a", "#", "$share/h/a/b", "$share/g/a"}));
  CHECK(answers(client, PacketType::kUnsuback) == Texts{"00020011111111111111"});
  publish("a/b", "1", 2);
  CHECK(deliveries(client.received()).size() == 2);  // plain and shared
  client.send(encode_unsubscribe(3, {"a/b", "$share/g/a/b"}));
  CHECK(answers(client, PacketType::kUnsuback) == Texts{"0003000000"});
  publish("a/b", "2", 2);
  CHECK(texts(deliveries(client.received())) == Texts{"a/b=2 qos 0"});
  CHECK(session_store.sessions.begin()->second.subscriptions.size() == 1);
}

TEST_CASE_METHOD(SubscribeHarness, "nothing at any QoS is delivered for a filter that is gone",
                 "[node][MQTT-3.10.4-2]") {
  for (const ConnectOut& kind : all_kinds()) {
    CAPTURE(kind.client_id);
    TestClient client(*this, kind);
    client.send(encode_subscribe(1, {{"a", 2}}, kind.protocol));
    settle();
    client.send(encode_unsubscribe(2, {"a"}, kind.protocol));
    settle();
    client.received();
    for (unsigned qos = 0; qos <= 2; ++qos) publish("a", "x", qos);
    CHECK(deliveries(client.received(), kind.protocol).empty());
  }
}

TEST_CASE_METHOD(SubscribeHarness, "a full disk closes 3.1.1 where it has no code to say so", "[node][V311-4.8.0-2]") {
  const auto full_disk = [this] {
    storage.fail_next_commit({Category::kLimit, "the disk is full"});
    commit();
  };
  TestClient client(*this, {.protocol = Protocol::kV311, .client_id = "old", .clean_start = false});
  client.send(encode_subscribe(1, {{"a", 1}}, Protocol::kV311));
  CHECK(answers(client, PacketType::kSuback) == Texts{"000101"});
  client.send(encode_subscribe(2, {{"b", 1}}, Protocol::kV311));
  full_disk();
  CHECK(answers(client, PacketType::kSuback) == Texts{"000280"});
  CHECK_FALSE(client.stream.closed);
  client.send(encode_unsubscribe(3, {"a"}, Protocol::kV311));
  full_disk();
  CHECK(client.received().empty());
  CHECK(client.stream.closed);
  for (const unsigned qos : {1U, 2U}) {
    TestClient writer(*this, {.protocol = Protocol::kV311, .client_id = "writer"});
    writer.received();
    writer.send(encode(PublishSent{.protocol = Protocol::kV311, .qos = qos, .packet_id = 1}));
    full_disk();
    CHECK(writer.received().empty());
    CHECK(writer.stream.closed);
  }
}

// ---- order and quota

TEST_CASE_METHOD(SubscribeHarness, "on every topic messages of each QoS keep the order in which they came",
                 "[node][MQTT-4.6.0-5][MQTT-4.6.0-6]") {
  TestClient client(*this, {.client_id = "c"});
  client.send(encode_subscribe(1, {{"+/x", 2}}));
  settle();
  for (unsigned i = 1; i <= 30; ++i) {
    const unsigned qos = i % 3;
    publisher.send(encode(PublishSent{.topic = std::string(1, static_cast<char>('a' + i % 4)) + "/x",
                                      .payload = std::to_string(i),
                                      .qos = qos,
                                      .packet_id = qos > 0 ? i : 0}));
    if (i % 7 == 0) commit();
  }
  settle();
  unsigned last[3] = {0, 0, 0};
  const auto got = deliveries(client.received());
  CHECK(got.size() == 30);
  for (const Delivered& message : got) {
    const auto number = static_cast<unsigned>(std::stoul(message.payload));
    CHECK(number > last[message.qos]);
    last[message.qos] = number;
  }
}

TEST_CASE_METHOD(SubscribeHarness, "without quota all but PUBLISH goes on", "[node][MQTT-4.9.0-2][MQTT-4.9.0-3]") {
  TestClient client(*this, keeping("c", property(0x21, u16(1))));
  client.send(encode_subscribe(1, {{"a", 1}}));
  settle();
  publish("a", "1");
  publish("a", "2");
  CHECK(client.messages(/*acknowledge=*/false) == Texts{"a=1"});
  client.send(concat(encode_pingreq(), encode_subscribe(2, {{"b", 1}}), encode_unsubscribe(3, {"b"})));
  client.send(concat(encode(PublishSent{.topic = "c", .qos = 1, .packet_id = 4}),
                     encode(PublishSent{.topic = "c", .qos = 2, .packet_id = 5})));
  settle();
  client.send(encode_pubrel(5));
  settle();
  std::set<PacketType> seen;
  for (const ServerPacket& packet : client.received()) seen.insert(packet.type);
  CHECK(seen == std::set{PacketType::kPuback, PacketType::kPubrec, PacketType::kPubcomp, PacketType::kSuback,
                         PacketType::kUnsuback, PacketType::kPingresp});
}

TEST_CASE_METHOD(SubscribeHarness, "retained messages keep to the client's receive maximum, too",
                 "[node][MQTT-4.9.0-1][MQTT-4.9.0-2]") {
  for (const char* topic : {"a", "b", "c"}) publish(topic, "x", 1, /*retain=*/true);
  TestClient client(*this, {.client_id = "c", .properties = property(0x21, u16(2))});
  client.send(encode_subscribe(1, {{"#", 1}}));
  settle();
  publish("d", "x");
  CHECK(client.messages().size() == 2);
  settle();
  CHECK(client.messages().size() == 2);
}

namespace {

struct CountingHarness : NodeHarness {
  void submit(node::Intent intent) override {
    if (const auto* put = std::get_if<node::PutSessionIntent>(&intent)) {
      ++sessions_written;
      rows_written += put->session.subscriptions.size();
    }
    NodeHarness::submit(std::move(intent));
  }
  std::size_t sessions_written = 0;
  std::size_t rows_written = 0;
};

}  // namespace

TEST_CASE_METHOD(CountingHarness, "changes that follow each other fast go to the disk together, and are answered each",
                 "[node][G6]") {
  constexpr unsigned kFilters = 50;
  constexpr unsigned kChanges = 400;
  TestClient client(*this, keeping("c"));
  std::vector<FilterSent> filters;
  for (unsigned i = 0; i < kFilters; ++i) filters.push_back({"f/" + std::to_string(i), 1});
  client.send(encode_subscribe(1, filters));
  settle();
  client.received();
  sessions_written = 0;
  rows_written = 0;
  Bytes packets;
  for (unsigned i = 0; i < kChanges; ++i) {
    append(packets, i % 2 == 0 ? encode_subscribe(i + 1, {{"a", 1}}) : encode_unsubscribe(i + 1, {"a"}));
  }
  client.send(packets);
  CHECK(sessions_written == 1);
  CHECK(client.stream.paused);
  settle();
  CHECK_FALSE(client.stream.paused);
  const auto answers = client.received();
  REQUIRE(answers.size() == kChanges);
  for (unsigned i = 0; i < kChanges; ++i) {
    CHECK(answers[i].body[0] * 256U + answers[i].body[1] == i + 1);
    CHECK(answers[i].body.back() == (i % 2 == 0 ? 1 : 0));
  }
  CHECK(rows_written <= (kChanges / 4) * (kFilters + 1));
}
