// Crowds that each keep to their own limits, and together hold all that they may: memory stays within the limits of the
// node, others are served on. With the default configuration.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/daemon.hpp"
#include "tests/support/raw_client.hpp"

namespace hedgerow::test {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr std::uint64_t kMebibyte = 1024;  // in KiB
// Sanitizers keep freed memory and shadow: there only survival and service are checked.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMemoryCounts = false;
constexpr int kCrowd = 100;
#else
constexpr bool kMemoryCounts = true;
constexpr int kCrowd = 400;
#endif

class DefaultNode {
 public:
  DefaultNode() {
    daemon.start();
    before_kib = daemon.resident_kib();
  }
  void add(const std::string& client_id, const Bytes& properties = {}) {
    crowd.push_back(std::make_unique<RawClient>(daemon.port()));
    crowd.back()->shrink_receive_buffer();
    REQUIRE(crowd.back()->connect({.client_id = client_id, .properties = properties}).code() == 0);
  }
  // A new client connects, subscribes, publishes and receives, while the crowd is there.
  void check_service() {
    RawClient other(daemon.port());
    REQUIRE(other.connect({.client_id = "other"}).code() == 0);
    other.subscribe({{"service", 1}});
    const auto before = steady_clock::now();
    for (int i = 0; i < 10; ++i) {
      CHECK(other.publish({.topic = "service", .payload = "x", .qos = 1}) < 0x80);
      CHECK(other.next_message());
    }
    if (kMemoryCounts) CHECK(steady_clock::now() - before < seconds{20});
    other.disconnect();
  }
  void check_memory(std::uint64_t more_kib) {
    const std::uint64_t grown_kib = daemon.resident_kib() - before_kib;
    INFO("grown by " << grown_kib << " KiB");
    if (kMemoryCounts) CHECK(grown_kib < more_kib);
  }

  Daemon daemon{{}};
  std::uint64_t before_kib = 0;
  std::vector<std::unique_ptr<RawClient>> crowd;
};

}  // namespace

TEST_CASE_METHOD(DefaultNode, "large messages to hundreds that do not read cost no more than twice all queues",
                 "[e2e][G6]") {
  const unsigned qos = GENERATE(0U, 1U);
  for (int i = 0; i < kCrowd; ++i) {
    add("lazy-" + std::to_string(i));
    crowd.back()->subscribe({{"flood", qos}});
  }
  RawClient writer(daemon.port());
  REQUIRE(writer.connect({.client_id = "writer"}).code() == 0);
  for (int i = 0; i < 8; ++i) {
    CHECK(writer.publish({.topic = "flood", .payload = std::string(1'000'000, 'x'), .qos = qos}) < 0x80);
    check_memory(136 * kMebibyte);  // two times 32 MiB of queues, 32 MiB of pages, and the allocator's share
    check_service();
  }
}

TEST_CASE_METHOD(DefaultNode, "packets of hundreds that never end cost no more than all of them may", "[e2e][G6]") {
  const Bytes whole = encode(PublishSent{.topic = "slow", .payload = std::string(1'000'000, 'x')});
  const Bytes part = to_bytes(ByteView{whole}.first(whole.size() - 1'000));
  for (int i = 0; i < kCrowd; ++i) {
    add("slow-" + std::to_string(i));
    crowd.back()->send(part);
    if (i % 50 == 49) check_memory(64 * kMebibyte);  // 32 MiB, and the allocator's share
  }
  check_service();
  check_memory(64 * kMebibyte);
  CHECK(crowd.front()->closed_within(seconds{10}));
  RawClient writer(daemon.port());
  REQUIRE(writer.connect({.client_id = "writer"}).code() == 0);
  CHECK(writer.publish({.topic = "large", .payload = std::string(1'000'000, 'x'), .qos = 1}) < 0x80);
}

TEST_CASE_METHOD(DefaultNode, "filters of hundreds, each within its own limits, cost no more than all of them may",
                 "[e2e][G6]") {
  std::string levels;
  for (int i = 0; i < 127; ++i) levels += "a/";
  unsigned refused = 0;
  for (int i = 0; i < kCrowd / 4; ++i) {
    add("filters-" + std::to_string(i));
    for (int j = 0; j < 4; ++j) {
      std::vector<FilterSent> filters;
      for (int k = 0; k < 250; ++k) {
        // Each leaves the others' way in the middle.
        const std::string own = std::to_string(i) + "x" + std::to_string(j * 250 + k);
        filters.push_back({levels.substr(0, 100) + own + "/" + levels + "b", 0});
      }
      for (const unsigned code : crowd.back()->subscribe(filters).codes) refused += code == 0x97 ? 1U : 0U;
    }
  }
  check_memory(84 * kMebibyte);  // 64 MiB, and the allocator's share
  if (kMemoryCounts) CHECK(refused > 0);
  crowd.clear();
  check_service();
}

}  // namespace hedgerow::test
