// What a well-behaved client sees. Broken rules: test_connection_errors.cpp.
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <string>

#include "daemon/mqtt/connection.hpp"
#include "tests/unit/mqtt/harness.hpp"

using namespace hedgerow;
using namespace hedgerow::mqtt;
using namespace std::chrono_literals;
using test::concat;
using test::property;

namespace {

Bytes publish_v311(unsigned packet_id) {
  return test::encode(test::PublishSent{.protocol = Protocol::kV311, .qos = 1, .packet_id = packet_id});
}

}  // namespace

TEST_CASE("a CONNECT of 3.1.1 is accepted", "[mqtt][V311-3.1.4-4]") {
  Client client;
  client.handler.connack.session_present = true;
  client.send(test::encode(
      test::ConnectOut{.protocol = Protocol::kV311, .clean_start = false, .username = "me", .password = "secret"}));
  CHECK(client.lines() == Lines{"connect client expiry 4294967295", "username me", "password secret"});
  CHECK(hex(client.received()) == Lines{"CONNACK 0100"});
  CHECK(client.connection.protocol() == Protocol::kV311);
}

TEST_CASE("a CONNECT of 5.0 tells what the client accepts", "[mqtt]") {
  Client client;
  client.send(test::encode(
      test::ConnectOut{.properties = concat(property(0x11, test::u32(60)), property(0x21, test::u16(5)),
                                            property(0x27, test::u32(1000)), property(0x22, test::u16(9)))}));
  CHECK(client.lines() == Lines{"connect client expiry 60"});
  CHECK(client.connection.client_receive_maximum() == 5);
  CHECK(client.connection.client_packet_bytes_max() == 1000);
}

TEST_CASE("a password without a user name is allowed in 5.0", "[mqtt][MQTT-3.1.2-19]") {
  Client client;
  client.send(test::encode(test::ConnectOut{.password = "token"}));
  CHECK(client.lines() == Lines{"connect client expiry 0", "password token"});
}

TEST_CASE("a client without an identifier is told the one it was given", "[mqtt]") {
  Client client;
  client.handler.connack.assigned_client_id = "auto-1";
  client.send(test::encode(test::ConnectOut{.client_id = ""}));
  const auto packets = client.received();
  REQUIRE(packets.size() == 1);
  CHECK(to_hex(packets[0].body).find("120006" + to_hex(as_bytes("auto-1"))) != std::string::npos);
}

TEST_CASE("packets behind CONNECT wait for the verdict", "[mqtt][MQTT-3.1.4-6]") {
  Client client;
  client.handler.accepts = false;
  client.send(concat(test::encode(test::ConnectOut{}), test::encode_pingreq()));
  CHECK_FALSE(client.connection.wants_input());
  client.connection.resume(client.now);
  client.send(test::encode_pingreq());
  CHECK(client.received().empty());
  client.connection.accept({});
  CHECK(client.connection.wants_input());
  client.connection.resume(client.now);
  CHECK(client.received().size() == 3);
}

TEST_CASE("packets behind a refused CONNECT are never handled", "[mqtt][MQTT-3.1.4-6]") {
  Client client;
  client.handler.accepts = false;
  client.send(concat(test::encode(test::ConnectOut{}), test::encode(test::PublishSent{})));
  client.connection.refuse(ReasonCode::kNotAuthorized, "who are you");
  client.connection.resume(client.now);
  CHECK(client.lines() == Lines{"connect client expiry 0"});
  CHECK(client.connection.closing());
  CHECK(client.connection.held_bytes() == 0);
  CHECK(client.received().size() == 1);
}

TEST_CASE("a publish reaches the handler with everything that was said", "[mqtt][MQTT-3.3.4-1]") {
  Client client{Protocol::kV5};
  const Bytes user = test::user_property("k", "v");
  client.send(test::encode(test::PublishSent{.topic = "a/b",
                                             .payload = "42",
                                             .qos = 1,
                                             .packet_id = 5,
                                             .retain = true,
                                             .dup = true,
                                             .properties = concat(property(0x02, test::u32(60)), user)}));
  CHECK(client.lines() == Lines{"publish a/b=42 id 5 retain dup expiry 60 properties " + to_hex(user)});
  CHECK(hex(client.received()) == Lines{"PUBACK 0005"});
}

