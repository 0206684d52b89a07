// Live messages seen twice. sync/link/live_window.hpp
#include <catch2/catch_test_macros.hpp>

#include "sync/link/live_window.hpp"

namespace hedgerow::sync {

TEST_CASE("a live message counts once", "[live]") {
  LiveWindow window;
  CHECK(window.first_time(1, 1));
  CHECK_FALSE(window.first_time(1, 1));
}

TEST_CASE("origins count for themselves", "[live]") {
  LiveWindow window;
  CHECK(window.first_time(1, 1));
  CHECK(window.first_time(2, 1));
}

TEST_CASE("a late live message within the window counts once", "[live]") {
  LiveWindow window;
  CHECK(window.first_time(1, 5));
  CHECK(window.first_time(1, 3));
  CHECK_FALSE(window.first_time(1, 3));
  CHECK(window.first_time(1, 4));
  CHECK_FALSE(window.first_time(1, 5));
}

TEST_CASE("a live message behind the window counts as seen", "[live]") {
  LiveWindow window;
  CHECK(window.first_time(1, kLiveWindow + 1));
  CHECK(window.first_time(1, 2));
  CHECK_FALSE(window.first_time(1, 1));
}

TEST_CASE("a leap beyond the window forgets what lay before", "[live]") {
  LiveWindow window;
  CHECK(window.first_time(1, 1));
  CHECK(window.first_time(1, 10 * kLiveWindow));
  CHECK(window.first_time(1, 10 * kLiveWindow - 1));
  CHECK_FALSE(window.first_time(1, 10 * kLiveWindow));
}

TEST_CASE("of too many origins the one silent longest is forgotten", "[live][G6]") {
  LiveWindow window;
  for (std::uint64_t origin = 0; origin < kLiveOriginsMax; ++origin) CHECK(window.first_time(origin, 1));
  CHECK_FALSE(window.first_time(0, 1));  // heard of again: now origin 1 is silent longest
  CHECK(window.first_time(kLiveOriginsMax, 1));
  CHECK(window.origins() == kLiveOriginsMax);
  CHECK_FALSE(window.first_time(0, 1));
  CHECK(window.first_time(1, 1));
}

}  // namespace hedgerow::sync
