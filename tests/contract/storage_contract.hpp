// The contract of sync::Storage, sync::ReadViews and sync::ReadView: one suite for every implementation.
//
// Define STORAGE_HARNESS as a default-constructible type, then include this file in one source of the test program:
//
//   class MyHarness {
//    public:
//     sync::Storage& storage();
//     sync::ReadViews& views();
//     void reopen();   // as after a power loss: what was committed is there again, what was not is gone
//   };
//   #define STORAGE_HARNESS MyHarness
//   #include "tests/contract/storage_contract.hpp"
//
// Each instance begins with an empty database.
#pragma once

#ifndef STORAGE_HARNESS
#error "define STORAGE_HARNESS before including storage_contract.hpp"
#endif

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sync/engine/storage.hpp"
#include "sync/limits.hpp"

namespace hedgerow::test::storage_contract {

using namespace sync;

inline constexpr ReplicaId kX{0xFFFF'FFFF'FFFF'FF01};  // needs all 64 bits
inline constexpr ReplicaId kY{7};
inline constexpr std::size_t kMuch = std::size_t{1} << 20U;

// Storage does not look into a segment: any bytes will do.
inline SegmentRow row(ReplicaId replica, Seq first, std::uint32_t count, Arrival arrival, std::size_t bytes = 100,
                      std::uint64_t newest_wall_ms = 1000) {
  return {.replica = replica,
          .first_seq = first,
          .count = count,
          .first_arrival = arrival,
          .newest_wall_ms = newest_wall_ms,
          .bytes = Bytes(bytes, static_cast<std::uint8_t>(first))};
}

inline Cell cell(std::string_view topic, std::string_view payload, Seq seq = 1) {
  auto message = std::make_shared<Message>();
  message->topic = topic;
  message->payload = to_bytes(payload);
  message->properties = to_bytes("props");
  message->expiry_s = 0xFFFF'FFFE;
  return {.order = {.stamp = {.wall_ms = kStampWallMsMax, .counter = 0xFFFE, .quality = ClockQuality::kSynchronised},
                    .replica = kX,
                    .seq = seq},
          .arrival = 9,
          .qos = 2,
          .publisher = ~std::uint64_t{0},
          .message = std::move(message)};
}

inline ReplicaState replica(ReplicaId id, Seq seq, Seq trimmed = 0) {
  ReplicaState state{.replica = id, .seq = seq, .head = {}, .trimmed = trimmed};
  state.head.fill(static_cast<std::uint8_t>(seq));
  return state;
}

class Fixture : public STORAGE_HARNESS {
 public:
  Fixture() {
    turn([this](Storage& storage) {
      channel_ = storage.define_channel("default").value();
      other_ = storage.define_channel("other").value();
    });
  }

  template <class Work>
  void turn(Work work) {
    REQUIRE(this->storage().begin());
    work(this->storage());
    REQUIRE(this->storage().commit());
  }
  void append(ChannelNo channel, std::vector<SegmentRow> rows) {
    turn([&](Storage& storage) {
      for (const SegmentRow& one : rows) REQUIRE(storage.append(channel, one));
    });
  }
  void put(std::vector<Cell> cells) {
    turn([&](Storage& storage) {
      for (const Cell& one : cells) REQUIRE(storage.put_cell(channel_, one));
    });
  }
  [[nodiscard]] std::unique_ptr<ReadView> view() { return this->views().open_view().value(); }

  [[nodiscard]] static std::vector<Seq> firsts(const std::vector<SegmentRow>& rows) {
    std::vector<Seq> out;
    for (const SegmentRow& one : rows) out.push_back(one.first_seq);
    return out;
  }
  [[nodiscard]] static std::vector<std::string> topics(const std::vector<Cell>& cells) {
    std::vector<std::string> out;
    for (const Cell& one : cells) out.push_back(one.message->topic);
    return out;
  }
  using Seqs = std::vector<Seq>;
  using Topics = std::vector<std::string>;

  ChannelNo channel_{};
  ChannelNo other_{};
};

TEST_CASE_METHOD(Fixture, "a new database has a replica id and no past", "[storage][contract]") {
  const StoredState state = storage().load().value();
  CHECK(state.self != ReplicaId{});
  CHECK(state.last_arrival == 0);
  CHECK(state.last_stamp == Stamp{});
}

TEST_CASE_METHOD(Fixture, "the replica id survives a restart", "[storage][contract][G5]") {
  const ReplicaId self = storage().load().value().self;
  reopen();
  CHECK(storage().load().value().self == self);
}

TEST_CASE_METHOD(Fixture, "a channel keeps its number", "[storage][contract]") {
  CHECK(channel_ != other_);
  reopen();
  turn([this](Storage& storage) { CHECK(storage.define_channel("default").value() == channel_); });
  const StoredState state = storage().load().value();
  REQUIRE(state.channels.size() == 2);
  CHECK(state.channels[0].number == channel_);
  CHECK(state.channels[0].name == "default");
}

TEST_CASE_METHOD(Fixture, "what was committed survives a power loss", "[storage][contract][G1]") {
  turn([this](Storage& storage) {
    REQUIRE(storage.append(channel_, row(kX, 1, 3, 1)));
    REQUIRE(storage.put_replica(channel_, replica(kX, 3, 1)));
    REQUIRE(storage.put_clock(3, {.wall_ms = 77, .counter = 5, .quality = ClockQuality::kSynchronised}));
    REQUIRE(storage.put_cell(channel_, cell("t", "v")));
  });
  reopen();
  const StoredState state = storage().load().value();
  CHECK(state.last_arrival == 3);
  CHECK(state.last_stamp == Stamp{.wall_ms = 77, .counter = 5});
  CHECK(state.last_stamp.quality == ClockQuality::kSynchronised);
  const std::vector<ReplicaState>& replicas = state.channels.at(0).replicas;
  REQUIRE(replicas.size() == 1);
  CHECK(replicas[0].replica == kX);
  CHECK(replicas[0].seq == 3);
  CHECK(replicas[0].trimmed == 1);
  CHECK(replicas[0].head == replica(kX, 3).head);
  CHECK(view()->cell(channel_, "t").value().has_value());
  CHECK(view()->segments(channel_, kX, 1, kMuch).value().size() == 1);
}

TEST_CASE_METHOD(Fixture, "what was not committed is gone after a power loss", "[storage][contract]") {
  REQUIRE(storage().begin());
  REQUIRE(storage().append(channel_, row(kX, 1, 3, 1)));
  REQUIRE(storage().put_cell(channel_, cell("t", "v")));
  reopen();
  CHECK(view()->segments_after(0, kMuch).value().empty());
  CHECK_FALSE(view()->cell(channel_, "t").value());
}

TEST_CASE_METHOD(Fixture, "a rollback undoes the whole turn", "[storage][contract]") {
  append(channel_, {row(kX, 1, 3, 1)});
  put({cell("t", "old")});
  REQUIRE(storage().begin());
  REQUIRE(storage().append(channel_, row(kX, 4, 1, 4)));
  REQUIRE(storage().put_cell(channel_, cell("t", "new", 2)));
  REQUIRE(storage().put_replica(channel_, replica(kX, 4)));
  REQUIRE(storage().add_gap(channel_, {.replica = kX, .first = 1, .last = 2, .reason = GapReason::kAge}));
  REQUIRE(storage().trim(channel_, 0, 0, 1));
  REQUIRE(storage().stage_page(channel_, "peer", 0, as_bytes("page")));
  storage().rollback();
  const auto after = view();
  CHECK(firsts(after->segments_after(channel_, 0, kMuch).value()) == Seqs{1});
  CHECK(after->cell(channel_, "t").value()->message->payload == to_bytes("old"));
  CHECK(after->replicas(channel_).value().empty());
  CHECK(after->gaps(channel_).value().empty());
  turn([this](Storage& storage) { CHECK_FALSE(storage.staged_page(channel_, "peer", 0).value()); });
}

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

TEST_CASE_METHOD(Fixture, "a cell comes back as it was stored", "[storage][contract]") {
  put({cell("a/b", "value", 1U << 31U)});
  const Cell stored = cell("a/b", "value", 1U << 31U);
  const Cell held = view()->cell(channel_, "a/b").value().value();
  CHECK(held.order == stored.order);
  CHECK(held.order.stamp.quality == ClockQuality::kSynchronised);
  CHECK(held.arrival == stored.arrival);
  CHECK(held.qos == stored.qos);
  CHECK(held.publisher == stored.publisher);
  CHECK(held.message->topic == "a/b");
  CHECK(held.message->properties == stored.message->properties);
  CHECK(held.message->payload == stored.message->payload);
  CHECK(held.message->expiry_s == stored.message->expiry_s);
}

TEST_CASE_METHOD(Fixture, "no expiry is not expiry 0", "[storage][contract]") {
  Cell none = cell("none", "v");
  Cell zero = cell("zero", "v");
  auto plain = std::make_shared<Message>(*none.message);
  plain->expiry_s.reset();
  none.message = plain;
  auto at_once = std::make_shared<Message>(*zero.message);
  at_once->expiry_s = 0;
  zero.message = at_once;
  put({none, zero});
  CHECK(view()->cell(channel_, "none").value()->message->expiry_s == std::nullopt);
  CHECK(view()->cell(channel_, "zero").value()->message->expiry_s == 0U);
}

TEST_CASE_METHOD(Fixture, "the turn sees the cells that it wrote", "[storage][contract]") {
  turn([this](Storage& storage) {
    CHECK_FALSE(storage.held_cell(channel_, "t").value());
    REQUIRE(storage.put_cell(channel_, cell("t", "v", 4)));
    CHECK(storage.held_cell(channel_, "t").value()->order.seq == 4);
    REQUIRE(storage.put_cell(channel_, cell("t", "w", 5)));
    CHECK(storage.held_cell(channel_, "t").value()->order == cell("t", "w", 5).order);
    CHECK_FALSE(storage.held_cell(other_, "t").value());
  });
}

TEST_CASE_METHOD(Fixture, "a held cell says whether it is a tombstone", "[storage][contract][G4]") {
  put({cell("live", "v"), cell("dead", "")});
  turn([this](Storage& storage) {
    CHECK_FALSE(storage.held_cell(channel_, "live").value()->is_tombstone);
    CHECK(storage.held_cell(channel_, "dead").value()->is_tombstone);
  });
}

TEST_CASE_METHOD(Fixture, "the number of live cells is kept with the turn", "[storage][contract][G6]") {
  turn([this](Storage& storage) { REQUIRE(storage.put_live_cells(channel_, 7)); });
  REQUIRE(storage().begin());
  REQUIRE(storage().put_live_cells(channel_, 8));
  storage().rollback();
  CHECK(storage().load().value().channels.at(0).live_cells == 7);
  CHECK(storage().load().value().channels.at(1).live_cells == 0);
  turn([this](Storage& storage) { REQUIRE(storage.put_live_cells(channel_, std::uint64_t{1} << 33U)); });
  reopen();
  CHECK(storage().load().value().channels.at(0).live_cells == std::uint64_t{1} << 33U);
}

TEST_CASE_METHOD(Fixture, "cells come in byte order of their topics", "[storage][contract]") {
  put({cell("b", "1"), cell("a/\xC3\xA9", "2"), cell("a", "3"), cell("B", "4"), cell("a/z", "5")});
  CHECK(topics(view()->cells(channel_, "", "", kMuch).value()) == Topics{"B", "a", "a/z", "a/\xC3\xA9", "b"});
  CHECK(topics(view()->cells(channel_, "", "a/z", kMuch).value()) == Topics{"a/\xC3\xA9", "b"});
  CHECK(topics(view()->cells(channel_, "", "a/", kMuch).value()) == Topics{"a/z", "a/\xC3\xA9", "b"});
  CHECK(topics(view()->cells(channel_, "a/", "", kMuch).value()) == Topics{"a/z", "a/\xC3\xA9"});
  CHECK(topics(view()->cells(channel_, "a/", "a/z", kMuch).value()) == Topics{"a/\xC3\xA9"});
  CHECK(view()->cells(channel_, "c", "", kMuch).value().empty());
}

TEST_CASE_METHOD(Fixture, "a prefix of cells knows no wildcards", "[storage][contract]") {
  put({cell("a_b", "1"), cell("axb", "2"), cell("a%b", "3"), cell("a*b", "4"), cell("a[x]b", "5")});
  CHECK(topics(view()->cells(channel_, "a_", "", kMuch).value()) == Topics{"a_b"});
  CHECK(topics(view()->cells(channel_, "a%", "", kMuch).value()) == Topics{"a%b"});
  CHECK(topics(view()->cells(channel_, "a*", "", kMuch).value()) == Topics{"a*b"});
  CHECK(topics(view()->cells(channel_, "a[", "", kMuch).value()) == Topics{"a[x]b"});
}

TEST_CASE_METHOD(Fixture, "a batch of cells ends once its bytes are passed, and is never empty for that",
                 "[storage][contract][G6]") {
  put({cell("a", std::string(100, 'x')), cell("b", std::string(100, 'x')), cell("c", "")});
  CHECK(topics(view()->cells(channel_, "", "", 0).value()) == Topics{"a"});
  CHECK(topics(view()->cells(channel_, "", "", 150).value()) == Topics{"a", "b"});
}

TEST_CASE_METHOD(Fixture, "a tombstone is a cell", "[storage][contract][G4]") {
  put({cell("t", "v"), cell("t", "", 2)});
  CHECK(view()->cell(channel_, "t").value()->is_tombstone());
  CHECK(view()->cells(channel_, "", "", kMuch).value().size() == 1);
}

TEST_CASE_METHOD(Fixture, "replicas come in order, with all 64 bits", "[storage][contract]") {
  turn([this](Storage& storage) {
    REQUIRE(storage.put_replica(channel_, replica(kX, 9)));
    REQUIRE(storage.put_replica(channel_, replica(kY, 4)));
    REQUIRE(storage.put_replica(channel_, replica(kX, 10, 2)));
  });
  const std::vector<ReplicaState> seen = view()->replicas(channel_).value();
  REQUIRE(seen.size() == 2);
  CHECK(seen[0].replica == kY);
  CHECK(seen[1].replica == kX);
  CHECK(seen[1].seq == 10);
  CHECK(seen[1].trimmed == 2);
  CHECK(view()->replicas(other_).value().empty());
  const StoredState loaded = storage().load().value();
  CHECK(loaded.channels.at(0).replicas.at(1).replica == kX);
}

TEST_CASE_METHOD(Fixture, "a view keeps what it saw when it was opened", "[storage][contract]") {
  append(channel_, {row(kX, 1, 1, 1)});
  const auto early = view();
  CHECK(early->segments_after(channel_, 0, kMuch).value().size() == 1);
  append(channel_, {row(kX, 2, 1, 2)});
  CHECK(early->segments_after(channel_, 0, kMuch).value().size() == 1);
  CHECK(view()->segments_after(channel_, 0, kMuch).value().size() == 2);
}

TEST_CASE_METHOD(Fixture, "a view sees nothing of a turn that is under way", "[storage][contract][G1]") {
  append(channel_, {row(kX, 1, 1, 1)});
  REQUIRE(storage().begin());
  REQUIRE(storage().append(channel_, row(kX, 2, 1, 2)));
  REQUIRE(storage().put_clock(2, {.wall_ms = 1}));
  CHECK(view()->segments_after(channel_, 0, kMuch).value().size() == 1);
  CHECK(view()->last_arrival().value() == 0);
  REQUIRE(storage().commit());
  CHECK(view()->last_arrival().value() == 2);
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

TEST_CASE_METHOD(Fixture, "a gap that continues the one before extends it", "[storage][contract][G6]") {
  turn([this](Storage& storage) {
    REQUIRE(storage.add_gap(channel_, {.replica = kX, .first = 1, .last = 4, .reason = GapReason::kAge}));
    REQUIRE(storage.add_gap(channel_, {.replica = kY, .first = 5, .last = 5, .reason = GapReason::kAge}));
    REQUIRE(storage.add_gap(channel_, {.replica = kX, .first = 5, .last = 9, .reason = GapReason::kAge}));
    REQUIRE(storage.add_gap(channel_, {.replica = kX, .first = 10, .last = 11, .reason = GapReason::kSize}));
  });
  turn([this](Storage& storage) {
    REQUIRE(storage.add_gap(channel_, {.replica = kX, .first = 12, .last = 13, .reason = GapReason::kSize}));
  });
  reopen();
  std::vector<Seq> last_of_x;
  const std::vector<Gap> gaps = view()->gaps(channel_).value();
  CHECK(gaps.size() == 3);
  for (const Gap& gap : gaps) {
    if (gap.replica == kX) last_of_x.push_back(gap.last);
  }
  CHECK(last_of_x == Seqs{9, 13});
  CHECK(view()->gaps(other_).value().empty());
}

TEST_CASE_METHOD(Fixture, "a staged page waits until it is dropped, apart from other peers' pages",
                 "[storage][contract][G2]") {
  turn([this](Storage& storage) {
    REQUIRE(storage.stage_page(channel_, "a", 0, as_bytes("first")));
    REQUIRE(storage.stage_page(channel_, "a", 1, as_bytes("second")));
    REQUIRE(storage.stage_page(channel_, "a", 0, as_bytes("anew")));
    REQUIRE(storage.stage_page(channel_, "b", 0, as_bytes("b")));
    REQUIRE(storage.stage_page(other_, "a", 0, as_bytes("other")));
  });
  reopen();
  turn([this](Storage& storage) {
    CHECK(storage.staged_page(channel_, "a", 0).value() == to_bytes("anew"));
    CHECK(storage.staged_page(channel_, "a", 1).value() == to_bytes("second"));
    CHECK_FALSE(storage.staged_page(channel_, "a", 2).value());
    REQUIRE(storage.drop_staged(channel_, "a"));
    CHECK_FALSE(storage.staged_page(channel_, "a", 1).value());
    CHECK(storage.staged_page(channel_, "b", 0).value() == to_bytes("b"));
    CHECK(storage.staged_page(other_, "a", 0).value() == to_bytes("other"));
  });
}

TEST_CASE_METHOD(Fixture, "a database that goes on under another name keeps it", "[storage][contract][G5]") {
  turn([](Storage& storage) { REQUIRE(storage.put_self(kY)); });
  reopen();
  CHECK(storage().load().value().self == kY);
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

TEST_CASE_METHOD(Fixture, "what is renamed takes its cells and gaps along, from number 1 on",
                 "[storage][contract][G5]") {
  put({cell("a", "1", 4), cell("b", "2", 5), cell("c", "3", 9)});
  turn([this](Storage& storage) {
    REQUIRE(storage.add_gap(channel_, {.replica = kX, .first = 2, .last = 7, .reason = GapReason::kAge}));
    REQUIRE(storage.add_gap(channel_, {.replica = kX, .first = 8, .last = 8, .reason = GapReason::kSize}));
    REQUIRE(storage.rename(channel_, kX, 4, kY));
  });
  reopen();
  const std::vector<Cell> cells = view()->cells(channel_, "", "", kMuch).value();
  REQUIRE(cells.size() == 3);
  CHECK(cells[0].order.replica == kX);
  CHECK(cells[0].order.seq == 4);
  CHECK(cells[1].order.replica == kY);
  CHECK(cells[1].order.seq == 1);
  CHECK(cells[2].order.seq == 5);
  std::vector<std::string> gaps;
  const std::vector<Gap> held = view()->gaps(channel_).value();
  for (const Gap& gap : held) {
    gaps.push_back(std::string(gap.replica == kX ? "X" : "Y") + std::to_string(gap.first) + "-" +
                   std::to_string(gap.last));
  }
  std::sort(gaps.begin(), gaps.end());
  CHECK(gaps == std::vector<std::string>{"X2-4", "Y1-3", "Y4-4"});
}

}  // namespace hedgerow::test::storage_contract
