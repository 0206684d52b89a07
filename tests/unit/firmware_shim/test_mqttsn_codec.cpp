// Vectors written by hand from the tables of section 5.4 of the specification.
#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <string>
#include <string_view>

#include "firmware-shim/codec/mqttsn.h"
#include "sync/base/bytes.hpp"
#include "tests/support/seeded_random.hpp"

namespace hedgerow {
namespace {

hr_sn_view view(ByteView bytes) { return {.data = bytes.data(), .size = bytes.size()}; }
Bytes owned(hr_sn_view view) { return view.size == 0 ? Bytes{} : Bytes{view.data, view.data + view.size}; }

Bytes from_hex(std::string_view hex) {
  Bytes out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    out.push_back(static_cast<std::uint8_t>(std::stoul(std::string{hex.substr(i, 2)}, nullptr, 16)));
  }
  return out;
}

hr_sn_result decode(const Bytes& bytes, hr_sn_message& message) {
  return hr_sn_decode(bytes.data(), bytes.size(), &message, nullptr);
}

hr_sn_result decode(std::string_view hex) {
  hr_sn_message message;
  return decode(from_hex(hex), message);
}

std::string encoded(const hr_sn_message& message) {
  std::array<std::uint8_t, 400> buffer{};
  std::size_t written = 0;
  const hr_sn_result result = hr_sn_encode(&message, buffer.data(), buffer.size(), &written);
  return result == HR_SN_OK ? to_hex(ByteView{buffer}.first(written)) : "refused " + std::to_string(result);
}

struct Vector {
  std::string_view hex;
  hr_sn_type type;
  unsigned flags = 0;
  unsigned code = 0;
  bool has_body = false;
  unsigned duration = 0;
  unsigned topic_id = 0;
  unsigned msg_id = 0;
  std::string_view tail = {};
};

const Vector kVectors[] = {
    {.hex = "0500070384", .type = HR_SN_ADVERTISE, .code = 7, .duration = 900},
    {.hex = "030101", .type = HR_SN_SEARCHGW, .code = 1},
    {.hex = "030207", .type = HR_SN_GWINFO, .code = 7},
    {.hex = "0502074142", .type = HR_SN_GWINFO, .code = 7, .tail = "AB"},
    {.hex = "0a040c01003c70756d70", .type = HR_SN_CONNECT, .flags = 0x0C, .duration = 60, .tail = "pump"},
    {.hex = "030501", .type = HR_SN_CONNACK, .code = HR_SN_CONGESTION},
    {.hex = "0206", .type = HR_SN_WILLTOPICREQ},
    {.hex = "060730626179", .type = HR_SN_WILLTOPIC, .flags = 0x30, .has_body = true, .tail = "bay"},
    {.hex = "0207", .type = HR_SN_WILLTOPIC},
    {.hex = "0208", .type = HR_SN_WILLMSGREQ},
    {.hex = "0609676f6e65", .type = HR_SN_WILLMSG, .tail = "gone"},
    {.hex = "090a0000000161"
            "2f62",
     .type = HR_SN_REGISTER,
     .msg_id = 1,
     .tail = "a/b"},
    {.hex = "070b0012000100", .type = HR_SN_REGACK, .topic_id = 0x12, .msg_id = 1},
    {.hex = "090c300012002a3432", .type = HR_SN_PUBLISH, .flags = 0x30, .topic_id = 0x12, .msg_id = 42, .tail = "42"},
    {.hex = "070c6261620000", .type = HR_SN_PUBLISH, .flags = 0x62, .topic_id = 0x6162},
    {.hex = "070d0012002a02", .type = HR_SN_PUBACK, .code = HR_SN_INVALID_TOPIC_ID, .topic_id = 0x12, .msg_id = 42},
    {.hex = "040e002a", .type = HR_SN_PUBCOMP, .msg_id = 42},
    {.hex = "040f002a", .type = HR_SN_PUBREC, .msg_id = 42},
    {.hex = "0410002a", .type = HR_SN_PUBREL, .msg_id = 42},
    {.hex = "081220000561"
            "2f23",
     .type = HR_SN_SUBSCRIBE,
     .flags = 0x20,
     .msg_id = 5,
     .tail = "a/#"},
    {.hex = "0712210005"
            "0003",
     .type = HR_SN_SUBSCRIBE,
     .flags = 0x21,
     .topic_id = 3,
     .msg_id = 5},
    {.hex = "08132000030005"
            "00",
     .type = HR_SN_SUBACK,
     .flags = 0x20,
     .topic_id = 3,
     .msg_id = 5},
    {.hex = "0714020006"
            "6162",
     .type = HR_SN_UNSUBSCRIBE,
     .flags = 0x02,
     .topic_id = 0x6162,
     .msg_id = 6},
    {.hex = "04150006", .type = HR_SN_UNSUBACK, .msg_id = 6},
    {.hex = "0216", .type = HR_SN_PINGREQ},
    {.hex = "061670756d70", .type = HR_SN_PINGREQ, .tail = "pump"},
    {.hex = "0217", .type = HR_SN_PINGRESP},
    {.hex = "0218", .type = HR_SN_DISCONNECT},
    {.hex = "04180e10", .type = HR_SN_DISCONNECT, .has_body = true, .duration = 3600},
    {.hex = "041a1061", .type = HR_SN_WILLTOPICUPD, .flags = 0x10, .has_body = true, .tail = "a"},
    {.hex = "021a", .type = HR_SN_WILLTOPICUPD},
    {.hex = "031b00", .type = HR_SN_WILLTOPICRESP},
    {.hex = "041c6869", .type = HR_SN_WILLMSGUPD, .tail = "hi"},
    {.hex = "031d03", .type = HR_SN_WILLMSGRESP, .code = HR_SN_NOT_SUPPORTED},
};

TEST_CASE("every message is read and written as section 5.4 says", "[mqttsn]") {
  for (const Vector& vector : kVectors) {
    CAPTURE(vector.hex);
    const Bytes bytes = from_hex(vector.hex);
    hr_sn_message message;
    REQUIRE(decode(bytes, message) == HR_SN_OK);
    CHECK(message.type == vector.type);
    CHECK(message.flags == vector.flags);
    CHECK(message.code == vector.code);
    CHECK(message.has_body == vector.has_body);
    CHECK(message.duration == vector.duration);
    CHECK(message.topic_id == vector.topic_id);
    CHECK(message.msg_id == vector.msg_id);
    CHECK(owned(message.tail) == to_bytes(vector.tail));
    CHECK(encoded(message) == vector.hex);
  }
}

TEST_CASE("a message of 256 bytes and more has the long length, also where a shorter one would do", "[mqttsn]") {
  const Bytes payload(300, 0x2A);
  hr_sn_message message{};
  message.type = HR_SN_PUBLISH;
  message.topic_id = 3;
  message.tail = view(payload);
  const std::string hex = encoded(message);
  CHECK(hex.substr(0, 20) == "0101350c00000300002a");
  const Bytes bytes = from_hex(hex);
  hr_sn_message again;
  CHECK(decode(bytes, again) == HR_SN_OK);
  CHECK(owned(again.tail) == payload);
  CHECK(decode("01000416") == HR_SN_OK);
  CHECK(decode("0100030000") == HR_SN_BAD_LENGTH);
}

TEST_CASE("what does not follow the grammar is refused, and says how", "[mqttsn]") {
  CHECK(decode("") == HR_SN_TRUNCATED);
  CHECK(decode("02") == HR_SN_TRUNCATED);
  CHECK(decode("010005") == HR_SN_TRUNCATED);
  CHECK(decode("0516") == HR_SN_TRUNCATED);
  CHECK(decode("0016") == HR_SN_BAD_LENGTH);
  CHECK(decode("021600") == HR_SN_BAD_LENGTH);  // more bytes than it says
  CHECK(decode("0217"
               "00") == HR_SN_BAD_LENGTH);
  CHECK(decode("031700") == HR_SN_BAD_LENGTH);        // PINGRESP has no fields
  CHECK(decode("030e2a") == HR_SN_BAD_LENGTH);        // half an identifier
  CHECK(decode("060a00000001") == HR_SN_BAD_LENGTH);  // REGISTER without a name
  CHECK(decode("0512200005") == HR_SN_BAD_LENGTH);    // SUBSCRIBE without a topic
  CHECK(decode("0203") == HR_SN_UNKNOWN_TYPE);
  CHECK(decode("021e") == HR_SN_UNKNOWN_TYPE);
  CHECK(decode("02ff") == HR_SN_UNKNOWN_TYPE);
  CHECK(decode("0a040c02003c70756d70") == HR_SN_BAD_FIELD);                 // protocol id 2
  CHECK(decode("070c0300010000") == HR_SN_BAD_FIELD);                       // topic type 3
  CHECK(decode("1e040401003c" + std::string(48, '6')) == HR_SN_BAD_FIELD);  // 24 bytes of client id
}

TEST_CASE("an encapsulated message is what follows the forwarder's header", "[mqttsn]") {
  const Bytes bytes = from_hex("05fe01abcd0216");
  hr_sn_message message;
  CHECK(decode(bytes, message) == HR_SN_UNKNOWN_TYPE);  // nobody asked for the inner one
  hr_sn_view inner{};
  REQUIRE(hr_sn_decode(bytes.data(), bytes.size(), &message, &inner) == HR_SN_OK);
  CHECK(message.code == 1);
  CHECK(to_hex(owned(message.tail)) == "abcd");
  CHECK(to_hex(owned(inner)) == "0216");
  CHECK(encoded(message) == "05fe01abcd");
}

TEST_CASE("what cannot be decoded is not encoded", "[mqttsn]") {
  hr_sn_message message{};
  message.type = static_cast<hr_sn_type>(0x03);
  CHECK(encoded(message) == "refused " + std::to_string(HR_SN_UNKNOWN_TYPE));
  message.type = HR_SN_REGISTER;
  CHECK(encoded(message) == "refused " + std::to_string(HR_SN_BAD_FIELD));
  message.type = HR_SN_SUBSCRIBE;
  CHECK(encoded(message) == "refused " + std::to_string(HR_SN_BAD_FIELD));
  message.flags = HR_SN_TOPIC_PREDEFINED;
  CHECK(encoded(message) == "07120100000000");
  const Bytes payload(400, 0);
  message.type = HR_SN_WILLMSG;
  message.tail = view(payload);
  CHECK(encoded(message) == "refused " + std::to_string(HR_SN_NO_ROOM));
}

TEST_CASE("of a stream of messages the length is told from the first bytes", "[mqttsn]") {
  const auto length = [](std::string_view hex) {
    const Bytes bytes = from_hex(hex);
    return hr_sn_length(bytes.data(), bytes.size());
  };
  CHECK(length("") == 0);
  CHECK(length("07") == 7);
  CHECK(length("0101") == 0);
  CHECK(length("010130") == 304);
  CHECK(length("00") == 2);  // nonsense has an end as well
}

TEST_CASE("damaged bytes are refused, or a message that is written as it was read", "[mqttsn]") {
  test::SeededRandom random{test::pick_seed("damaged MQTT-SN messages")};
  for (int round = 0; round < 20'000; ++round) {
    Bytes bytes = from_hex(kVectors[random.below(std::size(kVectors))].hex);
    for (std::size_t n = random.below(3); n > 0; --n) {
      bytes[random.below(bytes.size())] = static_cast<std::uint8_t>(random.below(256));
    }
    if (random.below(4) == 0) bytes.resize(random.below(bytes.size()) + 1);
    hr_sn_message message;
    hr_sn_view inner{};
    if (hr_sn_decode(bytes.data(), bytes.size(), &message, &inner) != HR_SN_OK) continue;
    std::string whole = encoded(message) + to_hex(owned(inner));
    if (bytes[0] == 0x01) continue;  // the long length where the short one would do
    CHECK(whole == to_hex(bytes));
  }
}

}  // namespace
}  // namespace hedgerow