TEST_CASE("a PINGREQ is answered", "[mqtt][MQTT-3.12.4-1][V311-3.12.4-1]") {
  Client client{Protocol::kV311};
  client.send(test::encode_pingreq());
  CHECK(hex(client.received()) == Lines{"PINGRESP "});
}

TEST_CASE("SUBSCRIBE and UNSUBSCRIBE are answered filter by filter", "[mqtt][MQTT-3.8.4-6]") {
  Client client{Protocol::kV5};
  client.send(test::encode_subscribe(1, {{"a", 0}, {"b/#", 2}, {"$share/g/a", 1}}));
  client.send(test::encode_unsubscribe(2, {"a", "b/#"}));
  CHECK(client.lines() == Lines{"subscribe 1 a b/# $share/g/a", "unsubscribe 2 a b/#"});
  CHECK(hex(client.received()) == Lines{"SUBACK 000100"
                                        "000201",
                                        "UNSUBACK 000200"
                                        "0000"});
}

TEST_CASE("the code in SUBACK is the QoS that was granted", "[mqtt][MQTT-3.8.4-7]") {
  Client client{Protocol::kV5, ConnectionLimits{.maximum_qos = QoS::kAtLeastOnce}};
  client.send(test::encode_subscribe(1, {{"a", 2}, {"b", 1}, {"c", 0}}));
  CHECK(hex(client.received()) == Lines{"SUBACK 000100010100"});
}

TEST_CASE("a refused filter is 0x80 in 3.1.1", "[mqtt][V311-3.9.3-2]") {
  Client client{Protocol::kV311};
  client.send(test::encode_subscribe(1, {{std::string(kTopicLevelsMax, '/'), 1}, {"a", 2}}, Protocol::kV311));
  CHECK(hex(client.received()) == Lines{"SUBACK 0001"
                                        "8002"});
}

TEST_CASE("a delivery is sent, and its PUBACK noted", "[mqtt][MQTT-4.3.2-2]") {
  Client client{Protocol::kV5};
  CHECK(client.connection.publish({.topic = "a", .payload = as_bytes("x"), .qos = QoS::kAtLeastOnce, .packet_id = 3}) ==
        PublishOutcome::kSent);
  CHECK(hex(client.received()) == Lines{"PUBLISH 000161"
                                        "0003"
                                        "00"
                                        "78"});
  client.send(test::encode_puback(3));
  CHECK(client.lines() == Lines{"puback 3"});
}

TEST_CASE("a delivery above the client's maximum packet size is not sent", "[mqtt][MQTT-3.1.2-24][MQTT-3.1.2-25]") {
  Client client;
  client.send(test::encode(test::ConnectOut{.properties = property(0x27, test::u32(40))}));
  client.received();
  const Bytes payload(40);
  CHECK(client.connection.publish({.topic = "a", .payload = payload}) == PublishOutcome::kTooLarge);
  CHECK(client.received().empty());
}

TEST_CASE("a closing connection sends nothing and keeps nothing from its session", "[mqtt][MQTT-3.14.4-1]") {
  Client client{Protocol::kV5};
  client.connection.disconnect(ReasonCode::kSessionTakenOver);
  CHECK(hex(client.received()) == Lines{"DISCONNECT 8e"});
  CHECK(client.connection.publish({.topic = "a"}) == PublishOutcome::kClosing);
  client.connection.puback(1, ReasonCode::kSuccess);
  client.send(test::encode_pingreq());
  CHECK(client.received().empty());
  CHECK(client.lines().empty());
}

TEST_CASE("a DISCONNECT closes and may set the session's expiry", "[mqtt][MQTT-3.14.4-2]") {
  Client client;
  client.send(test::encode(test::ConnectOut{.properties = property(0x11, test::u32(60))}));
  client.received();
  client.send(test::encode_disconnect(concat(test::u8(0), test::with_length(property(0x11, test::u32(5))))));
  CHECK(client.lines().back() == "disconnected 00");
  CHECK(client.handler.last_closed.session_expiry_s == 5);
  CHECK(client.connection.closing());
  CHECK(client.received().empty());
}

