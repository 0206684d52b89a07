#include <catch2/catch_test_macros.hpp>
#include <map>
#include <string>

#include "daemon/mqtt/limits.hpp"
#include "daemon/mqtt/topic_aliases.hpp"
#include "tests/support/seeded_random.hpp"
#include "tests/unit/mqtt/harness.hpp"

using namespace hedgerow;
using namespace hedgerow::mqtt;
using test::property;

namespace {

Bytes with_alias(std::string_view topic, unsigned alias, unsigned qos = 0) {
  return test::encode(test::PublishSent{.topic = std::string(topic),
                                        .qos = qos,
                                        .packet_id = qos > 0 ? 1U : 0U,
                                        .properties = property(0x23, test::u16(alias))});
}

// The code of the DISCONNECT that ended the connection.
unsigned ended_with(Client& client) {
  const auto packets = client.received();
  REQUIRE(packets.size() == 1);
  REQUIRE(packets[0].type == PacketType::kDisconnect);
  CHECK(client.connection.closing());
  return packets[0].body.at(0);
}

Bytes allows_aliases(unsigned maximum) { return property(0x22, test::u16(maximum)); }

std::string publish_to(Client& client, std::string_view topic) {
  REQUIRE(client.connection.publish({.topic = topic}) == PublishOutcome::kSent);
  return to_hex(client.received().at(0).body);
}

std::string body(std::string_view topic, const Bytes& properties) {
  return to_hex(test::concat(test::text(topic), test::with_length(properties)));
}

}  // namespace

TEST_CASE("an alias stands for its topic from then on", "[mqtt][MQTT-3.3.2-12]") {
  Client client{Protocol::kV5};
  client.send(with_alias("a/long/topic", 1));
  client.send(with_alias("", 1));
  client.send(with_alias("", 1));
  CHECK(client.lines() == Lines{"publish a/long/topic=", "publish a/long/topic=", "publish a/long/topic="});
}

TEST_CASE("an alias is not handed on with the message", "[mqtt][MQTT-3.3.2-7]") {
  Client client{Protocol::kV5};
  client.send(test::encode(
      test::PublishSent{.properties = test::concat(property(0x23, test::u16(1)), test::user_property("k", "v"))}));
  CHECK(client.lines() == Lines{"publish a= properties " + to_hex(test::user_property("k", "v"))});
}

TEST_CASE("an alias can be given another topic", "[mqtt][MQTT-3.3.2-12]") {
  Client client{Protocol::kV5};
  client.send(with_alias("first", 1));
  client.send(with_alias("second", 1));
  client.send(with_alias("", 1));
  CHECK(client.lines().back() == "publish second=");
}

TEST_CASE("every alias up to the announced maximum is accepted", "[mqtt][MQTT-3.3.2-12][MQTT-3.2.2-18]") {
  Client client{Protocol::kV5, ConnectionLimits{.topic_alias_maximum = 5}};
  for (unsigned alias = 1; alias <= 5; ++alias) client.send(with_alias("t" + std::to_string(alias), alias));
  for (unsigned alias = 1; alias <= 5; ++alias) client.send(with_alias("", alias));
  CHECK(client.lines().size() == 10);
  CHECK(client.lines().back() == "publish t5=");
}

TEST_CASE("alias 0 is invalid", "[mqtt][MQTT-3.3.2-8]") {
  Client client{Protocol::kV5};
  client.send(with_alias("a", 0));
  CHECK(ended_with(client) == 0x94);
}

TEST_CASE("an alias above the announced maximum is invalid", "[mqtt][MQTT-3.3.2-9][MQTT-3.2.2-17]") {
  Client client{Protocol::kV5, ConnectionLimits{.topic_alias_maximum = 5}};
  client.send(with_alias("a", 6));
  CHECK(ended_with(client) == 0x94);
}

TEST_CASE("without an announced maximum every alias is invalid", "[mqtt][MQTT-3.2.2-18]") {
  Client client{Protocol::kV5, ConnectionLimits{.topic_alias_maximum = 0}};
  client.send(with_alias("a", 1));
  CHECK(ended_with(client) == 0x94);
}

TEST_CASE("an alias that was not set is a protocol error", "[mqtt][MQTT-3.3.2-12]") {
  Client client{Protocol::kV5};
  client.send(with_alias("a", 1));
  client.send(with_alias("", 2));
  CHECK(ended_with(client) == 0x82);
}

TEST_CASE("aliases end with their connection", "[mqtt][MQTT-3.3.2-7]") {
  Client{Protocol::kV5}.send(with_alias("a", 1));
  Client again{Protocol::kV5};
  again.send(with_alias("", 1));
  CHECK(ended_with(again) == 0x82);
}

TEST_CASE("the topics behind a client's aliases are bounded", "[mqtt][G6]") {
  Client client{Protocol::kV5};
  const std::string half(kTopicAliasBytesMax / 2, 'x');
  client.send(with_alias(half, 1));
  client.send(with_alias(half, 2));
  client.send(with_alias(half, 1));  // no more than before
  CHECK_FALSE(client.connection.closing());
  client.send(with_alias("one more", 3));
  CHECK(ended_with(client) == 0x97);
}

TEST_CASE("3.1.1 knows no aliases", "[mqtt]") {
  Client client{Protocol::kV311};
  CHECK(client.connection.publish({.topic = "a/long/topic"}) == PublishOutcome::kSent);
  CHECK(client.connection.publish({.topic = "a/long/topic"}) == PublishOutcome::kSent);
  const auto packets = client.received();
  CHECK(packets.at(0) == packets.at(1));
}

