// The retained messages: cells, tombstones, and their number.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "tests/contract/storage/fixture.hpp"

namespace hedgerow::test::storage_contract {

TEST_CASE_METHOD(Fixture, "a cell comes back as it was stored", "[storage][contract]") {
  put({cell("a/b", "value", 1U << 31U)});
  const Cell stored = cell("a/b", "value", 1U << 31U);
  const Cell held = view()->cell(channel_, "a/b").value().value();
  CHECK(held.order == stored.order);
  CHECK(held.order.stamp.quality == ClockQuality::kSynchronised);
  CHECK(held.order.stamp.behind_ms == kStampWallMsMax);
  CHECK(held.arrival == stored.arrival);
  CHECK(held.qos == stored.qos);
  CHECK(held.publisher == stored.publisher);
  CHECK(held.message->topic == "a/b");
  CHECK(held.message->properties == stored.message->properties);
  CHECK(held.message->payload == stored.message->payload);
  CHECK(held.message->expiry_s == stored.message->expiry_s);
  CHECK(held.state.empty());
}

TEST_CASE_METHOD(Fixture, "a cell of a channel that merges keeps its state", "[storage][contract][G3]") {
  Cell merged = cell("a/b", "7");
  merged.state = to_bytes(std::string_view("\x02\0state", 7));
  put({merged});
  reopen();
  const Cell held = view()->cell(channel_, "a/b").value().value();
  CHECK(held.state == merged.state);
  const std::vector<Cell> all = view()->cells(channel_, "", "", kMuch).value();
  CHECK(all.front().state == merged.state);
  merged.state = to_bytes("other");
  put({merged});
  CHECK(view()->cell(channel_, "a/b").value()->state == merged.state);
}

TEST_CASE_METHOD(Fixture, "the turn sees whole cells, one behind the other", "[storage][contract]") {
  turn([this](Storage& storage) {
    Cell merged = cell("b", "v", 4);
    merged.state = to_bytes("state");
    REQUIRE(storage.put_cell(channel_, merged));
    REQUIRE(storage.put_cell(channel_, cell("d", "")));
    REQUIRE(storage.put_cell(other_, cell("c", "v")));
    const Cell held = storage.whole_cell(channel_, "b").value().value();
    CHECK(held.order == merged.order);
    CHECK(held.message->payload == merged.message->payload);
    CHECK(held.message->properties == merged.message->properties);
    CHECK(held.publisher == merged.publisher);
    CHECK(held.qos == merged.qos);
    CHECK(held.state == merged.state);
    CHECK_FALSE(storage.whole_cell(channel_, "a").value());
    CHECK_FALSE(storage.whole_cell(other_, "b").value());
    CHECK(storage.cell_behind(channel_, "").value()->message->topic == "b");
    CHECK(storage.cell_behind(channel_, "b").value()->message->topic == "d");
    CHECK_FALSE(storage.cell_behind(channel_, "d").value());
  });
}

TEST_CASE_METHOD(Fixture, "how a channel merges is kept with the turn", "[storage][contract][G3]") {
  turn([this](Storage& storage) { REQUIRE(storage.put_merge(channel_, MergeKind::kCounter)); });
  REQUIRE(storage().begin());
  REQUIRE(storage().put_merge(channel_, MergeKind::kDocument));
  storage().rollback();
  reopen();
  const StoredState state = storage().load().value();
  for (const ChannelState& channel : state.channels) {
    CHECK(channel.merge == (channel.number == channel_ ? MergeKind::kCounter : MergeKind::kLastWrite));
  }
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

}  // namespace hedgerow::test::storage_contract