TEST_CASE("a client that is silent for one and a half keep alive intervals is closed", "[mqtt][MQTT-3.1.2-22]") {
  Client client;
  client.send(test::encode(test::ConnectOut{.keep_alive_s = 10}));
  client.received();
  client.wait(10s);
  client.send(test::encode_pingreq());
  client.received();
  CHECK(client.connection.next_deadline() == client.now + 15s);
  client.wait(15s - 1ns);
  CHECK_FALSE(client.connection.closing());
  client.wait(1ns);
  CHECK(client.lines().back() == "closed 8d");
  CHECK(client.received().at(0).body.at(0) == 0x8D);
}

TEST_CASE("keep alive 0 waits forever", "[mqtt][MQTT-3.1.2-22]") {
  Client client{Protocol::kV311};
  CHECK(client.connection.next_deadline() == Instant::max());
  client.wait(1000h);
  CHECK_FALSE(client.connection.closing());
}

TEST_CASE("a cap on keep alive is announced to 5.0 and kept", "[mqtt][MQTT-3.2.2-21]") {
  Client client{ConnectionLimits{.keep_alive_max_s = 60}};
  client.send(test::encode(test::ConnectOut{}));
  CHECK(to_hex(client.received().at(0).body).find("13003c") != std::string::npos);
  CHECK(client.connection.next_deadline() == client.now + 90s);
}

TEST_CASE("a connection without a CONNECT is closed in time", "[mqtt][G6]") {
  Client client;
  CHECK(client.connection.next_deadline() == client.now + kConnectTimeoutDefault);
  client.send(Bytes{0x10});
  client.wait(kConnectTimeoutDefault);
  CHECK(client.lines() == Lines{"closed 8d"});
  CHECK(client.connection.closing());
  CHECK(client.received().empty());
}

TEST_CASE("waiting for our verdict is not the client's silence", "[mqtt]") {
  Client client;
  client.handler.accepts = false;
  client.send(test::encode(test::ConnectOut{.keep_alive_s = 1}));
  client.wait(60s);
  client.connection.accept({});
  client.wait(1s);
  CHECK_FALSE(client.connection.closing());
  CHECK(client.connection.next_deadline() == client.now + 1500ms);
}

TEST_CASE("a client that the owner holds waits, and is not taken for silent", "[mqtt][G6]") {
  Client client;
  client.send(test::encode(test::ConnectOut{.keep_alive_s = 1}));
  client.received();
  client.connection.hold_input(true);
  client.send(test::encode_pingreq());
  CHECK(client.received().empty());
  client.now += 60s;
  client.connection.hold_input(false);
  client.wait(0s);
  CHECK_FALSE(client.connection.closing());
  client.connection.resume(client.now);
  CHECK(hex(client.received()) == Lines{"PINGRESP "});
  client.wait(1500ms);
  CHECK(client.connection.closing());
}

TEST_CASE("the time for CONNECT begins anew when the owner held it", "[mqtt][G6]") {
  Client client;
  client.connection.hold_input(true);
  client.wait(kConnectTimeoutDefault);
  CHECK_FALSE(client.connection.closing());
  client.connection.hold_input(false);
  client.connection.resume(client.now);
  client.wait(kConnectTimeoutDefault);
  CHECK(client.connection.closing());
}

TEST_CASE("3.1.1 is made to wait at the receive maximum, and goes on with each PUBACK", "[mqtt][G6]") {
  Client client{Protocol::kV311, ConnectionLimits{.receive_maximum = 2}};
  client.handler.acknowledges = false;
  client.send(concat(publish_v311(1), publish_v311(2), publish_v311(3), publish_v311(4)));
  CHECK(client.lines() == Lines{"publish a= id 1", "publish a= id 2"});
  CHECK(client.connection.unacknowledged() == 2);
  CHECK_FALSE(client.connection.wants_input());
  client.connection.puback(1, ReasonCode::kSuccess);
  client.connection.resume(client.now);
  CHECK(client.lines().back() == "publish a= id 3");
  client.connection.puback(2, ReasonCode::kSuccess);
  client.connection.puback(3, ReasonCode::kSuccess);
  client.connection.resume(client.now);
  CHECK(client.lines().back() == "publish a= id 4");
  CHECK(client.connection.held_bytes() == 0);
}

