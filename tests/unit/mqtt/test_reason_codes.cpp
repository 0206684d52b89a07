#include <catch2/catch_test_macros.hpp>

#include "daemon/mqtt/reason_codes.hpp"

using namespace hedgerow::mqtt;

namespace {

constexpr ReasonPlace kPlaces[] = {ReasonPlace::kConnack, ReasonPlace::kPuback,   ReasonPlace::kPubrel,
                                   ReasonPlace::kSuback,  ReasonPlace::kUnsuback, ReasonPlace::kDisconnectByServer};

ReasonCode code(unsigned number) { return static_cast<ReasonCode>(number); }

}  // namespace

// Counted by hand from the tables of chapter 3.
TEST_CASE("each packet has as many reason codes as its table",
          "[mqtt][MQTT-3.2.2-8][MQTT-3.4.2-1][MQTT-3.6.2-1][MQTT-3.9.3-2][MQTT-3.11.3-2][MQTT-3.14.2-1]") {
  const auto count = [](ReasonPlace place) {
    unsigned n = 0;
    for (unsigned number = 0; number < 256; ++number) n += is_allowed(code(number), place) ? 1U : 0U;
    return n;
  };
  CHECK(count(ReasonPlace::kConnack) == 22);
  CHECK(count(ReasonPlace::kPuback) == 9);
  CHECK(count(ReasonPlace::kPubrel) == 2);
  CHECK(count(ReasonPlace::kSuback) == 12);
  CHECK(count(ReasonPlace::kUnsuback) == 7);
  CHECK(count(ReasonPlace::kDisconnectByServer) == 28);
  CHECK(count(ReasonPlace::kDisconnectByClient) == 14);
  CHECK(count(ReasonPlace::kAuth) == 3);
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
