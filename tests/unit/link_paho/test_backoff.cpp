#include <catch2/catch_test_macros.hpp>
#include <cstdint>

#include "daemon/link_paho/backoff.hpp"

using namespace hedgerow;
using namespace hedgerow::link_paho;
using namespace std::chrono_literals;

namespace {

// The largest pause that a ceiling allows: the random number that is the ceiling itself.
Duration longest(Backoff& backoff, Duration ceiling) {
  return backoff.next(static_cast<std::uint64_t>(ceiling.count()));
}

}  // namespace

TEST_CASE("the ceiling doubles from 250 ms to 30 s and stays there", "[link]") {
  Backoff backoff;
  for (const Duration ceiling : {Duration{250ms}, Duration{500ms}, Duration{1s}, Duration{2s}, Duration{4s},
                                 Duration{8s}, Duration{16s}, Duration{30s}, Duration{30s}}) {
    CHECK(longest(backoff, ceiling) == ceiling);
  }
}

TEST_CASE("a pause may be anything from nothing to the ceiling", "[link]") {
  Backoff backoff;
  CHECK(backoff.next(0) == Duration{0});
  CHECK(backoff.next(Duration{500ms}.count() + 1) == Duration{0});
  CHECK(backoff.next(~std::uint64_t{0}) <= Duration{1s});
}

TEST_CASE("a link that held 30 s makes the next pause short again", "[link]") {
  Backoff backoff;
  for (int i = 0; i < 9; ++i) (void)backoff.next(0);
  backoff.link_fell(30s);
  CHECK(longest(backoff, 250ms) == Duration{250ms});
}

TEST_CASE("a link that fell at once does not", "[link]") {
  Backoff backoff;
  for (int i = 0; i < 9; ++i) (void)backoff.next(0);
  backoff.link_fell(29s);
  CHECK(longest(backoff, 30s) == Duration{30s});
}
