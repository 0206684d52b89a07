// The User Property that an acknowledgement may carry.
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/mqtt/harness.hpp"

using namespace hedgerow;
using namespace hedgerow::mqtt;
using test::concat;
using test::property;

namespace {

constexpr NoteOut kNote{.name = "who", .value = "me"};

Bytes publishes() {
  return concat(test::encode(test::PublishSent{.qos = 1, .packet_id = 1}),
                test::encode(test::PublishSent{.qos = 2, .packet_id = 2}));
}

// What PUBACK 1 and PUBREC 2 look like with the note.
Lines noted(Client& client, const NoteOut& note = kNote) {
  client.handler.acknowledges = false;
  client.send(publishes());
  client.connection.puback(1, ReasonCode::kSuccess, {}, note);
  client.connection.pubrec(2, ReasonCode::kSuccess, {}, note);
  return hex(client.received());
}

}  // namespace

TEST_CASE("a successful acknowledgement may carry a note", "[mqtt]") {
  Client client{Protocol::kV5};
  CHECK(noted(client) == Lines{"PUBACK 0001000a26000377686f00026d65", "PUBREC 0002000a26000377686f00026d65"});
}

TEST_CASE("a note that makes an acknowledgement too large is left out", "[mqtt][MQTT-3.4.2-3][MQTT-3.5.2-3]") {
  const NoteOut note{.name = "who", .value = "012345678901234567890123456789"};  // makes packets of 44 bytes
  Client fits{property(0x27, test::u32(44))};
  CHECK(noted(fits, note)[0].size() == std::string_view("PUBACK ").size() + 2 * 42);
  Client too_small{property(0x27, test::u32(43))};
  CHECK(noted(too_small, note) == Lines{"PUBACK 0001", "PUBREC 0002"});
}

TEST_CASE("a client that wants no notes gets none", "[mqtt][MQTT-3.1.2-29]") {
  Client client{property(0x17, test::u8(0))};
  CHECK(noted(client) == Lines{"PUBACK 0001", "PUBREC 0002"});
}
