#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <chrono>

#include "daemon/node/expiry.hpp"

using namespace hedgerow;
using namespace hedgerow::node;
using namespace std::chrono_literals;

namespace {

constexpr sync::ReplicaId kSelf{1};
constexpr sync::ReplicaId kOther{2};
constexpr sync::Arrival kBefore = 10;  // the last one before the start
constexpr Instant kStart{1h};
constexpr std::uint64_t kUnixMs = 1'800'000'000'000;
constexpr auto kSure = ClockQuality::kSynchronised;
constexpr auto kUnsure = ClockQuality::kUnsynchronised;

struct Fixture {
  // A message that expires after a minute. `stamped`: how long before kStart by its stamp.
  [[nodiscard]] Expiry judge(ClockQuality then, sync::ReplicaId replica, sync::Arrival arrival,
                             Duration stamped = 0s) const {
    return ages.expiry_of(
        message,
        {.wall_ms = kUnixMs -
                    static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(stamped).count()),
         .quality = then},
        replica, arrival, moment);
  }
  void pass(Duration time) {
    moment.now += time;
    moment.wall.unix_ms +=
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(time).count());
  }

  MessageAges ages{kSelf, kBefore};
  sync::Message message{.topic = "a", .properties = {}, .payload = {}, .expiry_s = 60};
  Moment moment{.now = kStart, .wall = {.unix_ms = kUnixMs, .quality = kSure}};
};

}  // namespace

TEST_CASE_METHOD(Fixture, "what never expires is shown, whatever the clocks are", "[node][G10]") {
  message.expiry_s.reset();
  moment.wall.quality = kUnsure;
  CHECK(judge(kUnsure, kOther, kBefore).is_fresh());
  CHECK_FALSE(judge(kUnsure, kOther, kBefore).left_s);
}