TEST_CASE("a client that allows aliases is sent each topic once", "[mqtt][MQTT-3.1.2-26]") {
  Client client{allows_aliases(2)};
  CHECK(publish_to(client, "first/topic") == body("first/topic", property(0x23, test::u16(1))));
  CHECK(publish_to(client, "second/topic") == body("second/topic", property(0x23, test::u16(2))));
  CHECK(publish_to(client, "first/topic") == body("", property(0x23, test::u16(1))));
  CHECK(publish_to(client, "second/topic") == body("", property(0x23, test::u16(2))));
}

TEST_CASE("a client that allows no aliases is sent none", "[mqtt][MQTT-3.1.2-27][MQTT-3.3.2-11]") {
  Client silent{Protocol::kV5};
  Client zero{allows_aliases(0)};
  for (Client* client : {&silent, &zero}) {
    CHECK(publish_to(*client, "a/long/topic") == body("a/long/topic", {}));
    CHECK(publish_to(*client, "a/long/topic") == body("a/long/topic", {}));
  }
}

TEST_CASE("an alias never exceeds what the client allows", "[mqtt][MQTT-3.1.2-26][MQTT-3.3.2-11]") {
  OutboundAliases aliases{3};
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 10; ++i) {
      const std::string topic = "topic/" + std::to_string(i);
      for (int twice = 0; twice < 2; ++twice) {
        const auto choice = aliases.choose(topic);
        CHECK(choice.alias <= 3);
        aliases.remember(choice, topic);
      }
    }
  }
}

TEST_CASE("a connection sends no alias above what its client allows, and never 0",
          "[mqtt][MQTT-3.1.2-26][MQTT-3.3.2-8][MQTT-3.3.2-11]") {
  Client client{allows_aliases(2)};
  std::size_t without_name = 0;
  for (int i = 0; i < 60; ++i) {
    const std::string topic = "a/long/topic/" + std::to_string(i % 5);
    const std::string sent = publish_to(client, topic);
    const bool allowed = sent == body(topic, {}) || sent == body(topic, property(0x23, test::u16(1))) ||
                         sent == body(topic, property(0x23, test::u16(2)));
    const bool known = sent == body("", property(0x23, test::u16(1))) || sent == body("", property(0x23, test::u16(2)));
    CHECK((allowed || known));
    without_name += known ? 1U : 0U;
  }
  CHECK(without_name > 0);
}

TEST_CASE("a topic no longer than an alias keeps its name", "[mqtt]") {
  OutboundAliases aliases{3};
  CHECK(aliases.choose("abc").alias == 0);
  CHECK(aliases.choose("abcd").alias == 1);
}

TEST_CASE("a topic that was not used for longest makes room", "[mqtt]") {
  OutboundAliases aliases{2};
  for (const std::string topic : {"first", "second", "first", "third"}) aliases.remember(aliases.choose(topic), topic);
  const auto again = aliases.choose("third");  // seen twice: it is worth an alias
  CHECK(again.alias == 2);
  CHECK_FALSE(again.is_known);
  aliases.remember(again, "third");
  CHECK(aliases.choose("third").is_known);
  CHECK(aliases.choose("first").is_known);
}

TEST_CASE("many topics in turn cost no bytes for aliases", "[mqtt]") {
  OutboundAliases aliases{2};
  std::size_t chosen = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::string topic = "topic/" + std::to_string(i);
    const auto choice = aliases.choose(topic);
    aliases.remember(choice, topic);
    chosen += choice.alias > 0 ? 1U : 0U;
  }
  CHECK(chosen == 2);
}

TEST_CASE("a publish that fits only without setting an alias is sent without", "[mqtt][MQTT-3.1.2-24]") {
  Client client{test::concat(allows_aliases(1), property(0x27, test::u32(40)))};
  const Bytes payload(40 - 2 - 2 - 6 - 1);
  REQUIRE(client.connection.publish({.topic = "abcdef", .payload = payload}) == PublishOutcome::kSent);
  CHECK(client.received().at(0).body.size() == 38);
  CHECK(publish_to(client, "abcdef") == body("abcdef", property(0x23, test::u16(1))));
  // Known to the client, the alias makes room for more.
  const Bytes longer(payload.size() + 3);
  CHECK(client.connection.publish({.topic = "abcdef", .payload = longer}) == PublishOutcome::kSent);
}

TEST_CASE("what a client resolves is what was meant, whatever the topics", "[mqtt]") {
  const std::uint64_t seed = test::pick_seed("outbound aliases");
  CAPTURE(seed);
  test::SeededRandom random{seed};
  OutboundAliases aliases{8};
  std::map<std::uint16_t, std::string> at_client;
  bool agrees = true;
  for (int step = 0; step < 20'000 && agrees; ++step) {
    std::string topic = "t/" + std::to_string(random.below(30));
    if (random.one_in(20)) topic.append(random.below(3 * kTopicAliasOutBytesMax / 4), 'x');
    const auto choice = aliases.choose(topic);
    if (choice.is_known) agrees = at_client.at(choice.alias) == topic;
    if (random.one_in(10)) continue;  // it was not sent
    if (choice.alias > 0 && !choice.is_known) at_client[choice.alias] = topic;
    aliases.remember(choice, topic);
    agrees = agrees && choice.alias <= 8;
  }
  CHECK(agrees);
}
