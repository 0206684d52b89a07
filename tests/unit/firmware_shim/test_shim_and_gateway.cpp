// The shim against the gateway and a node, over a line that loses, doubles and delays, while the node is killed: what
// firmware-shim/README.md promises, from one seed.
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <deque>
#include <set>

#include "firmware-shim/client/shim.h"
#include "tests/support/seeded_random.hpp"
#include "tests/unit/firmware_shim/gateway_harness.hpp"

namespace hedgerow::test {
namespace {

constexpr std::size_t kReadings = 400;
constexpr Duration kStep = std::chrono::milliseconds{100};

// A thing with the real shim, that publishes its readings as fast as its store takes them.
class Sensor {
 public:
  Sensor(GatewayHarness& harness, SeededRandom& random, std::string name, std::uint8_t qos)
      : harness_(harness), random_(random), name_(std::move(name)), topic_("barn/" + name_), qos_(qos) {
    topics_[0] = topic_.c_str();
    config_.client_id = name_.c_str();
    config_.keep_alive_s = 60;
    config_.topics = topics_.data();
    config_.topic_count = topics_.size();
    port_.context = this;
    port_.send = [](void* self, const std::uint8_t* bytes, std::size_t size) {
      static_cast<Sensor*>(self)->send({bytes, size});
    };
    port_.receive = [](void* self, std::uint8_t* buffer, std::size_t capacity) {
      return static_cast<Sensor*>(self)->receive({buffer, capacity});
    };
    port_.time_ms = [](void* self) {
      const Duration since = static_cast<Sensor*>(self)->harness_.node.now.time_since_epoch();
      return static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::milliseconds>(since).count());
    };
    port_.random = [](void* self, std::uint8_t* out, std::size_t size) {
      while (size-- > 0) *out++ = static_cast<std::uint8_t>(static_cast<Sensor*>(self)->random_.next());
    };
    hr_shim_init(&shim_, &config_, &port_, store_.data(), store_.size());
  }
  Sensor(const Sensor&) = delete;
  Sensor& operator=(const Sensor&) = delete;

  void step() {
    const std::string text = std::to_string(published_ + 1);
    if (published_ < kReadings && hr_shim_publish(&shim_, 0, qos_, false, text.data(), text.size()) == HR_SHIM_DONE) {
      ++published_;
    }
    carry(to_gateway_, [&](const Bytes& bytes) { harness_.say(name_, bytes); });
    carry(harness_.sent[name_], [&](const Bytes& bytes) { to_thing_.push_back(bytes); });
    hr_shim_poll(&shim_);
  }
  [[nodiscard]] bool done() const { return published_ == kReadings && hr_shim_waiting(&shim_) == 0; }
  [[nodiscard]] const std::string& topic() const { return topic_; }
  [[nodiscard]] const hr_shim_counts& counts() const { return shim_.counts; }

 private:
  // The line: some are lost, some come twice, some later.
  template <class Deliver>
  void carry(std::deque<Bytes>& from, Deliver deliver) {
    for (std::size_t n = from.size(); n > 0; --n) {
      const Bytes bytes = std::move(from.front());
      from.pop_front();
      if (random_.one_in(10)) continue;
      if (random_.one_in(10)) from.push_back(bytes);
      if (random_.one_in(20)) deliver(bytes);
      deliver(bytes);
    }
  }
  void send(ByteView bytes) { to_gateway_.push_back(to_bytes(bytes)); }
  std::size_t receive(std::span<std::uint8_t> buffer) {
    if (to_thing_.empty()) return 0;
    const Bytes bytes = std::move(to_thing_.front());
    to_thing_.pop_front();
    if (bytes.size() > buffer.size()) return 0;
    std::copy(bytes.begin(), bytes.end(), buffer.begin());
    return bytes.size();
  }

  GatewayHarness& harness_;
  SeededRandom& random_;
  std::string name_;
  std::string topic_;
  std::uint8_t qos_;
  std::array<const char*, 1> topics_{};
  hr_shim_config config_{};
  hr_shim_port port_{};
  hr_shim shim_{};
  std::array<std::uint8_t, 128> store_{};
  std::deque<Bytes> to_gateway_;
  std::deque<Bytes> to_thing_;
  std::size_t published_ = 0;
};

TEST_CASE("readings come in order, without gap, QoS 2 exactly once, over a bad line and killed nodes",
          "[gateway][G1]") {
  SeededRandom random{pick_seed("the shim against the gateway")};
  GatewayHarness harness;
  Sensor once{harness, random, "once", 2};
  Sensor again{harness, random, "again", 1};
  std::size_t kills = 0;
  for (std::size_t steps = 0; !(once.done() && again.done()); ++steps) {
    REQUIRE(steps < 200'000);
    once.step();
    again.step();
    if (random.one_in(400)) {
      harness.restart();
      ++kills;
    } else if (!random.one_in(4)) {
      harness.settle();  // otherwise the disk is slow
    }
    harness.advance(kStep);
  }
  CHECK(kills > 0);
  CHECK(once.counts().refused + again.counts().refused == 0);

  const Bytes replay = user_property("hedgerow-replay", "24h");
  TestClient reader{harness.node, {.client_id = "reader"}};
  reader.send(encode_subscribe(1, {{"barn/#", 1}}, mqtt::Protocol::kV5, replay));
  std::map<std::string, std::vector<std::size_t>> got;
  while (true) {
    harness.settle();
    const std::vector<std::string> messages = reader.messages();
    if (messages.empty()) break;
    for (const std::string& text : messages) {
      const std::size_t equals = text.find('=');
      got[text.substr(0, equals)].push_back(std::stoul(text.substr(equals + 1)));
    }
  }
  std::vector<std::size_t> all;
  for (std::size_t n = 1; n <= kReadings; ++n) all.push_back(n);
  CHECK(got[once.topic()] == all);
  std::vector<std::size_t> first_copies;
  std::set<std::size_t> seen;
  for (const std::size_t n : got[again.topic()]) {
    if (seen.insert(n).second) first_copies.push_back(n);
  }
  CHECK(first_copies == all);
  // Each kill may double the one that was under way.
  CHECK(got[again.topic()].size() - all.size() <= kills);
}

}  // namespace
}  // namespace hedgerow::test
