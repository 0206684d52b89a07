// Sessions that outlive their connection and their daemon: QoS 2 exactly once, expiry, redelivery, flow control.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <chrono>
#include <deque>
#include <map>
#include <set>
#include <string>

#include "tests/e2e/mosquitto.hpp"
#include "tests/e2e/scripts.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/relay.hpp"
#include "tests/support/seeded_random.hpp"

namespace hedgerow::test {
namespace {

using mqtt::PacketType;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr unsigned kMessageExpiry = 0x02;
constexpr unsigned kSessionExpiry = 0x11;
constexpr unsigned kReceiveMaximum = 0x21;

Bytes session_expiry(std::uint32_t time_s) { return property(kSessionExpiry, u32(time_s)); }

ConnectOut persistent(const std::string& client_id, bool clean_start = false, const Bytes& more = {}) {
  return {.client_id = client_id, .clean_start = clean_start, .properties = concat(session_expiry(3600), more)};
}

class Node {
 public:
  Node() { daemon.start(); }
  RawClient client(const ConnectOut& connect) {
    RawClient out(daemon.port());
    CHECK(out.connect(connect).code() == 0);
    return out;
  }
  Daemon daemon{{}};
};

// Connects as often as it takes: the daemon is being restarted.
RawClient come_back(std::uint16_t port, const ConnectOut& connect) {
  const auto deadline = steady_clock::now() + kPatience;
  for (;;) {
    try {
      RawClient client(port);
      const Received connack = client.connect(connect);
      REQUIRE(connack.code() == 0);
      REQUIRE((connect.clean_start || connack.session_present));
      return client;
    } catch (const std::exception&) {
      if (steady_clock::now() > deadline) throw;
    }
  }
}

// A client's half of QoS 2 as the standard wants it (4.3.3, 4.4), over connections that come and go. Publishes numbers,
// and notes those that it receives.
class ExactlyOnceClient {
 public:
  ExactlyOnceClient(std::uint16_t port, std::string client_id) : port_(port), client_id_(std::move(client_id)) {
    client_.emplace(come_back(port_, persistent(client_id_, true)));
  }
  void subscribe(const std::string& filter) { client_->subscribe({{filter, 2}}); }

  // A new connection to the session; unfinished exchanges go on [MQTT-4.4.0-1].
  void reconnect() {
    client_.reset();
    client_.emplace(come_back(port_, persistent(client_id_)));
    for (const std::uint16_t id : order_) {
      const Sent& sent = sent_.at(id);
      client_->send(sent.released ? encode_ack(PacketType::kPubrel, id) : publish_of(id, sent.number, true));
    }
  }
  // Publishes numbers from next() on, keeping `window` exchanges going, until so many are complete. False: the
  // connection is lost.
  bool publish_until(std::uint64_t completed, std::size_t window) {
    while (completed_ < completed) {
      while (order_.size() < window && next_ < completed) {
        const std::uint16_t id = ++last_id_ == 0 ? ++last_id_ : last_id_;
        sent_[id] = {.number = next_};
        order_.push_back(id);
        if (!client_->send(publish_of(id, next_++, false))) return false;
      }
      if (!step(kPatience)) return false;
    }
    return true;
  }
  // Handles one packet; false: none came, or the connection is lost.
  bool step(milliseconds patience) {
    const auto received = client_->next(patience);
    if (!received) return false;
    switch (received->type) {
      case PacketType::kPublish:
        if (held_.insert(received->packet_id).second) numbers_.push_back(std::stoull(received->payload));
        return client_->send(encode_ack(PacketType::kPubrec, received->packet_id));
      case PacketType::kPubrel:
        held_.erase(received->packet_id);
        return client_->send(encode_ack(PacketType::kPubcomp, received->packet_id));
      case PacketType::kPubrec:
        sent_.at(static_cast<std::uint16_t>(received->packet_id)).released = true;
        return client_->send(encode_ack(PacketType::kPubrel, received->packet_id));
      case PacketType::kPubcomp: finish(static_cast<std::uint16_t>(received->packet_id)); return true;
      default: return true;
    }
  }
  [[nodiscard]] const std::vector<std::uint64_t>& numbers() const { return numbers_; }
  [[nodiscard]] std::uint64_t completed() const { return completed_; }

 private:
  struct Sent {
    std::uint64_t number = 0;
    bool released = false;
  };
  static Bytes publish_of(std::uint16_t id, std::uint64_t number, bool dup) {
    return encode(
        PublishSent{.topic = "exactly/once", .payload = std::to_string(number), .qos = 2, .packet_id = id, .dup = dup});
  }
  void finish(std::uint16_t id) {
    if (sent_.erase(id) == 0) return;
    std::erase(order_, id);
    completed_ += 1;
  }