TEST_CASE_METHOD(Fixture, "between synchronised clocks the expiry counts from the stamp", "[node][MQTT-3.3.2-5]") {
  const sync::ReplicaId writer = GENERATE(kSelf, kOther);
  const sync::Arrival arrival = GENERATE(kBefore, kBefore + 1);
  ages.note(kBefore + 1, kStart, moment.wall);
  CHECK(judge(kSure, writer, arrival, 20'999ms).left_s == 40U);
  CHECK(judge(kSure, writer, arrival, 59'999ms).left_s == 1U);
  CHECK(judge(kSure, writer, arrival, 60s).state == Expiry::State::kExpired);
  CHECK(judge(kSure, writer, arrival, 60s).left_s == 0U);
}

TEST_CASE_METHOD(Fixture, "another's message is withheld where one of the clocks was not synchronised", "[node][G10]") {
  const sync::Arrival arrival = GENERATE(kBefore, kBefore + 1);
  ages.note(kBefore + 1, kStart, moment.wall);
  moment.awaits_clock = true;
  const ClockQuality then = GENERATE(kSure, kUnsure);
  moment.wall.quality = then == kSure ? kUnsure : GENERATE(kSure, kUnsure);
  const Expiry expiry = judge(then, kOther, arrival);
  CHECK(expiry.state == Expiry::State::kWithheld);
  CHECK(expiry.left_s == 0U);
  CHECK(expiry.is_for_our_clock == (then == kSure));
  CHECK(expiry.awaits_clock == (then == kSure));
}

TEST_CASE_METHOD(Fixture, "nobody waits for a clock that is not expected to be set", "[node][G10]") {
  moment.wall.quality = kUnsure;
  CHECK(judge(kSure, kOther, kBefore).is_for_our_clock);
  CHECK_FALSE(judge(kSure, kOther, kBefore).awaits_clock);
}

TEST_CASE_METHOD(Fixture, "what was written here since the start is aged by counting", "[node][G10]") {
  ages.note(kBefore + 1, kStart, moment.wall);
  pass(59'999ms);
  const ClockQuality then = GENERATE(kSure, kUnsure);
  moment.wall = {.unix_ms = 5'000, .quality = then == kSure ? kUnsure : GENERATE(kSure, kUnsure)};
  // The clock was set meanwhile, by a year.
  if (moment.wall.quality == kSure) moment.wall.unix_ms = kUnixMs + 31'536'000'000;
  CHECK(judge(then, kSelf, kBefore + 1).left_s == 1U);
  moment.now += 1ms;
  CHECK(judge(then, kSelf, kBefore + 1).state == Expiry::State::kExpired);
}

TEST_CASE_METHOD(Fixture, "what was written here before the start is withheld without a clock", "[node][G10]") {
  moment.wall.quality = kUnsure;
  CHECK(judge(kSure, kSelf, kBefore).state == Expiry::State::kWithheld);
  CHECK(judge(kUnsure, kSelf, kBefore).state == Expiry::State::kWithheld);
  moment.wall.quality = kSure;
  CHECK(judge(kSure, kSelf, kBefore).is_fresh());
  CHECK(judge(kUnsure, kSelf, kBefore).state == Expiry::State::kWithheld);
}

TEST_CASE_METHOD(Fixture, "without any clock the time that a will waited counts", "[node][G10]") {
  ages.note(kBefore + 1, kStart, moment.wall);
  moment.wall.quality = kUnsure;
  CHECK(judge(kUnsure, kSelf, kBefore + 1, 30s).left_s == 30U);
}

TEST_CASE_METHOD(Fixture, "a stamp ahead of time does not say how old a message is", "[node][G10]") {
  CHECK(judge(kSure, kOther, kBefore + 1, -kClocksDifferMax).left_s == 60U);
  CHECK(judge(kSure, kOther, kBefore + 1, -kClocksDifferMax - 1ms).state == Expiry::State::kWithheld);
  CHECK_FALSE(judge(kSure, kOther, kBefore + 1, -1h).is_for_our_clock);
  ages.note(kBefore + 1, kStart, moment.wall);
  CHECK(judge(kSure, kSelf, kBefore + 1, -1h).left_s == 60U);
}

TEST_CASE_METHOD(Fixture, "a mesh whose stamps are a year ahead expires by the writer's own clock",
                 "[node][G10][MQTT-3.3.2-5]") {
  constexpr std::uint64_t kYearMs = 31'536'000'000;
  const auto judged = [&](std::uint64_t written_ms) {
    const sync::Stamp stamp{
        .wall_ms = kUnixMs + kYearMs, .quality = kSure, .behind_ms = kUnixMs + kYearMs - written_ms};
    return ages.expiry_of(message, stamp, kOther, kBefore + 1, moment);
  };
  CHECK(judged(kUnixMs).left_s == 60U);
  CHECK(judged(kUnixMs - 20'000).left_s == 40U);
  CHECK(judged(kUnixMs - 60'000).state == Expiry::State::kExpired);
}

TEST_CASE_METHOD(Fixture, "what has been here for longer than its expiry has expired, whoever wrote it",
                 "[node][G10]") {
  ages.note(kBefore + 1, kStart, moment.wall);
  ages.note(kBefore + 2, kStart + 1s, moment.wall);
  pass(60s);
  CHECK(judge(kUnsure, kOther, kBefore + 1).state == Expiry::State::kWithheld);
  pass(1s);
  CHECK(judge(kUnsure, kOther, kBefore + 1).state == Expiry::State::kExpired);
  CHECK(judge(kUnsure, kOther, kBefore).state == Expiry::State::kWithheld);
}

TEST_CASE_METHOD(Fixture, "what was committed and not told yet is young", "[node]") {
  moment.wall.quality = kUnsure;
  CHECK(judge(kUnsure, kSelf, kBefore + 1).left_s == 60U);
}

TEST_CASE_METHOD(Fixture, "a database under another name writes under that from then on", "[node][G5]") {
  moment.wall.quality = kUnsure;
  ages.on_renewed(kOther);
  CHECK(judge(kUnsure, kOther, kBefore + 1).is_fresh());
}

TEST_CASE_METHOD(Fixture, "however much came, no message counts as younger than it is", "[node][G6]") {
  message.expiry_s = 1'000'000;
  moment.wall.quality = kUnsure;
  sync::Arrival arrival = kBefore;
  constexpr std::uint64_t kMany = 20'000;
  for (std::uint64_t i = 0; i < kMany; ++i) {
    ages.note(++arrival, moment.now, moment.wall);
    pass(1s);
  }
  std::uint64_t least_left = 1'000'000;
  for (std::uint64_t age_s = 1; age_s <= kMany; ++age_s) {
    const auto left = judge(kSure, kSelf, arrival + 1 - age_s, -std::chrono::seconds(kMany - age_s)).left_s;
    REQUIRE(left);
    REQUIRE(*left <= 1'000'000 - age_s);
    REQUIRE(*left + age_s + age_s / 16 + 1 >= 1'000'000);  // nor as much older
    REQUIRE(*left <= least_left);
    if (age_s < 250) REQUIRE(*left == 1'000'000 - age_s);  // what is recent is known exactly
    least_left = *left;
  }
}

TEST_CASE_METHOD(Fixture, "after hours under load a message is as old as it is, and others' expire here",
                 "[node][G6]") {
  moment.wall.quality = kUnsure;
  sync::Arrival arrival = kBefore;
  const auto load = [&](Duration time) {
    for (Duration passed{}; passed < time; passed += 1s) {
      ages.note(++arrival, moment.now, moment.wall);
      pass(1s);
    }
  };
  load(8h);
  message.expiry_s = 2 * 3600;
  const sync::Arrival ours = ++arrival;
  ages.note(ours, moment.now, moment.wall);
  load(40min);
  CHECK(judge(kUnsure, kSelf, ours, -8h).is_fresh());
  CHECK(judge(kSure, kOther, ours).state == Expiry::State::kWithheld);
  load(90min);
  CHECK(judge(kUnsure, kSelf, ours, -8h).state == Expiry::State::kExpired);
  CHECK(judge(kSure, kOther, ours).state == Expiry::State::kExpired);
}

TEST_CASE_METHOD(Fixture, "a clock that somebody sets by hand ages nothing", "[node][G10]") {
  moment.wall.quality = kUnsure;
  ages.note(kBefore + 1, kStart, moment.wall);
  pass(1s);
  moment.wall.unix_ms += 172'800'000;
  CHECK(judge(kUnsure, kSelf, kBefore + 1).left_s == 59U);
}
