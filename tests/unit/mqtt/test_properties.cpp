// Which property may stand where, and of what type: table 2-4 of MQTT 5.0, written down here a second time.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <map>
#include <string>

#include "daemon/mqtt/properties.hpp"
#include "tests/support/mqtt_packets.hpp"

using namespace hedgerow;
using namespace hedgerow::mqtt;
using test::concat;
using test::property;

namespace {

// One good value of each property, and the places of a client's packets that it may stand in: C connect, W will,
// P publish, A acknowledgements, S subscribe, U unsubscribe, D disconnect, H auth.
struct Row {
  unsigned id;
  Bytes value;
  std::string places;
};

const Row kTable[] = {
    {0x01, test::u8(1), "PW"},
    {0x02, test::u32(9), "PW"},
    {0x03, test::text("x"), "PW"},
    {0x08, test::text("x"), "PW"},
    {0x09, test::text("x"), "PW"},
    {0x0B, test::varint(9), "S"},
    {0x11, test::u32(9), "CD"},
    {0x12, test::text("x"), ""},
    {0x13, test::u16(9), ""},
    {0x15, test::text("x"), "CH"},
    {0x16, test::text("x"), "CH"},
    {0x17, test::u8(1), "C"},
    {0x18, test::u32(9), "W"},
    {0x19, test::u8(1), "C"},
    {0x1A, test::text("x"), ""},
    {0x1C, test::text("x"), ""},
    {0x1F, test::text("x"), "ADH"},
    {0x21, test::u16(9), "C"},
    {0x22, test::u16(9), "C"},
    {0x23, test::u16(9), "P"},
    {0x24, test::u8(1), ""},
    {0x25, test::u8(1), ""},
    {0x26, concat(test::text("k"), test::text("v")), "CWPASUDH"},
    {0x27, test::u32(9), "C"},
    {0x28, test::u8(1), ""},
    {0x29, test::u8(1), ""},
    {0x2A, test::u8(1), ""},
};

const std::map<char, PropertyPlace> kPlaces = {
    {'C', PropertyPlace::kConnect},    {'W', PropertyPlace::kWill},      {'P', PropertyPlace::kPublish},
    {'A', PropertyPlace::kPuback},     {'S', PropertyPlace::kSubscribe}, {'U', PropertyPlace::kUnsubscribe},
    {'D', PropertyPlace::kDisconnect}, {'H', PropertyPlace::kAuth},
};

ReasonCode fault_of(const Bytes& properties, PropertyPlace place) {
  const Bytes bytes = test::with_length(properties);
  Reader in{bytes};
  const Decoded<Properties> decoded = decode_properties(in, place);
  return decoded ? ReasonCode::kSuccess : decoded.error().code;
}

}  // namespace

TEST_CASE("every property stands where its row allows it, and nowhere else", "[mqtt]") {
  for (const Row& row : kTable) {
    for (const auto& [letter, place] : kPlaces) {
      CAPTURE(row.id, letter);
      const ReasonCode code = fault_of(property(row.id, row.value), place);
      const bool is_filter = letter == 'S' || letter == 'U';
      const ReasonCode refusal = is_filter ? ReasonCode::kMalformedPacket : ReasonCode::kProtocolError;
      CHECK(code == (row.places.find(letter) != std::string::npos ? ReasonCode::kSuccess : refusal));
    }
  }
}

TEST_CASE("every property without its whole value is malformed", "[mqtt]") {
  for (const Row& row : kTable) {
    for (const auto& [letter, place] : kPlaces) {
      CAPTURE(row.id, letter);
      Bytes cut = property(row.id, row.value);
      cut.pop_back();
      CHECK(fault_of(cut, place) == ReasonCode::kMalformedPacket);
    }
  }
}

TEST_CASE("every property but the user property stands once", "[mqtt]") {
  for (const Row& row : kTable) {
    for (const char letter : row.places) {
      CAPTURE(row.id, letter);
      const Bytes twice = concat(property(row.id, row.value), property(row.id, row.value));
      CHECK(fault_of(twice, kPlaces.at(letter)) ==
            (row.id == 0x26 ? ReasonCode::kSuccess : ReasonCode::kProtocolError));
    }
  }
}

TEST_CASE("identifiers that the standard does not know are malformed", "[mqtt]") {
  for (unsigned id = 0; id < 300; ++id) {
    const bool is_known =
        std::any_of(std::begin(kTable), std::end(kTable), [&](const Row& row) { return row.id == id; });
    if (is_known) continue;
    CAPTURE(id);
    CHECK(fault_of(concat(test::varint(id), test::u32(0)), PropertyPlace::kPublish) == ReasonCode::kMalformedPacket);
  }
}

TEST_CASE("the length of properties is 0 where there are none", "[mqtt][MQTT-2.2.2-1]") {
  const Bytes none = {0};
  Reader in{none};
  CHECK(decode_properties(in, PropertyPlace::kPublish)->raw.empty());
  Reader nothing{ByteView{}};
  CHECK_FALSE(decode_properties(nothing, PropertyPlace::kPublish));
}

TEST_CASE("expiry, alias and delay are cut out wherever they stand", "[mqtt]") {
  const Bytes expiry = property(0x02, test::u32(60));
  const Bytes alias = property(0x23, test::u16(1));
  const Bytes a = test::user_property("k", "1");
  const Bytes b = property(0x03, test::text("text/plain"));
  const Bytes c = property(0x01, {1});
  const std::pair<Bytes, Bytes> cases[] = {
      {concat(expiry, alias), {}},
      {concat(alias, a), a},
      {concat(a, expiry), a},
      {concat(expiry, a, alias), a},
      {concat(expiry, alias, a), a},
      {concat(a, alias, expiry), a},
      {concat(a, expiry, b), concat(a, b)},
      {concat(a, expiry, alias, b), concat(a, b)},
      {concat(a, expiry, b, alias, c), concat(a, b, c)},
      {concat(alias, a, expiry, b), concat(a, b)},
      {concat(a, alias, b, expiry), concat(a, b)},
  };
  for (const auto& [properties, expected] : cases) {
    CAPTURE(to_hex(properties));
    const Bytes bytes = test::with_length(properties);
    Reader in{bytes};
    Bytes scratch{1, 2, 3};
    const Decoded<Properties> decoded = decode_properties(in, PropertyPlace::kPublish);
    REQUIRE(decoded);
    CHECK(to_hex(decoded->forwardable(scratch)) == to_hex(expected));
  }
}

TEST_CASE("the first user property of a name is found", "[mqtt]") {
  const Bytes properties =
      concat(property(0x0B, test::varint(300)), test::user_property("a", "1"), property(0x03, test::text("b")),
             test::user_property("b", "2"), test::user_property("b", "3"));
  CHECK(find_user_property(properties, "b") == "2");
  CHECK(find_user_property(properties, "a") == "1");
  CHECK_FALSE(find_user_property(properties, "c"));
  CHECK_FALSE(find_user_property({}, "c"));
}

TEST_CASE("looking for a user property in ill-formed bytes finds nothing", "[mqtt]") {
  CHECK_FALSE(find_user_property(Bytes{0x26, 0, 1}, "a"));
  CHECK_FALSE(find_user_property(Bytes{0x7F}, "a"));
  CHECK_FALSE(find_user_property(Bytes{0x80, 0x80}, "a"));
}
