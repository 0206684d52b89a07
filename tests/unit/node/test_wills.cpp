#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "daemon/node/wills.hpp"

using namespace hedgerow;
using namespace std::chrono_literals;
using node::StoredWill;

namespace {

constexpr Instant kNow{std::chrono::hours{5}};
constexpr std::uint32_t kNever = 0xFFFF'FFFF;
constexpr std::uint64_t kUnixMs = 1'800'000'000'000;
constexpr WallTime kWall{.unix_ms = kUnixMs, .quality = ClockQuality::kSynchronised};
constexpr sync::Stamp kStarted{.wall_ms = kUnixMs, .counter = 7, .quality = ClockQuality::kSynchronised};

sync::Stamp stamp_before(std::chrono::milliseconds age, ClockQuality quality = ClockQuality::kSynchronised) {
  return {.wall_ms = kUnixMs - static_cast<std::uint64_t>(age.count()), .quality = quality};
}

StoredWill will_of(std::uint64_t session, std::uint32_t delay_s, std::string topic = "state") {
  StoredWill will;
  will.session = session;
  will.qos = 1;
  will.delay_s = delay_s;
  will.message.topic = std::move(topic);
  return will;
}

// Takes what is due, and publishes it.
std::vector<StoredWill> take(node::Wills& wills, Instant now, std::size_t count) {
  std::vector<StoredWill> out;
  for (node::Wills::Due& due : wills.take_due(now, count)) {
    wills.done(due.number);
    out.push_back(std::move(due.will));
  }
  return out;
}

struct Fixture {
  node::Wills wills{1'000'000};

