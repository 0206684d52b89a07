// What a bridge of 3.1.1 publishes beyond the packet limit: skipped, and acknowledged.
#include <catch2/catch_test_macros.hpp>
#include <string>

#include "tests/unit/mqtt/harness.hpp"

using namespace hedgerow;
using namespace hedgerow::mqtt;
using test::concat;

namespace {

constexpr std::uint32_t kPacketBytesMax = 100;

struct Bridge : Client {
  Bridge() : Client(ConnectionLimits{.packet_bytes_max = kPacketBytesMax, .receive_maximum = 2}) {
    send(test::encode(test::ConnectOut{.protocol = Protocol::kV311, .level = 0x84U}));
    received();
    handler.lines.clear();
  }
};

Bytes publish(unsigned qos, std::size_t payload_bytes, const std::string& topic = "a/b") {
  return test::encode(test::PublishSent{.protocol = Protocol::kV311,
                                        .topic = topic,
                                        .payload = std::string(payload_bytes, '\x30'),
                                        .qos = qos,
                                        .packet_id = qos > 0 ? 7U : 0U});
}

const Bytes kNext = publish(0, 1, "next");

}  // namespace

TEST_CASE("a bridge's publish that is too large is skipped, wherever it is cut", "[mqtt][V311-4.3.2-2][G6]") {
  const Bytes all = concat(kNext, publish(1, 300), kNext);
  for (std::size_t first = 0; first <= all.size(); ++first) {
    for (const std::size_t second : {first, (first + all.size()) / 2}) {
      Bridge bridge;
      bridge.send({all.begin(), all.begin() + static_cast<std::ptrdiff_t>(first)});
      bridge.send(
          {all.begin() + static_cast<std::ptrdiff_t>(first), all.begin() + static_cast<std::ptrdiff_t>(second)});
      bridge.send({all.begin() + static_cast<std::ptrdiff_t>(second), all.end()});
      CHECK(bridge.lines() == Lines{"publish next=0", "skipped a/b id 7", "publish next=0"});
      CHECK(hex(bridge.received()) == Lines{"PUBACK 0007"});
      CHECK(bridge.connection.packets_in() == 4);
    }
  }
}

TEST_CASE("a skipped publish comes byte by byte, and holds no more than its name", "[mqtt][G6]") {
  Bridge bridge;
  for (const std::uint8_t byte : publish(2, 100'000)) {
    bridge.send({byte});
    REQUIRE(bridge.connection.unfinished_bytes() < 64);
  }
  CHECK(bridge.lines() == Lines{"skipped a/b once 7"});
  CHECK(hex(bridge.received()) == Lines{"PUBREC 0007"});
  CHECK(bridge.connection.unfinished_bytes() == 0);
}

TEST_CASE("a skipped publish of QoS 0 is told, and needs no answer", "[mqtt]") {
  Bridge bridge;
  bridge.send(publish(0, 300));
  CHECK(bridge.lines() == Lines{"skipped a/b"});
  CHECK(bridge.received().empty());
}

TEST_CASE("a bridge that must wait in the middle of what is skipped goes on there", "[mqtt]") {
  const Bytes packet = concat(publish(1, 300), kNext);
  for (std::size_t at = 0; at <= packet.size(); ++at) {
    Bridge bridge;
    bridge.send({packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(at)});
    bridge.connection.hold_input(true);
    bridge.send({packet.begin() + static_cast<std::ptrdiff_t>(at), packet.end()});
    bridge.connection.hold_input(false);
    bridge.connection.resume(bridge.now);
    bridge.send(kNext);
    CHECK(bridge.lines() == Lines{"skipped a/b id 7", "publish next=0", "publish next=0"});
  }
}

TEST_CASE("what is skipped counts among those that wait for an answer", "[mqtt]") {
  Bridge bridge;
  bridge.handler.acknowledges = false;
  bridge.send(concat(publish(1, 300), publish(1, 300), kNext));
  CHECK(bridge.lines() == Lines{"skipped a/b id 7", "skipped a/b id 7"});
  CHECK_FALSE(bridge.connection.wants_input());
  bridge.connection.puback(7, ReasonCode::kSuccess);
  bridge.connection.resume(bridge.now);
  CHECK(bridge.lines().back() == "publish next=0");
}

TEST_CASE("a skipped publish keeps to the rules that can be seen", "[mqtt][V311-2.3.1-1][V311-4.7.1-1]") {
  Bytes no_identifier = publish(1, 300);
  no_identifier[3 + 2 + 3 + 1] = 0;
  Bytes wildcard = publish(1, 300, "a/+");
  Bytes long_topic = publish(1, 300);  // longer than the packet
  long_topic[3] = 0xFF;
  for (const Bytes& wrong : {no_identifier, wildcard, long_topic, publish(3, 300)}) {
    Bridge bridge;
    bridge.send(wrong);
    CHECK(bridge.connection.closing());
    REQUIRE(bridge.lines().size() == 1);
    CHECK(bridge.lines()[0].starts_with("closed"));
  }
}

TEST_CASE("what is held of a skipped publish keeps to the packet limit", "[mqtt][G6]") {
  Bridge bridge;
  const Bytes packet = publish(1, 300, std::string(kPacketBytesMax, 't'));
  for (std::size_t i = 0; i < 5 && !bridge.connection.closing(); ++i) bridge.send({packet[i]});
  CHECK(bridge.lines() == Lines{"closed 95"});
}

TEST_CASE("nobody but a bridge of 3.1.1 has a publish skipped", "[mqtt][MQTT-3.2.2-15]") {
  for (const Protocol protocol : {Protocol::kV311, Protocol::kV5}) {
    Client client{protocol, {.packet_bytes_max = kPacketBytesMax}};
    client.send(publish(1, 300));
    CHECK(client.lines() == Lines{"closed 95"});
  }
  Bridge bridge;
  bridge.send(test::packet(PacketType::kSubscribe, 2, Bytes(300)));
  CHECK(bridge.lines() == Lines{"closed 95"});
}
