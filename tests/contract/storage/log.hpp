// The log: segments by sequence and by arrival, replays, trimming, and what it all amounts to.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "tests/contract/storage/fixture.hpp"

namespace hedgerow::test::storage_contract {

TEST_CASE_METHOD(Fixture, "a segment comes back as it was stored", "[storage][contract]") {
  const SegmentRow stored = row(kX, 5, 3, 11, 1000, kAgeUnknown);
  append(channel_, {stored});
  const std::vector<SegmentRow> rows = view()->segments(channel_, kX, 5, kMuch).value();
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].replica == stored.replica);
  CHECK(rows[0].first_seq == stored.first_seq);
  CHECK(rows[0].count == stored.count);
  CHECK(rows[0].first_arrival == stored.first_arrival);
  CHECK(rows[0].newest_wall_ms == stored.newest_wall_ms);
  CHECK(rows[0].bytes == stored.bytes);
}

TEST_CASE_METHOD(Fixture, "the segments of a replica begin with the one that holds the number", "[storage][contract]") {
  append(channel_, {row(kX, 1, 3, 1), row(kY, 1, 9, 4), row(kX, 4, 3, 13), row(kX, 7, 1, 16)});
  append(other_, {row(kX, 1, 50, 17)});
  CHECK(firsts(view()->segments(channel_, kX, 3, kMuch).value()) == Seqs{1, 4, 7});
  CHECK(firsts(view()->segments(channel_, kX, 4, kMuch).value()) == Seqs{4, 7});
  CHECK(firsts(view()->segments(channel_, kX, 7, kMuch).value()) == Seqs{7});
  CHECK(view()->segments(channel_, kX, 8, kMuch).value().empty());
  CHECK(firsts(view()->segments(channel_, kY, 9, kMuch).value()) == Seqs{1});
}

TEST_CASE_METHOD(Fixture, "a batch of segments ends once its bytes are passed, and is never empty for that",
                 "[storage][contract][G6]") {
  append(channel_, {row(kX, 1, 1, 1), row(kX, 2, 1, 2), row(kX, 3, 1, 3)});
  CHECK(firsts(view()->segments(channel_, kX, 1, 0).value()) == Seqs{1});
  CHECK(firsts(view()->segments(channel_, kX, 1, 101).value()) == Seqs{1, 2});
  CHECK(firsts(view()->segments_after(channel_, 0, 1).value()) == Seqs{1});
  CHECK(view()->segments_after(0, 1).value().size() == 1);
}

TEST_CASE_METHOD(Fixture, "segments after an arrival begin with the one that holds the next", "[storage][contract]") {
  append(channel_, {row(kX, 1, 3, 1), row(kY, 21, 2, 4)});
  append(other_, {row(kX, 31, 4, 6)});
  append(channel_, {row(kX, 4, 1, 10)});
  CHECK(firsts(view()->segments_after(channel_, 0, kMuch).value()) == Seqs{1, 21, 4});
  CHECK(firsts(view()->segments_after(channel_, 2, kMuch).value()) == Seqs{1, 21, 4});
  CHECK(firsts(view()->segments_after(channel_, 3, kMuch).value()) == Seqs{21, 4});
  CHECK(firsts(view()->segments_after(channel_, 7, kMuch).value()) == Seqs{4});
  CHECK(view()->segments_after(channel_, 10, kMuch).value().empty());
}

TEST_CASE_METHOD(Fixture, "segments of all channels come in arrival order", "[storage][contract]") {
  append(channel_, {row(kX, 1, 3, 1)});
  append(other_, {row(kX, 31, 4, 4)});
  append(channel_, {row(kX, 4, 1, 8)});
  const auto rows = view()->segments_after(2, kMuch).value();
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].channel == channel_);
  CHECK(rows[1].channel == other_);
  CHECK(rows[1].row.first_seq == 31);
  CHECK(rows[2].row.first_seq == 4);
  CHECK(view()->segments_after(8, kMuch).value().empty());
}

