#include <catch2/catch_test_macros.hpp>
#include <memory>

#include "daemon/node/recent_log.hpp"

using namespace hedgerow;

namespace {

constexpr sync::Arrival kAllDurable = 1'000'000;

sync::CommittedSegment segment(sync::Arrival first, std::size_t ops, std::size_t bytes) {
  sync::CommittedSegment out;
  auto row = std::make_shared<sync::SegmentRow>();
  row->first_arrival = first;
  row->count = static_cast<std::uint32_t>(ops);
  row->bytes.resize(bytes);
  out.segment = row;
  out.ops.resize(ops);
  return out;
}

}  // namespace

TEST_CASE("an op is found by the arrival before it", "[node]") {
  node::RecentLog log(1 << 20);
  log.reset(10);
  log.add(segment(11, 3, 100), kAllDurable);
  log.add(segment(14, 1, 100), kAllDurable);
  CHECK(log.after(10).index == 0);
  CHECK(log.after(12).index == 2);
  CHECK(log.after(13).segment->segment->first_arrival == 14);
}

TEST_CASE("the oldest segments leave when the bytes are used up", "[node][G6]") {
  node::RecentLog log(10'000);
  log.reset(0);
  for (sync::Arrival arrival = 1; arrival <= 100; ++arrival) log.add(segment(arrival, 1, 1'000), kAllDurable);
  CHECK(log.bytes() <= 10'000);
  CHECK(log.floor() > 90);
  CHECK(log.after(log.floor()).segment->segment->first_arrival == log.floor() + 1);
}

TEST_CASE("one segment stays however large it is", "[node]") {
  node::RecentLog log(1'000);
  log.reset(0);
  log.add(segment(1, 1, 100'000), kAllDurable);
  CHECK(log.floor() == 0);
  CHECK(log.after(0).index == 0);
}

TEST_CASE("after a reset nothing old is in memory", "[node]") {
  node::RecentLog log(1 << 20);
  log.reset(0);
  log.add(segment(1, 5, 10), kAllDurable);
  log.reset(50);
  CHECK(log.floor() == 50);
  CHECK(log.bytes() == 0);
  log.add(segment(51, 1, 10), kAllDurable);
  CHECK(log.after(50).index == 0);
}

TEST_CASE("what is not durable stays whatever its bytes", "[node]") {
  node::RecentLog log(10'000);
  log.reset(0);
  for (sync::Arrival arrival = 1; arrival <= 100; ++arrival) log.add(segment(arrival, 1, 1'000), /*durable=*/20);
  CHECK(log.floor() == 20);
  log.add(segment(101, 1, 1'000), kAllDurable);
  CHECK(log.bytes() <= 10'000);
}