  // The sessions whose wills are due.
  std::vector<std::uint64_t> due(Instant now) {
    std::vector<std::uint64_t> out;
    for (const StoredWill& will : take(wills, now, 1'000)) out.push_back(will.session);
    return out;
  }
  void restore(StoredWill will, std::uint32_t expiry_s, std::optional<sync::Stamp> died) {
    will.expiry_s = expiry_s;
    will.died = died;
    wills.restore(kNow, kWall, {std::move(will)});
  }
};

using Sessions = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE_METHOD(Fixture, "a will without delay is due when the connection dies", "[node][wills]") {
  // [MQTT-3.1.2-8]
  REQUIRE(wills.set(will_of(1, 0)));
  CHECK(wills.next_deadline() == std::nullopt);
  CHECK(wills.on_died(kNow, 1, kNever) == nullptr);
  CHECK(wills.next_deadline() == kNow);
  CHECK(due(kNow) == Sessions{1});
  CHECK(due(kNow + 1h).empty());
}

TEST_CASE_METHOD(Fixture, "a will waits for its delay", "[node][wills]") {
  REQUIRE(wills.set(will_of(1, 30)));
  REQUIRE(wills.on_died(kNow, 1, kNever) != nullptr);
  CHECK(wills.next_deadline() == kNow + 30s);
  CHECK(due(kNow + 30s - 1ns).empty());
  CHECK(due(kNow + 30s) == Sessions{1});
}

TEST_CASE_METHOD(Fixture, "a will waits no longer than its session lives", "[node][wills]") {
  // [MQTT-3.1.3-9]
  REQUIRE(wills.set(will_of(1, 30)));
  wills.on_died(kNow, 1, 10);
  CHECK(wills.next_deadline() == kNow + 10s);
}

TEST_CASE_METHOD(Fixture, "a session that ends with its connection lets its will fire at once", "[node][wills]") {
  REQUIRE(wills.set(will_of(1, 30)));
  CHECK(wills.on_died(kNow, 1, 0) == nullptr);
  CHECK(due(kNow) == Sessions{1});
}

TEST_CASE_METHOD(Fixture, "the longest delay of a session without end is no overflow", "[node][wills]") {
  REQUIRE(wills.set(will_of(1, kNever)));
  wills.on_died(kNow, 1, kNever);
  CHECK(wills.next_deadline() == kNow + std::chrono::seconds{kNever});
}

TEST_CASE_METHOD(Fixture, "DISCONNECT forgets the will", "[node][wills]") {
  // [MQTT-3.1.2-10]
  REQUIRE(wills.set(will_of(1, 0)));
  CHECK(wills.disarm(1));
  CHECK(wills.on_died(kNow, 1, kNever) == nullptr);
  CHECK(wills.next_deadline() == std::nullopt);
  CHECK(wills.size() == 0);
}

TEST_CASE_METHOD(Fixture, "a return within the delay cancels the will", "[node][wills]") {
  // [MQTT-3.1.3-9]
  REQUIRE(wills.set(will_of(1, 30)));
  wills.on_died(kNow, 1, kNever);
  CHECK(wills.cancel(kNow + 29s, 1));
  CHECK(wills.next_deadline() == std::nullopt);
}

TEST_CASE_METHOD(Fixture, "a return after the delay is too late, also when nobody fetched the will", "[node][wills]") {
  REQUIRE(wills.set(will_of(1, 30)));
  wills.on_died(kNow, 1, kNever);
  CHECK_FALSE(wills.cancel(kNow + 30s, 1));
  REQUIRE(wills.set(will_of(1, 0)));
  CHECK(due(kNow + 30s) == Sessions{1});
  CHECK(wills.has(1));
}

TEST_CASE_METHOD(Fixture, "take-over fires a will without delay", "[node][wills]") {
  // [MQTT-3.1.4-3], the note to it
  REQUIRE(wills.set(will_of(1, 0, "old")));
  wills.on_died(kNow, 1, kNever);
  CHECK_FALSE(wills.cancel(kNow, 1));
  REQUIRE(wills.set(will_of(1, 0, "new")));
  const auto due_now = take(wills, kNow, 10);
  REQUIRE(due_now.size() == 1);
  CHECK(due_now[0].message.topic == "old");
}

TEST_CASE_METHOD(Fixture, "take-over with a clean start fires a will that has a delay", "[node][wills]") {
  // [MQTT-3.1.4-3], the note to it
  REQUIRE(wills.set(will_of(1, 30)));
  wills.on_died(kNow, 1, kNever);
  wills.on_session_ended(kNow, 1);
  CHECK(due(kNow) == Sessions{1});
}

TEST_CASE_METHOD(Fixture, "the end of a session does not touch the will of a connection that lives", "[node][wills]") {
  REQUIRE(wills.set(will_of(1, 30)));
  wills.on_session_ended(kNow, 1);
  CHECK(due(kNow).empty());
  CHECK(wills.has(1));
}

TEST_CASE_METHOD(Fixture, "a session that ends after the delay does not move the will back", "[node][wills]") {
  REQUIRE(wills.set(will_of(1, 10)));
  REQUIRE(wills.set(will_of(2, 20)));
  wills.on_died(kNow, 1, kNever);
  wills.on_died(kNow, 2, kNever);
  wills.on_session_ended(kNow + 30s, 1);
  CHECK(due(kNow + 30s) == Sessions{1, 2});
}

TEST_CASE_METHOD(Fixture, "a second CONNECT's will replaces the first", "[node][wills]") {
  REQUIRE(wills.set(will_of(1, 0, "first")));
  REQUIRE(wills.set(will_of(1, 0, "second")));
  wills.on_died(kNow, 1, kNever);
  const auto due_now = take(wills, kNow, 10);
  REQUIRE(due_now.size() == 1);
  CHECK(due_now[0].message.topic == "second");
}

TEST_CASE_METHOD(Fixture, "wills leave in the order in which their time came", "[node][wills]") {
  REQUIRE(wills.set(will_of(1, 30)));
  REQUIRE(wills.set(will_of(2, 10)));
  REQUIRE(wills.set(will_of(3, 10)));
  wills.on_died(kNow, 1, kNever);
  wills.on_died(kNow, 3, kNever);
  wills.on_died(kNow, 2, kNever);
  CHECK(due(kNow + 1h) == Sessions{3, 2, 1});
}

TEST_CASE_METHOD(Fixture, "no more wills leave at once than asked for", "[node][wills][G6]") {
  for (std::uint64_t session = 1; session <= 5; ++session) {
    REQUIRE(wills.set(will_of(session, 0)));
    wills.on_died(kNow, session, kNever);
  }
  CHECK(take(wills, kNow, 3).size() == 3);
  CHECK(wills.next_deadline() == kNow);
  CHECK(take(wills, kNow, 3).size() == 2);
  CHECK(wills.next_deadline() == std::nullopt);
}

TEST_CASE("a will beyond the bytes of all wills is refused", "[node][wills][G6]") {
  node::Wills wills(10'000);
  StoredWill large = will_of(1, 30);
  large.message.payload.resize(6'000);
  REQUIRE(wills.set(large));
  large.session = 2;
  CHECK_FALSE(wills.set(large));
  CHECK_FALSE(wills.has(2));
  large.session = 1;
  CHECK(wills.set(large));  // in place of its own
  wills.on_died(kNow, 1, kNever);
  large.session = 2;
  CHECK_FALSE(wills.set(large));
  CHECK(wills.cancel(kNow, 1));
  CHECK(wills.bytes() == 0);
  CHECK(wills.set(large));
}

TEST_CASE_METHOD(Fixture, "a refused will leaves the old one in place", "[node][wills][G6]") {
  REQUIRE(wills.set(will_of(1, 0, "old")));
  StoredWill large = will_of(1, 0, "new");
  large.message.payload.resize(2'000'000);
  CHECK_FALSE(wills.set(large));
  wills.on_died(kNow, 1, kNever);
  CHECK(take(wills, kNow, 1).at(0).message.topic == "old");
}

TEST_CASE_METHOD(Fixture, "a will carries the stamp of its connection's death", "[node][wills]") {
  REQUIRE(wills.set(will_of(1, 30)));
  wills.on_died(kNow, 1, kNever);
  wills.set_stamp(1, kStarted);
  CHECK(take(wills, kNow + 30s, 1).at(0).died == kStarted);
}

TEST_CASE_METHOD(Fixture, "a stamp that comes after the client returned is not the new will's", "[node][wills]") {
  REQUIRE(wills.set(will_of(1, 30)));
  wills.on_died(kNow, 1, kNever);
  wills.cancel(kNow, 1);
  REQUIRE(wills.set(will_of(1, 0)));
  wills.set_stamp(1, kStarted);
  wills.on_died(kNow, 1, kNever);
  CHECK_FALSE(take(wills, kNow, 1).at(0).died);
}

TEST_CASE_METHOD(Fixture, "what is to be put on disk has the session's expiry of the end", "[node][wills]") {
  REQUIRE(wills.set(will_of(1, 30)));
  const StoredWill* waits = wills.on_died(kNow, 1, 77);
  REQUIRE(waits != nullptr);
  CHECK(waits->expiry_s == 77);
  CHECK(waits->session == 1);
}

TEST_CASE_METHOD(Fixture, "the message expiry of a will counts from its publication", "[node][wills]") {
  StoredWill will = will_of(1, 30);
  will.message.expiry_s = 5;
  REQUIRE(wills.set(will));
  wills.on_died(kNow, 1, kNever);
  wills.set_stamp(1, kStarted);
  CHECK(take(wills, kNow + 31s + 1ms, 1).at(0).message.expiry_s == 5U + 32U);
}

TEST_CASE_METHOD(Fixture, "the message expiry of a will that is stamped when written stays", "[node][wills]") {
  StoredWill will = will_of(1, 30);
  will.message.expiry_s = 5;
  REQUIRE(wills.set(will));
  wills.on_died(kNow, 1, kNever);
  CHECK(take(wills, kNow + 30s, 1).at(0).message.expiry_s == 5U);
}

TEST_CASE_METHOD(Fixture, "the message expiry of a will that is never stored stays", "[node][wills]") {
  StoredWill will = will_of(1, 30);
  will.qos = 0;
  will.message.expiry_s = 5;
  REQUIRE(wills.set(will));
  wills.on_died(kNow, 1, kNever);
  wills.set_stamp(1, kStarted);
  CHECK(take(wills, kNow + 30s, 1).at(0).message.expiry_s == 5U);
}

TEST_CASE_METHOD(Fixture, "the longest message expiry does not wrap", "[node][wills]") {
  StoredWill will = will_of(1, 30);
  will.message.expiry_s = kNever - 1;
  REQUIRE(wills.set(will));
  wills.on_died(kNow, 1, kNever);
  wills.set_stamp(1, kStarted);
  CHECK(take(wills, kNow + 30s, 1).at(0).message.expiry_s == kNever);
}

TEST_CASE_METHOD(Fixture, "a connection that died with the node begins its delay with the restart", "[node][wills]") {
  restore(will_of(1, 30), kNever, kStarted);
  CHECK(wills.next_deadline() == kNow + 30s);
  CHECK(take(wills, kNow + 30s, 1).at(0).died == kStarted);
}

TEST_CASE_METHOD(Fixture, "a will without delay fires after a restart", "[node][wills]") {
  restore(will_of(1, 0), kNever, kStarted);
  CHECK_FALSE(wills.cancel(kNow, 1));
  CHECK(due(kNow) == Sessions{1});
}

TEST_CASE_METHOD(Fixture, "a restart does not begin a delay anew", "[node][wills]") {
  restore(will_of(1, 30), kNever, stamp_before(20s));
  CHECK(wills.next_deadline() == kNow + 10s);
  CHECK(take(wills, kNow + 10s, 1).at(0).died == stamp_before(20s));
}

TEST_CASE_METHOD(Fixture, "a will without a stamp begins its delay with the restart", "[node][wills]") {
  restore(will_of(1, 30), kNever, std::nullopt);
  CHECK(wills.next_deadline() == kNow + 30s);
}

TEST_CASE_METHOD(Fixture, "a delay that passed while the node was down is over", "[node][wills]") {
  restore(will_of(1, 30), kNever, stamp_before(1h));
  restore(will_of(2, 30), kNever, stamp_before(2h));
  CHECK_FALSE(wills.cancel(kNow, 1));
  CHECK(due(kNow) == Sessions{2, 1});
}

TEST_CASE_METHOD(Fixture, "a session that expired while the node was down lets its will fire", "[node][wills]") {
  restore(will_of(1, 3'600), 10, stamp_before(11s));
  CHECK(due(kNow) == Sessions{1});
}

TEST_CASE_METHOD(Fixture, "where a clock cannot be believed the delay begins anew", "[node][wills][G10]") {
  restore(will_of(1, 30), kNever, stamp_before(1h, ClockQuality::kUnsynchronised));
  CHECK(wills.next_deadline() == kNow + 30s);
  StoredWill will = will_of(2, 20);
  will.expiry_s = kNever;
  will.died = stamp_before(1h);
  wills.restore(kNow, {.unix_ms = kUnixMs, .quality = ClockQuality::kUnsynchronised}, {will});
  CHECK(wills.next_deadline() == kNow + 20s);
}

TEST_CASE_METHOD(Fixture, "a connection that died in the future died now", "[node][wills][G10]") {
  restore(will_of(1, 30), kNever, stamp_before(-1h));
  CHECK(wills.next_deadline() == kNow + 30s);
}

TEST_CASE_METHOD(Fixture, "a connection that died in 1970 is no overflow", "[node][wills][G10]") {
  restore(will_of(1, kNever), kNever, sync::Stamp{.quality = ClockQuality::kSynchronised});
  REQUIRE(wills.next_deadline());
  CHECK(*wills.next_deadline() > kNow);
}

TEST_CASE_METHOD(Fixture, "the time that the node was down does not eat a will's message expiry", "[node][wills]") {
  StoredWill will = will_of(1, 30);
  will.message.expiry_s = 60;
  restore(will, kNever, stamp_before(1h));
  CHECK(take(wills, kNow, 1).at(0).message.expiry_s == 3'660U);
}

TEST_CASE_METHOD(Fixture, "a connection that is not accepted yet leaves the will that waits", "[node][wills]") {
  REQUIRE(wills.set(will_of(1, 30, "old")));
  wills.on_died(kNow, 1, kNever);
  REQUIRE(wills.set(will_of(1, 0, "new")));
  CHECK(wills.disarm(1));
  CHECK_FALSE(wills.disarm(1));
  CHECK(take(wills, kNow + 30s, 10).at(0).message.topic == "old");
  CHECK(wills.bytes() == 0);
}

TEST_CASE_METHOD(Fixture, "a connection that is accepted has its own will only", "[node][wills]") {
  REQUIRE(wills.set(will_of(1, 30, "old")));
  wills.on_died(kNow, 1, kNever);
  REQUIRE(wills.set(will_of(1, 0, "new")));
  CHECK(wills.cancel(kNow + 29s, 1));
  CHECK(wills.find_armed(1) != nullptr);
  wills.on_died(kNow + 29s, 1, kNever);
  CHECK(take(wills, kNow + 1h, 10).size() == 1);
}

TEST_CASE("a will may have the place of the one that its session's return cancels", "[node][wills][G6]") {
  node::Wills wills(10'000);
  StoredWill large = will_of(1, 30);
  large.message.payload.resize(6'000);
  REQUIRE(wills.set(large));
  wills.on_died(kNow, 1, kNever);
  CHECK(wills.has_room(large));
  CHECK(wills.set(large));
  CHECK(wills.cancel(kNow, 1));
  CHECK(wills.bytes() < 10'000);
}

TEST_CASE_METHOD(Fixture, "a will that the store has not taken keeps its place", "[node][wills][G6]") {
  REQUIRE(wills.set(will_of(1, 0)));
  wills.on_died(kNow, 1, kNever);
  const auto due_now = wills.take_due(kNow, 10);
  REQUIRE(due_now.size() == 1);
  CHECK_FALSE(due_now[0].again);
  CHECK_FALSE(wills.has(1));
  CHECK(wills.size() == 1);
  CHECK(wills.bytes() > 0);
  wills.done(due_now[0].number);
  CHECK(wills.size() == 0);
  CHECK(wills.bytes() == 0);
}

TEST_CASE_METHOD(Fixture, "a will that could not be published is due again", "[node][wills][G6]") {
  StoredWill will = will_of(1, 30);
  will.message.expiry_s = 5;
  REQUIRE(wills.set(will));
  wills.on_died(kNow, 1, kNever);
  wills.set_stamp(1, kStarted);
  const auto first = wills.take_due(kNow + 30s, 10);
  CHECK_FALSE(wills.was_tried(first.at(0).number));
  wills.retry(first[0].number, kNow + 40s);
  CHECK(wills.next_deadline() == kNow + 40s);
  CHECK_FALSE(wills.cancel(kNow + 31s, 1));  // its time had come
  const auto again = wills.take_due(kNow + 40s, 10);
  REQUIRE(again.size() == 1);
  CHECK(again[0].again);
  CHECK(again[0].will.message.expiry_s == 5U + 40U);
}

TEST_CASE_METHOD(Fixture, "a will that waits for room has a row that its session's next will leaves alone",
                 "[node][wills][G6]") {
  REQUIRE(wills.set(will_of(1, 0, "old")));
  wills.on_died(kNow, 1, kNever);
  const StoredWill* moved = wills.retry_as(wills.take_due(kNow, 10).at(0).number, kNow + 10s, 99);
  REQUIRE(moved != nullptr);
  CHECK(moved->session == 99);
  CHECK(wills.has(99));
  REQUIRE(wills.set(will_of(1, 0, "new")));
  wills.set_stamp(99, kStarted);
  const auto again = wills.take_due(kNow + 10s, 10);
  REQUIRE(again.size() == 1);
  CHECK(again[0].will.message.topic == "old");
  CHECK(again[0].will.died == kStarted);
  CHECK(wills.retry_as(again[0].number, kNow + 20s, 100) == nullptr);
}

TEST_CASE_METHOD(Fixture, "a restored will is cancelled by a return within the delay", "[node][wills]") {
  restore(will_of(1, 30), kNever, stamp_before(20s));
  CHECK(wills.cancel(kNow + 9s, 1));
  CHECK(wills.bytes() == 0);
}