TEST_CASE("a refused publish closes 3.1.1 and is answered in 5.0", "[mqtt][V311-3.3.5-2][G6]") {
  Client old{Protocol::kV311};
  old.handler.acknowledges = false;
  old.send(publish_v311(1));
  old.connection.puback(1, ReasonCode::kQuotaExceeded);
  CHECK(old.connection.closing());
  CHECK(old.received().empty());

  Client client{Protocol::kV5};
  client.handler.acknowledges = false;
  client.send(test::encode(test::PublishSent{.qos = 1, .packet_id = 1}));
  client.connection.puback(1, ReasonCode::kQuotaExceeded);
  CHECK(hex(client.received()) == Lines{"PUBACK 000197"});
}

TEST_CASE("nothing is read while the client leaves our answers unread", "[mqtt][G6]") {
  Client client{Protocol::kV5, ConnectionLimits{.output_high_water_bytes = 10}};
  Bytes pings;
  for (int i = 0; i < 100; ++i) append(pings, test::encode_pingreq());
  client.send(pings);
  CHECK(client.connection.output().size() == 10);
  CHECK_FALSE(client.connection.wants_input());
  std::size_t answers = 0;
  while (client.connection.held_bytes() > 0) {
    answers += client.received().size();
    client.connection.resume(client.now);
  }
  CHECK(answers + client.received().size() == 100);
}

TEST_CASE("a client that takes its output slowly is not silent, one that takes none is", "[mqtt][G6]") {
  Client client{ConnectionLimits{.output_high_water_bytes = 100}};
  client.send(test::encode(test::ConnectOut{.keep_alive_s = 10}));
  Bytes& output = client.connection.output();
  for (const std::size_t unsent : {1000U, 900U, 800U, 700U, 600U}) {
    output.resize(unsent);
    client.wait(15s);
  }
  CHECK_FALSE(client.connection.closing());
  client.wait(15s);
  CHECK(client.connection.closing());
}

TEST_CASE("what waits in the network is output too, where nothing is read because of it", "[mqtt][G6]") {
  Client client;
  client.send(test::encode(test::ConnectOut{.keep_alive_s = 10}));
  const auto wait = [&](std::size_t unsent) {
    client.now += 15s;
    client.connection.on_timer(client.now, unsent);
  };
  for (const std::size_t unsent : {1000U, 900U, 800U}) wait(unsent);
  CHECK_FALSE(client.connection.closing());
  wait(800);
  CHECK(client.connection.closing());
}

TEST_CASE("request problem information 0 keeps reason strings away", "[mqtt][MQTT-3.1.2-29]") {
  Client client;
  client.send(test::encode(test::ConnectOut{.properties = property(0x17, test::u8(0))}));
  client.received();
  client.connection.disconnect(ReasonCode::kServerShuttingDown, "maintenance");
  CHECK(hex(client.received()) == Lines{"DISCONNECT 8b"});
}

TEST_CASE("a disconnect tells 5.0 why and just closes 3.1.1", "[mqtt][MQTT-4.13.1-1]") {
  Client client{Protocol::kV5};
  client.connection.disconnect(ReasonCode::kServerShuttingDown, "bye");
  CHECK(client.connection.closing());
  CHECK(hex(client.received()) == Lines{"DISCONNECT 8b"
                                        "06"
                                        "1f0003627965"});
  Client old{Protocol::kV311};
  old.connection.disconnect(ReasonCode::kServerShuttingDown, "bye");
  CHECK(old.received().empty());
  CHECK(old.connection.closing());
}

TEST_CASE("a client may allow packets too small for any CONNACK", "[mqtt][MQTT-3.1.2-24]") {
  Client client;
  client.send(test::encode(test::ConnectOut{.properties = property(0x27, test::u32(2))}));
  CHECK(client.connection.closing());
  CHECK(client.received().empty());
}
