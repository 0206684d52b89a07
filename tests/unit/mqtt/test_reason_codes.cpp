#include <catch2/catch_test_macros.hpp>
#include <vector>

#include "daemon/mqtt/reason_codes.hpp"

using namespace hedgerow::mqtt;

namespace {

constexpr ReasonPlace kPlaces[] = {ReasonPlace::kConnack, ReasonPlace::kPuback,   ReasonPlace::kPubrel,
                                   ReasonPlace::kSuback,  ReasonPlace::kUnsuback, ReasonPlace::kDisconnectByServer};

ReasonCode code(unsigned number) { return static_cast<ReasonCode>(number); }

}  // namespace

// As the tables of chapter 3 have them.
TEST_CASE("each packet has the reason codes of its table, and no others",
          "[mqtt][MQTT-3.2.2-8][MQTT-3.4.2-1][MQTT-3.5.2-1][MQTT-3.6.2-1][MQTT-3.7.2-1][MQTT-3.9.3-2][MQTT-3.11.3-2]"
          "[MQTT-3.14.2-1][MQTT-3.15.2-1]") {
  const auto codes = [](ReasonPlace place) {
    std::vector<unsigned> out;
    for (unsigned number = 0; number < 256; ++number) {
      if (is_allowed(code(number), place)) out.push_back(number);
    }
    return out;
  };
  using Codes = std::vector<unsigned>;
  CHECK(codes(ReasonPlace::kConnack) == Codes{0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
                                              0x8A, 0x8C, 0x90, 0x95, 0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F});
  CHECK(codes(ReasonPlace::kPuback) == Codes{0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99});
  CHECK(codes(ReasonPlace::kPubrel) == Codes{0x00, 0x92});
  CHECK(codes(ReasonPlace::kSuback) == Codes{0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2});
  CHECK(codes(ReasonPlace::kUnsuback) == Codes{0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91});
  CHECK(codes(ReasonPlace::kDisconnectByServer) == Codes{0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E,
                                                         0x8F, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A,
                                                         0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2});
  CHECK(codes(ReasonPlace::kDisconnectByClient) ==
        Codes{0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99});
  CHECK(codes(ReasonPlace::kAuth) == Codes{0x00, 0x18, 0x19});
}

TEST_CASE("whatever the owner wants to say, what is said is allowed and keeps its sense", "[mqtt]") {
  for (const ReasonPlace place : kPlaces) {
    for (unsigned number = 0; number < 256; ++number) {
      const ReasonCode nearest = nearest_allowed(code(number), place);
      CHECK(is_allowed(nearest, place));
      CHECK(is_failure(nearest) == is_failure(code(number)));
    }
  }
}