  std::uint16_t port_;
  std::string client_id_;
  std::optional<RawClient> client_;
  std::map<std::uint16_t, Sent> sent_;
  std::deque<std::uint16_t> order_;
  std::uint16_t last_id_ = 0;
  std::uint64_t next_ = 0;
  std::uint64_t completed_ = 0;
  std::set<unsigned> held_;
  std::vector<std::uint64_t> numbers_;
};

void check_exactly_once(const std::vector<std::uint64_t>& numbers, std::uint64_t count) {
  std::uint64_t out_of_place = 0;
  for (std::size_t i = 0; i < numbers.size(); ++i) out_of_place += numbers[i] == i ? 0U : 1U;
  CHECK(numbers.size() == count);
  CHECK(out_of_place == 0);
}

}  // namespace

TEST_CASE_METHOD(Node, "QoS 2 is exactly once, in order, over connections that are cut", "[e2e][MQTT-4.3.3-10]") {
  constexpr std::uint64_t kCount = 400;
  SeededRandom random(pick_seed("cut connections"));
  Relay relay(daemon.port());
  ExactlyOnceClient subscriber(relay.port(), "subscriber");
  subscriber.subscribe("exactly/once");
  ExactlyOnceClient publisher(relay.port(), "publisher");
  while (publisher.completed() < kCount) {
    const std::uint64_t until = std::min(kCount, publisher.completed() + 1 + random.below(100));
    REQUIRE(publisher.publish_until(until, 10));
    for (std::size_t i = random.below(60); i > 0; --i) (void)subscriber.step(milliseconds{20});
    relay.cut();
    relay.resume();
    publisher.reconnect();
    subscriber.reconnect();
  }
  while (subscriber.step(milliseconds{1000})) {
  }
  check_exactly_once(subscriber.numbers(), kCount);
}

TEST_CASE("QoS 2 is exactly once, in order, over kill -9 of the daemon", "[e2e][slow][G1][MQTT-4.3.3-10]") {
  constexpr int kRounds = 25;
  SeededRandom random(pick_seed("QoS 2 kill loop"));
  Daemon daemon({});
  daemon.start();
  ExactlyOnceClient subscriber(daemon.port(), "subscriber");
  subscriber.subscribe("exactly/once");
  ExactlyOnceClient publisher(daemon.port(), "publisher");
  std::uint64_t count = 0;
  for (int round = 0; round < kRounds; ++round) {
    count += 1 + random.below(300);
    const std::uint64_t halfway = publisher.completed() + (count - publisher.completed()) / 2;
    REQUIRE(publisher.publish_until(halfway, 1 + random.below(50)));
    for (std::size_t i = random.below(200); i > 0; --i) (void)subscriber.step(milliseconds{10});
    daemon.kill();
    daemon.start();
    publisher.reconnect();
    subscriber.reconnect();
    REQUIRE(publisher.publish_until(count, 1 + random.below(50)));
  }
  while (subscriber.step(milliseconds{2000})) {
  }
  check_exactly_once(subscriber.numbers(), count);
}

TEST_CASE("MQTT.js publishes and receives exactly once at QoS 2 while the daemon is killed", "[e2e][slow][G1]") {
  constexpr int kCount = 1000;
  SeededRandom random(pick_seed("MQTT.js QoS 2 kill loop"));
  Daemon daemon({});
  daemon.start();
  Process script = start_node_script("mqttjs_exactly_once.js",
                                     {"mqtt://127.0.0.1:" + std::to_string(daemon.port()), std::to_string(kCount)});
  for (int published = 50; published < kCount; published += 50 * static_cast<int>(1 + random.below(4))) {
    REQUIRE(script.wait_for_line(Output::kStandard, "published " + std::to_string(published)));
    daemon.restart();
  }
  must_pass(script, daemon.log());
}

TEST_CASE_METHOD(Node,
                 "what was not acknowledged comes again after reconnecting, marked, in order, with its identifier",
                 "[e2e][MQTT-4.4.0-1][MQTT-3.3.1-1][MQTT-4.6.0-6]") {
  const unsigned qos = GENERATE(1U, 2U);
  const bool killed = GENERATE(false, true);
  RawClient first = client(persistent("reader", true));
  first.subscribe({{"queue", qos}});
  for (const char* payload : {"a", "b", "c"}) {
    mosquitto_pub(daemon.port(), "queue", payload, {"-q", std::to_string(qos)});
  }
  std::vector<unsigned> ids;
  for (const char* payload : {"a", "b", "c"}) {
    const auto message = first.wait_for(PacketType::kPublish);
    REQUIRE(message);
    CHECK(message->payload == payload);
    CHECK_FALSE(message->dup);
    ids.push_back(message->packet_id);
  }
  first.close();
  if (killed) daemon.restart();
  RawClient second(daemon.port());
  CHECK(second.connect(persistent("reader")).session_present);
  for (std::size_t i = 0; i < 3; ++i) {
    const auto message = second.wait_for(PacketType::kPublish);
    REQUIRE(message);
    CHECK(message->payload == std::string(1, static_cast<char>('a' + i)));
    CHECK(message->packet_id == ids[i]);
    CHECK(message->dup);
  }
}

TEST_CASE_METHOD(Node, "a release that was not completed comes again, also after kill -9", "[e2e][G1][MQTT-4.4.0-1]") {
  const bool killed = GENERATE(false, true);
  RawClient first = client(persistent("reader", true));
  first.subscribe({{"queue", 2}});
  mosquitto_pub(daemon.port(), "queue", "once", {"-q", "2"});
  const auto message = first.wait_for(PacketType::kPublish);
  REQUIRE(message);
  first.send(encode_ack(PacketType::kPubrec, message->packet_id));
  REQUIRE(first.wait_for(PacketType::kPubrel));
  first.close();
  if (killed) daemon.restart();
  RawClient second(daemon.port());
  CHECK(second.connect(persistent("reader")).session_present);
  const auto again = second.next();
  REQUIRE(again);
  CHECK(again->type == PacketType::kPubrel);
  CHECK(again->packet_id == message->packet_id);
}

TEST_CASE_METHOD(Node, "a QoS 2 publish that is repeated after kill -9 is delivered once", "[e2e][G1][MQTT-4.3.3-10]") {
  MosquittoSub subscriber(daemon.port(), {"queue"}, {"-q", "2", "-c", "-i", "subscriber"});
  RawClient first = client(persistent("writer", true));
  const PublishSent publish{.topic = "queue", .payload = "once", .qos = 2, .packet_id = 7};
  first.send(encode(publish));
  REQUIRE(first.wait_for(PacketType::kPubrec));
  CHECK(subscriber.next() == "2 0 queue once");
  first.close();
  daemon.restart();
  RawClient second(daemon.port());
  CHECK(second.connect(persistent("writer")).session_present);
  PublishSent again = publish;
  again.dup = true;
  second.send(encode(again));
  REQUIRE(second.wait_for(PacketType::kPubrec));
  second.send(encode_ack(PacketType::kPubrel, 7));
  REQUIRE(second.wait_for(PacketType::kPubcomp));
  CHECK(second.publish({.topic = "queue", .payload = "another", .qos = 2}) == 0);
  MosquittoSub later(daemon.port(), {"queue"}, {"-q", "2", "-c", "-i", "subscriber"});
  CHECK(later.next() == "2 0 queue another");
}

TEST_CASE_METHOD(Node, "an identifier is free again once its publish is acknowledged",
                 "[e2e][MQTT-4.3.2-5][MQTT-4.3.3-12]") {
  const unsigned qos = GENERATE(1U, 2U);
  MosquittoSub subscriber(daemon.port(), {"queue"}, {"-q", "1"});
  RawClient writer = client({.client_id = "writer"});
  (void)writer.publish({.topic = "queue", .payload = "one", .qos = qos, .packet_id = 7});
  (void)writer.publish({.topic = "queue", .payload = "two", .qos = qos, .packet_id = 7, .dup = true});
  CHECK(subscriber.next() == "1 0 queue one");
  CHECK(subscriber.next() == "1 0 queue two");
}

TEST_CASE_METHOD(Node, "what was begun is completed after the filter is gone", "[e2e][MQTT-3.10.4-3]") {
  const unsigned qos = GENERATE(1U, 2U);
  RawClient reader = client(persistent("reader", true));
  reader.subscribe({{"queue", qos}});
  mosquitto_pub(daemon.port(), "queue", "begun", {"-q", "2"});
  const auto message = reader.wait_for(PacketType::kPublish);
  REQUIRE(message);
  reader.send(encode_unsubscribe(99, {"queue"}));
  REQUIRE(reader.wait_for(PacketType::kUnsuback));
  reader.close();
  RawClient back = client(persistent("reader"));
  const auto again = back.next_message();
  REQUIRE(again);
  CHECK(again->packet_id == message->packet_id);
  CHECK(again->payload == "begun");
}

TEST_CASE_METHOD(Node, "an exchange that was begun is completed although the message expires",
                 "[e2e][MQTT-4.3.3-7][MQTT-4.3.3-13]") {
  RawClient reader = client(persistent("reader", true));
  reader.subscribe({{"queue", 2}});
  RawClient writer = client({.client_id = "writer"});
  (void)writer.publish(
      {.topic = "queue", .payload = "brief", .qos = 2, .properties = property(kMessageExpiry, u32(1))});
  const auto message = reader.wait_for(PacketType::kPublish);
  REQUIRE(message);
  CHECK_FALSE(reader.wait_for(PacketType::kPubrel, milliseconds{2200}));
  reader.send(encode_ack(PacketType::kPubrec, message->packet_id));
  const auto release = reader.wait_for(PacketType::kPubrel);
  REQUIRE(release);
  CHECK(release->code() == 0);
}

TEST_CASE_METHOD(Node, "a release of an unknown identifier is answered so", "[e2e][MQTT-4.3.3-11]") {
  RawClient raw = client({.client_id = "raw"});
  raw.send(encode_ack(PacketType::kPubrel, 99));
  const auto answer = raw.wait_for(PacketType::kPubcomp);
  REQUIRE(answer);
  CHECK(answer->packet_id == 99);
  CHECK(answer->code() == 0x92);
}

TEST_CASE_METHOD(Node, "no more than the client's Receive Maximum is under way", "[e2e][MQTT-3.3.4-9][MQTT-4.9.0-2]") {
  RawClient raw = client({.client_id = "raw", .properties = property(kReceiveMaximum, u16(2))});
  raw.subscribe({{"queue", 1}});
  for (int i = 0; i < 5; ++i) mosquitto_pub(daemon.port(), "queue", std::to_string(i), {"-q", "1"});
  const auto first = raw.wait_for(PacketType::kPublish);
  const auto second = raw.wait_for(PacketType::kPublish);
  REQUIRE((first && second));
  CHECK_FALSE(raw.wait_for(PacketType::kPublish, milliseconds{300}));
  raw.send(encode_pingreq());  // other packets go on [MQTT-4.9.0-3]
  CHECK(raw.wait_for(PacketType::kPingresp));
  raw.send(encode_ack(PacketType::kPuback, first->packet_id));
  CHECK(raw.wait_for(PacketType::kPublish));
}

TEST_CASE_METHOD(Node, "a session ends when its expiry is over, and not before", "[e2e][MQTT-4.1.0-2][MQTT-3.1.2-23]") {
  RawClient first = client({.client_id = "short", .properties = session_expiry(1)});
  first.close();
  RawClient second(daemon.port());
  CHECK(second.connect({.client_id = "short", .clean_start = false, .properties = session_expiry(1)}).session_present);
  second.close();
  const auto deadline = steady_clock::now() + seconds{20};
  bool present = true;
  // Each look prolongs it, so look after ever longer pauses on an event that does not come.
  RawClient clock = client({.client_id = "clock"});
  for (auto pause = milliseconds{1500}; present && steady_clock::now() < deadline; pause *= 2) {
    (void)clock.next(pause);
    RawClient third(daemon.port());
    present =
        third.connect({.client_id = "short", .clean_start = false, .properties = session_expiry(1)}).session_present;
  }
  CHECK_FALSE(present);
}

TEST_CASE_METHOD(Node, "a goodbye may change how long the session lives", "[e2e][MQTT-3.14.2-2]") {
  RawClient first = client(persistent("changing", true));
  first.disconnect(concat(u8(0), with_length(session_expiry(0))));
  RawClient second(daemon.port());
  CHECK_FALSE(second.connect(persistent("changing")).session_present);
}

TEST_CASE_METHOD(Node, "a goodbye cannot give life to a session that had none", "[e2e]") {
  RawClient first = client({.client_id = "brief"});
  first.send(encode_disconnect(concat(u8(0), with_length(session_expiry(60)))));
  const auto answer = first.wait_for(PacketType::kDisconnect);
  REQUIRE(answer);
  CHECK(answer->code() == 0x82);
}

TEST_CASE_METHOD(Node, "what is left of the expiry goes out with the message", "[e2e][MQTT-3.3.2-6]") {
  RawClient reader = client(persistent("reader", true));
  reader.subscribe({{"command", 1}});
  reader.close();
  RawClient writer = client({.client_id = "writer"});
  CHECK(writer.publish(
            {.topic = "command", .payload = "open", .qos = 1, .properties = property(kMessageExpiry, u32(50))}) < 0x80);
  (void)writer.next(milliseconds{1200});
  RawClient back(daemon.port());
  back.connect(persistent("reader"));
  const auto message = back.next_message();
  REQUIRE(message);
  CHECK(message->properties.number(kMessageExpiry) <= 49);
  CHECK(message->properties.number(kMessageExpiry) >= 40);
}

TEST_CASE_METHOD(Node, "an expired message is not delivered", "[e2e][MQTT-3.3.2-5]") {
  RawClient reader = client(persistent("reader", true));
  reader.subscribe({{"command", 1}});
  reader.close();
  RawClient writer = client({.client_id = "writer"});
  (void)writer.publish(
      {.topic = "command", .payload = "late", .qos = 1, .properties = property(kMessageExpiry, u32(1))});
  (void)writer.publish({.topic = "command", .payload = "lasting", .qos = 1});
  (void)writer.next(milliseconds{2200});
  RawClient back(daemon.port());
  back.connect(persistent("reader"));
  const auto message = back.next_message();
  REQUIRE(message);
  CHECK(message->payload == "lasting");
}

TEST_CASE_METHOD(Node, "an expired retained message is not sent", "[e2e][MQTT-3.3.2-5]") {
  RawClient writer = client({.client_id = "writer"});
  (void)writer.publish(
      {.topic = "cell/a", .payload = "late", .qos = 1, .retain = true, .properties = property(kMessageExpiry, u32(1))});
  (void)writer.publish({.topic = "cell/b", .payload = "lasting", .qos = 1, .retain = true});
  (void)writer.next(milliseconds{2200});
  MosquittoSub late(daemon.port(), {"cell/#"}, {"-q", "1"});
  CHECK(late.next() == "1 1 cell/b lasting");
}

TEST_CASE_METHOD(Node, "a newer connection of the same client takes the session over", "[e2e][MQTT-3.1.4-3]") {
  RawClient old = client(persistent("twin", true));
  old.subscribe({{"queue", 1}});
  RawClient young(daemon.port());
  CHECK(young.connect(persistent("twin")).session_present);
  const auto goodbye = old.wait_for(PacketType::kDisconnect);
  REQUIRE(goodbye);
  CHECK(goodbye->code() == 0x8E);
  CHECK(old.closed_within());
  mosquitto_pub(daemon.port(), "queue", "for the young", {"-q", "1"});
  const auto message = young.next_message();
  REQUIRE(message);
  CHECK(message->payload == "for the young");
}

TEST_CASE("a session that missed 100,000 messages costs no memory, and gets them in order", "[e2e][slow][G6]") {
  constexpr int kCount = 100'000;
  Daemon daemon({});
  daemon.start();
  RawClient reader(daemon.port());
  reader.connect(persistent("reader", true));
  reader.subscribe({{"queue", 1}});
  reader.close();
  RawClient writer(daemon.port());
  writer.connect({.client_id = "writer"});
  // SQLite's page caches fill with the first 30,000 messages. A copy of each of the other 70,000 would take more than
  // the 4 MiB that are allowed: at least 100 bytes with its containers.
  constexpr int kCachesAreFull = 30'000;
  constexpr std::uint64_t kAllowedKib = 4096;
  std::uint64_t before = 0;
  constexpr int kWindow = 500;
  for (int from = 0; from < kCount; from += kWindow) {
    if (from == kCachesAreFull) before = daemon.resident_kib();
    Bytes many;
    for (int i = from; i < from + kWindow; ++i) {
      append(many, encode(PublishSent{.topic = "queue",
                                      .payload = std::to_string(i),
                                      .qos = 1,
                                      .packet_id = static_cast<unsigned>(i % 60'000) + 1}));
    }
    REQUIRE(writer.send(many));
    for (int i = 0; i < kWindow; ++i) REQUIRE(writer.wait_for(PacketType::kPuback));
  }
  CHECK(daemon.resident_kib() < before + kAllowedKib);
  RawClient back(daemon.port());
  CHECK(back.connect(persistent("reader")).session_present);
  int next = 0;
  while (next < kCount) {
    const auto message = back.next_message();
    REQUIRE(message);
    REQUIRE(message->payload == std::to_string(next));
    next += 1;
  }
  CHECK(daemon.resident_kib() < before + kAllowedKib);
}

}  // namespace hedgerow::test
