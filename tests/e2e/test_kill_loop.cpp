// What was acknowledged is on the disk, however the daemon dies.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/support/daemon.hpp"
#include "tests/support/mqtt_client.hpp"
#include "tests/support/seeded_random.hpp"

namespace hedgerow::test {

namespace {

// HEDGEROW_KILLS says how often; 500 in a long run (tests/run.sh --long), 50 otherwise.
int kill_rounds() {
  if (const char* given = std::getenv("HEDGEROW_KILLS")) return std::max(1, std::atoi(given));
  return std::getenv("HEDGEROW_LONG") != nullptr ? 500 : 50;
}

}  // namespace

TEST_CASE("kill -9 under load, again and again: every acknowledged publish is there, in order", "[e2e][slow][G1]") {
  constexpr int kCollectEvery = 25;  // kills: a session that waits longer than keep allows would be trimmed
  constexpr std::uint64_t kRoundNumbers = 1'000'000;  // far more than a round publishes
  const int rounds = kill_rounds();
  SeededRandom random(pick_seed("kill loop"));
  Daemon daemon({});
  daemon.start();
  Collector collector({.port = daemon.port(), .receive_maximum = 1000});
  collector.disconnect();
  std::vector<std::uint64_t> acknowledged;
  for (int round = 1; round <= rounds; ++round) {
    LoadPublisher publisher({.port = daemon.port(),
                             .first = static_cast<std::uint64_t>(round) * kRoundNumbers,
                             .count = kRoundNumbers,
                             .window = 1 + random.below(200)});
    const bool reached = publisher.wait_for_acknowledged(1 + random.below(2'000));
    INFO(publisher.trouble());
    REQUIRE(reached);
    daemon.kill();
    const std::vector<std::uint64_t> numbers = publisher.finish();
    acknowledged.insert(acknowledged.end(), numbers.begin(), numbers.end());
    daemon.start();
    if (round % kCollectEvery != 0 && round != rounds) continue;
    REQUIRE(collector.resume());
    REQUIRE(collector.wait_for_payload(numbered_payload("reading", acknowledged.back())));
    collector.disconnect();
  }
  const Sequence sequence = inspect(collector.payloads(), acknowledged);
  std::fprintf(stderr, "kill loop: %d kills, %zu acknowledged, %llu missing\n", rounds, acknowledged.size(),
               static_cast<unsigned long long>(sequence.missing));
  INFO("acknowledged: " << acknowledged.size() << ", received: " << collector.count());
  CHECK(sequence.missing == 0);
  CHECK(sequence.disorder == 0);
  // Of what a session was sent while it disconnected, and only then.
  CHECK(sequence.duplicates <= 1000 * static_cast<std::uint64_t>((rounds - 1) / kCollectEvery));
}

TEST_CASE("kill -9 while a session is being served: nothing is missing, no more than Receive Maximum twice a crash",
          "[e2e][slow][G1]") {
  constexpr std::uint64_t kCount = 50'000;
  constexpr std::uint16_t kReceiveMaximum = 20;
  constexpr int kCrashes = 10;
  SeededRandom random(pick_seed("served while killed"));
  Daemon daemon({});
  daemon.start();
  Collector collector({.port = daemon.port(), .receive_maximum = kReceiveMaximum});
  collector.disconnect();
  CHECK(LoadPublisher({.port = daemon.port(), .count = kCount}).finish().size() == kCount);
  REQUIRE(collector.resume());
  for (int crash = 0; crash < kCrashes; ++crash) {
    const std::uint64_t more = 1 + random.below(kCount / (kCrashes * 2));
    REQUIRE(collector.wait_for(std::min(collector.count() + more, kCount)));
    daemon.kill();
    REQUIRE(collector.wait_until_lost());
    daemon.start();
    REQUIRE(collector.resume());
  }
  CHECK(collector.wait_for_payload(numbered_payload("reading", kCount - 1)));
  const Sequence sequence = inspect(collector.payloads(), numbers_up_to(kCount));
  INFO("received: " << collector.count() << ", the last one: " << collector.payloads().back());
  CHECK(sequence.missing == 0);
  CHECK(sequence.disorder == 0);
  CHECK(sequence.duplicates <= std::uint64_t{kReceiveMaximum} * kCrashes);
}

}  // namespace hedgerow::test
