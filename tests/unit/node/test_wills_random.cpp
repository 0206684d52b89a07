// Wills under random events, against a naive model.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/node/wills.hpp"
#include "tests/support/seeded_random.hpp"

using namespace hedgerow;
using node::StoredWill;

namespace {

constexpr Instant kNow{std::chrono::hours{5}};
constexpr std::uint32_t kNever = 0xFFFF'FFFF;

StoredWill will_of(std::uint64_t session, std::uint32_t delay_s, const std::string& topic) {
  StoredWill will;
  will.session = session;
  will.delay_s = delay_s;
  will.message.topic = topic;
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

// What the standard says, as a list that is searched from the begin. Topics tell wills apart.
class Model {
 public:
  void set(std::uint64_t session, std::uint32_t delay_s, const std::string& topic) {
    drop(State::kArmed, session);
    wills_.push_back({.session = session, .delay_s = delay_s, .topic = topic});
  }
  bool disarm(std::uint64_t session) { return drop(State::kArmed, session); }
  bool cancel(Instant now, std::uint64_t session) {
    pass(now);
    return drop(State::kWaiting, session);
  }
  void on_died(Instant now, std::uint64_t session, std::uint32_t expiry_s) {
    pass(now);
    for (Entry& entry : wills_) {
      if (entry.session != session || entry.state != State::kArmed) continue;
      entry.state = State::kWaiting;
      entry.due = now + std::chrono::seconds{std::min(entry.delay_s, expiry_s)};
      entry.order = ++last_order_;
    }
    pass(now);
  }
  void on_session_ended(Instant now, std::uint64_t session) {
    pass(now);
    for (Entry& entry : wills_) {
      if (entry.session != session || entry.state != State::kWaiting) continue;
      entry.due = now;
      entry.order = ++last_order_;
    }
    pass(now);
  }
  std::vector<std::string> take_due(Instant now, std::size_t count) {
    pass(now);
    std::stable_sort(wills_.begin(), wills_.end(), [](const Entry& a, const Entry& b) {
      return std::pair(a.due, a.order) < std::pair(b.due, b.order);
    });
    std::vector<std::string> out;
    for (auto entry = wills_.begin(); entry != wills_.end() && out.size() < count;) {
      if (entry->state != State::kDue) {
        ++entry;
        continue;
      }
      out.push_back(entry->topic);
      entry = wills_.erase(entry);
    }
    return out;
  }
  [[nodiscard]] std::optional<Instant> next_deadline() const {
    std::optional<Instant> out;
    for (const Entry& entry : wills_) {
      if (entry.state != State::kArmed && (!out || entry.due < *out)) out = entry.due;
    }
    return out;
  }
  [[nodiscard]] std::size_t size() const { return wills_.size(); }

 private:
  enum class State : std::uint8_t { kArmed, kWaiting, kDue };
  struct Entry {
    std::uint64_t session = 0;
    std::uint32_t delay_s = 0;
    std::string topic{};
    State state = State::kArmed;
    Instant due{};
    std::uint64_t order = 0;
  };

  void pass(Instant now) {
    for (Entry& entry : wills_) {
      if (entry.state != State::kArmed && entry.due <= now) entry.state = State::kDue;
    }
  }
  bool drop(State state, std::uint64_t session) {
    const auto first = std::find_if(wills_.begin(), wills_.end(), [&](const Entry& entry) {
      return entry.session == session && entry.state == state;
    });
    if (first == wills_.end()) return false;
    wills_.erase(first);
    return true;
  }

  std::vector<Entry> wills_;
  std::uint64_t last_order_ = 0;
};

std::vector<std::string> topics_of(const std::vector<StoredWill>& wills) {
  std::vector<std::string> out;
  for (const StoredWill& will : wills) out.push_back(will.message.topic);
  return out;
}

}  // namespace

TEST_CASE("wills fire as a naive model says", "[node][wills]") {
  test::SeededRandom random(test::pick_seed("wills"));
  node::Wills wills(std::numeric_limits<std::size_t>::max());
  Model model;
  Instant now = kNow;
  for (int step = 0; step < 20'000; ++step) {
    const std::uint64_t session = 1 + random.below(8);
    const auto some_seconds = [&] { return random.one_in(5) ? kNever : static_cast<std::uint32_t>(random.below(6)); };
    switch (random.below(8)) {
      case 0: {  // a connection, after whatever the last one of the session was
        const std::uint32_t expiry_s = some_seconds();
        wills.on_died(now, session, expiry_s);
        model.on_died(now, session, expiry_s);
        if (random.one_in(3)) {
          wills.on_session_ended(now, session);
          model.on_session_ended(now, session);
        }
        const std::uint32_t delay_s = some_seconds();
        const std::string topic = std::to_string(step);
        REQUIRE(wills.set(will_of(session, delay_s, topic)));
        model.set(session, delay_s, topic);
        if (random.one_in(4)) {  // it is refused
          REQUIRE(wills.disarm(session) == model.disarm(session));
        } else {
          REQUIRE(wills.cancel(now, session) == model.cancel(now, session));
        }
        break;
      }
      case 1:
      case 2: {
        const std::uint32_t expiry_s = some_seconds();
        wills.on_died(now, session, expiry_s);
        model.on_died(now, session, expiry_s);
        break;
      }
      case 3: REQUIRE(wills.disarm(session) == model.disarm(session)); break;
      case 4:
        wills.on_session_ended(now, session);
        model.on_session_ended(now, session);
        break;
      case 5: {
        const std::size_t count = random.below(4);
        REQUIRE(topics_of(take(wills, now, count)) == model.take_due(now, count));
        break;
      }
      default: now += std::chrono::milliseconds{random.below(1'500)}; break;
    }
    REQUIRE(wills.next_deadline() == model.next_deadline());
    REQUIRE(wills.size() == model.size());
  }
  now += std::chrono::seconds{kNever};
  for (std::uint64_t session = 1; session <= 8; ++session) {
    wills.on_died(now, session, 0);
    model.on_died(now, session, 0);
  }
  REQUIRE(topics_of(take(wills, now, 100'000)) == model.take_due(now, 100'000));
  CHECK(wills.size() == 0);
  CHECK(wills.bytes() == 0);
}
