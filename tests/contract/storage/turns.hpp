// Turns and snapshots; who the database is; frontiers, gaps and staged pages.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "tests/contract/storage/fixture.hpp"

namespace hedgerow::test::storage_contract {

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

TEST_CASE_METHOD(Fixture, "a lineage comes back with its replica, also after a power loss", "[storage][contract][G5]") {
  const Lineage lineage{.root = kX, .base = 300, .runs = {{1, ~std::uint64_t{0}}, {kSeqMax, 2}}};
  turn([&](Storage& storage) {
    REQUIRE(storage.put_replica(channel_, replica(kY, 400)));
    REQUIRE(storage.put_lineage(channel_, kY, {.root = kY, .base = 0, .runs = {}}));
    REQUIRE(storage.put_lineage(channel_, kY, lineage));
    REQUIRE(storage.put_replica(channel_, replica(kX, 5)));
    REQUIRE(storage.put_replica(other_, replica(kY, 5)));
  });
  turn([&](Storage& storage) { REQUIRE(storage.put_replica(channel_, replica(kY, 401))); });
  reopen();
  const std::vector<ReplicaState> seen = view()->replicas(channel_).value();
  REQUIRE(seen.size() == 2);
  REQUIRE(seen[0].lineage != nullptr);
  CHECK(*seen[0].lineage == lineage);
  CHECK(seen[0].seq == 401);
  CHECK(seen[1].lineage == nullptr);
  CHECK(view()->replicas(other_).value().at(0).lineage == nullptr);
  CHECK(*storage().load().value().channels.at(0).replicas.at(0).lineage == lineage);
}

TEST_CASE_METHOD(Fixture, "a lineage goes with a turn that is rolled back", "[storage][contract][G5]") {
  turn([this](Storage& storage) { REQUIRE(storage.put_replica(channel_, replica(kX, 5))); });
  REQUIRE(storage().begin());
  REQUIRE(storage().put_replica(channel_, replica(kY, 5)));
  REQUIRE(storage().put_lineage(channel_, kX, {.root = kX, .base = 0, .runs = {{1, 1}}}));
  REQUIRE(storage().put_lineage(channel_, kY, {.root = kX, .base = 2, .runs = {{1, 1}}}));
  storage().rollback();
  const std::vector<ReplicaState> seen = view()->replicas(channel_).value();
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].lineage == nullptr);
}

TEST_CASE_METHOD(Fixture, "a gap is found from above, and shrinks from its upper end", "[storage][contract][G6]") {
  const Gap elsewhere{.replica = kX, .first = 10, .last = 60, .reason = GapReason::kTrimmedElsewhere};
  turn([&](auto& storage) {
    REQUIRE(storage.add_gap(channel_, {.replica = kX, .first = 1, .last = 4, .reason = GapReason::kAge}));
    REQUIRE(storage.add_gap(channel_, elsewhere));
    REQUIRE(storage.add_gap(channel_, {.replica = kX, .first = 80, .last = 90, .reason = GapReason::kSize}));
    const auto found = storage.gap_from_below(channel_, kX, 60);
    REQUIRE(found);
    REQUIRE(*found);
    CHECK((*found)->first == 10);
    CHECK((*found)->last == 60);
    CHECK((*found)->reason == GapReason::kTrimmedElsewhere);
    CHECK_FALSE(*storage.gap_from_below(channel_, kY, 60));
    REQUIRE(storage.end_gap(channel_, elsewhere, 20));
    CHECK((*storage.gap_from_below(channel_, kX, 70))->last == 20);
    REQUIRE(storage.end_gap(channel_, elsewhere, 9));
    CHECK((*storage.gap_from_below(channel_, kX, 70))->first == 1);
  });
  CHECK(view()->gaps(channel_).value().size() == 2);
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

TEST_CASE_METHOD(Fixture, "a branch takes its cells and gaps along, under their numbers", "[storage][contract][G5]") {
  put({cell("a", "1", 4), cell("b", "2", 5), cell("c", "3", 9)});
  turn([this](Storage& storage) {
    REQUIRE(storage.add_gap(channel_, {.replica = kX, .first = 2, .last = 7, .reason = GapReason::kAge}));
    REQUIRE(storage.add_gap(channel_, {.replica = kX, .first = 8, .last = 8, .reason = GapReason::kSize}));
    REQUIRE(storage.branch_off(channel_, kX, 4, kY));
  });
  reopen();
  const std::vector<Cell> cells = view()->cells(channel_, "", "", kMuch).value();
  REQUIRE(cells.size() == 3);
  CHECK(cells[0].order.replica == kX);
  CHECK(cells[0].order.seq == 4);
  CHECK(cells[1].order.replica == kY);
  CHECK(cells[1].order.seq == 5);
  CHECK(cells[2].order.seq == 9);
  std::vector<std::string> gaps;
  const std::vector<Gap> held = view()->gaps(channel_).value();
  for (const Gap& gap : held) {
    gaps.push_back(std::string(gap.replica == kX ? "X" : "Y") + std::to_string(gap.first) + "-" +
                   std::to_string(gap.last));
  }
  std::sort(gaps.begin(), gaps.end());
  CHECK(gaps == std::vector<std::string>{"X2-4", "Y5-7", "Y8-8"});
}

}  // namespace hedgerow::test::storage_contract