TEST_CASE_METHOD(Fixture, "a replay since a time begins before the first segment that is not older",
                 "[storage][contract]") {
  append(channel_, {row(kX, 1, 3, 1, 100, 10), row(kX, 4, 2, 4, 100, 30), row(kY, 1, 1, 6, 100'000, 20),
                    row(kX, 6, 1, 7, 100, 40)});
  append(other_, {row(kX, 1, 1, 8, 100, 1000)});
  turn([](Storage& storage) { REQUIRE(storage.put_clock(8, {.wall_ms = 1000})); });
  const auto since = [this](std::uint64_t wall_ms) { return view()->first_arrival_since(channel_, wall_ms).value(); };
  CHECK(since(0) == 0);
  CHECK(since(10) == 0);
  CHECK(since(11) == 3);
  CHECK(since(30) == 3);
  CHECK(since(31) == 6);
  CHECK(since(41) == 8);
  CHECK(since(~std::uint64_t{0}) == 8);
  CHECK(firsts(view()->segments_after(channel_, since(31), kMuch).value()) == Seqs{6});
  CHECK(view()->segments_after(channel_, since(41), kMuch).value().empty());
  CHECK(view()->first_arrival_since(ChannelNo{99}, 0).value() == 8);
}

TEST_CASE_METHOD(Fixture, "a replay since a time is exact in a large log whose times go up and down",
                 "[storage][contract]") {
  std::vector<std::uint64_t> times;
  const auto exact = [&](std::size_t first, std::uint64_t wall_ms) -> Arrival {
    for (std::size_t i = first; i < times.size(); ++i) {
      if (times[i] >= wall_ms) return i;
    }
    return times.size();
  };
  const auto check = [&](std::size_t first) {
    const auto seen = view();
    for (std::uint64_t wall_ms = 0; wall_ms < 150; wall_ms += 3) {
      CHECK(seen->first_arrival_since(channel_, wall_ms).value() == exact(first, wall_ms));
    }
  };
  for (std::uint64_t i = 0; i < 60; ++i) {
    times.push_back(2 * i + (i * 7919) % 23);
    turn([&](Storage& storage) {
      REQUIRE(storage.append(channel_, row(kX, i + 1, 1, i + 1, 90'000, times.back())));
      REQUIRE(storage.append(other_, row(kX, i + 1, 1, i + 1, 70'000, 1'000'000 + i)));
      REQUIRE(storage.put_clock(i + 1, {.wall_ms = 1}));
    });
    if (i % 20 == 10) reopen();
  }
  check(0);
  turn([&](Storage& storage) { REQUIRE(storage.trim(channel_, 0, 0, 25).value().size() == 25); });
  check(25);
  reopen();
  check(25);
}

TEST_CASE_METHOD(Fixture, "a replay since a time takes what has no known age", "[storage][contract][G10]") {
  append(channel_, {row(kX, 1, 1, 1, 100, 10), row(kX, 2, 1, 2, 100, kAgeUnknown), row(kX, 3, 1, 3, 100, 30)});
  CHECK(view()->first_arrival_since(channel_, 30).value() == 1);
  CHECK(view()->first_arrival_since(channel_, ~std::uint64_t{0}).value() == 1);
}

TEST_CASE_METHOD(Fixture, "trimming by size drops the oldest segments until the rest fits", "[storage][contract][G6]") {
  append(channel_, {row(kX, 1, 2, 1), row(kY, 1, 1, 3), row(kX, 3, 4, 4)});
  append(other_, {row(kX, 1, 1, 8)});
  turn([this](Storage& storage) {
    const auto gone = storage.trim(channel_, 150, 0, 10).value();
    REQUIRE(gone.size() == 2);
    CHECK(gone[0].replica == kX);
    CHECK(gone[0].first == 1);
    CHECK(gone[0].last == 2);
    CHECK(gone[0].reason == GapReason::kSize);
    CHECK(gone[1].replica == kY);
  });
  CHECK(firsts(view()->segments_after(channel_, 0, kMuch).value()) == Seqs{3});
  CHECK(view()->segments(channel_, kX, 1, kMuch).value().size() == 1);
  CHECK(view()->segments_after(other_, 0, kMuch).value().size() == 1);
}

TEST_CASE_METHOD(Fixture, "trimming by age drops from the oldest arrival on", "[storage][contract][G6]") {
  append(channel_,
         {row(kX, 1, 1, 1, 100, 10), row(kX, 2, 1, 2, 100, 20), row(kX, 3, 1, 3, 100, 30), row(kX, 4, 1, 4, 100, 5)});
  turn([this](Storage& storage) {
    const auto gone = storage.trim(channel_, kMuch, 21, 10).value();
    REQUIRE(gone.size() == 2);
    CHECK(gone[1].reason == GapReason::kAge);
  });
  CHECK(firsts(view()->segments_after(channel_, 0, kMuch).value()) == Seqs{3, 4});
}

TEST_CASE_METHOD(Fixture, "what has no known age goes by size alone", "[storage][contract][G10]") {
  append(channel_, {row(kX, 1, 1, 1, 100, kAgeUnknown)});
  turn([this](Storage& storage) {
    CHECK(storage.trim(channel_, kMuch, kStampWallMsMax, 10).value().empty());
    CHECK(storage.trim(channel_, 99, kStampWallMsMax, 10).value().size() == 1);
  });
}

TEST_CASE_METHOD(Fixture, "one step of trimming is bounded", "[storage][contract][G6]") {
  append(channel_, {row(kX, 1, 1, 1), row(kX, 2, 1, 2), row(kX, 3, 1, 3)});
  turn([this](Storage& storage) {
    CHECK(storage.trim(channel_, 0, 0, 2).value().size() == 2);
    CHECK(storage.trim(channel_, 0, 0, 2).value().size() == 1);
    CHECK(storage.trim(channel_, 0, 0, 2).value().empty());
  });
}

TEST_CASE_METHOD(Fixture, "a channel's size counts what the turn appended", "[storage][contract][G6]") {
  append(channel_, {row(kX, 1, 1, 1)});
  turn([this](Storage& storage) {
    REQUIRE(storage.append(channel_, row(kX, 2, 1, 2)));
    CHECK(storage.trim(channel_, 199, 0, 10).value().size() == 1);
  });
  reopen();
  turn([this](Storage& storage) { CHECK(storage.trim(channel_, 100, 0, 10).value().empty()); });
}

TEST_CASE_METHOD(Fixture, "a log's totals follow the turn and survive a power loss", "[storage][contract][G6]") {
  const auto totals = [this](ChannelNo channel) {
    return std::pair(storage().log_totals(channel).ops, storage().log_totals(channel).bytes);
  };
  using Totals = std::pair<std::uint64_t, std::uint64_t>;
  append(channel_, {row(kX, 1, 3, 1, 1000), row(kY, 1, 5, 4, 200'000), row(kX, 4, 1, 9, 100'000)});
  append(other_, {row(kX, 1, 2, 10, 10)});
  CHECK(totals(channel_) == Totals{9, 301'000});
  CHECK(totals(other_) == Totals{2, 10});
  CHECK(totals(ChannelNo{99}) == Totals{0, 0});
  REQUIRE(storage().begin());
  REQUIRE(storage().append(channel_, row(kX, 5, 7, 12)));
  REQUIRE(storage().trim(channel_, 200, 0, 10));
  CHECK(totals(channel_) == Totals{7, 100});
  storage().rollback();
  CHECK(totals(channel_) == Totals{9, 301'000});
  turn([this](Storage& storage) { REQUIRE(storage.trim(channel_, 300'000, 0, 1)); });
  append(channel_, {row(kX, 5, 2, 12, 50)});
  reopen();
  CHECK(totals(channel_) == Totals{8, 300'050});
  CHECK(totals(other_) == Totals{2, 10});
}

TEST_CASE_METHOD(Fixture, "the segment that holds an op is found, or the next one", "[storage][contract][G5]") {
  append(channel_, {row(kX, 1, 3, 1), row(kY, 1, 1, 4), row(kX, 4, 2, 5), row(kX, 8, 1, 7)});
  append(other_, {row(kX, 1, 9, 8)});
  turn([this](Storage& storage) {
    const auto first = [&](ReplicaId replica, Seq from) {
      const auto found = storage.segment_from(channel_, replica, from).value();
      return found ? found->first_seq : 0;
    };
    CHECK(first(kX, 1) == 1);
    CHECK(first(kX, 3) == 1);
    CHECK(first(kX, 4) == 4);
    CHECK(first(kX, 6) == 8);
    CHECK(first(kX, 9) == 0);
    CHECK(first(kY, 1) == 1);
    CHECK(first(kY, 2) == 0);
  });
}

TEST_CASE_METHOD(Fixture, "a replaced segment keeps its place in the log", "[storage][contract][G5]") {
  append(channel_, {row(kX, 1, 3, 1), row(kX, 4, 2, 4, 60), row(kX, 6, 1, 6)});
  turn([this](Storage& storage) { REQUIRE(storage.replace(channel_, row(kY, 1, 2, 4, 40))); });
  reopen();
  const std::vector<SegmentRow> rows = view()->segments_after(channel_, 0, kMuch).value();
  REQUIRE(rows.size() == 3);
  CHECK(rows[1].replica == kY);
  CHECK(rows[1].first_seq == 1);
  CHECK(rows[1].first_arrival == 4);
  CHECK(rows[1].bytes.size() == 40);
  CHECK(firsts(view()->segments(channel_, kX, 1, kMuch).value()) == Seqs{1, 6});
  CHECK(storage().log_totals(channel_).bytes == 240);
  CHECK(storage().log_totals(channel_).ops == 6);
}

TEST_CASE_METHOD(Fixture, "a divided segment keeps its arrival numbers, and the log its totals",
                 "[storage][contract][G5]") {
  append(channel_, {row(kX, 1, 3, 1), row(kX, 4, 5, 4, 60), row(kX, 9, 1, 9)});
  turn([this](Storage& storage) {
    REQUIRE(storage.divide(channel_, row(kX, 4, 2, 4, 30), row(kY, 6, 3, 6, 50)));
    CHECK(storage.log_totals(channel_).bytes == 280);
  });
  append(channel_, {row(kY, 9, 1, 10)});
  reopen();
  const std::vector<SegmentRow> rows = view()->segments_after(channel_, 0, kMuch).value();
  REQUIRE(rows.size() == 5);
  CHECK(rows[1].first_arrival == 4);
  CHECK(rows[1].count == 2);
  CHECK(rows[2].first_arrival == 6);
  CHECK(rows[2].replica == kY);
  CHECK(firsts(view()->segments(channel_, kX, 1, kMuch).value()) == Seqs{1, 4, 9});
  CHECK(firsts(view()->segments(channel_, kY, 1, kMuch).value()) == Seqs{6, 9});
  CHECK(storage().log_totals(channel_).bytes == 380);
  CHECK(storage().log_totals(channel_).ops == 10);
}

TEST_CASE_METHOD(Fixture, "a segment that was divided in a turn that is rolled back is whole",
                 "[storage][contract][G5]") {
  append(channel_, {row(kX, 1, 3, 1)});
  REQUIRE(storage().begin());
  REQUIRE(storage().divide(channel_, row(kX, 1, 1, 1), row(kY, 2, 2, 2)));
  storage().rollback();
  CHECK(firsts(view()->segments(channel_, kX, 1, kMuch).value()) == Seqs{1});
  CHECK(storage().log_totals(channel_).bytes == 100);
  CHECK(storage().log_totals(channel_).ops == 3);
}

}  // namespace hedgerow::test::storage_contract
