// SyncNode: an engine on a disk in memory, with the few lines that a node puts around it. For the tests of sync/.
// Thread rule: one thread.
#pragma once

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "security/crypto_mbedtls/crypto.hpp"
#include "sync/engine/digest.hpp"
#include "sync/engine/engine.hpp"
#include "sync/engine/pull.hpp"
#include "tests/support/memory_storage.hpp"

namespace hedgerow::test {

using namespace sync;

inline constexpr OpKind kRecord{.record = true, .cell = false, .qos = 1};
inline constexpr OpKind kRetained{.record = true, .cell = true, .qos = 1};
inline constexpr OpKind kCellOnly{.record = false, .cell = true, .qos = 0};
inline constexpr std::uint64_t kStartMs = 1'700'000'000'000;
inline constexpr std::string_view kPeer = "peer";

inline MessagePtr message(std::string_view topic, std::string_view payload) {
  auto out = std::make_shared<Message>();
  out->topic = topic;
  out->payload = to_bytes(payload);
  return out;
}

inline WallTime at(std::uint64_t ms, ClockQuality quality = ClockQuality::kSynchronised) {
  return {.unix_ms = kStartMs + ms, .quality = quality};
}

class SyncNode {
 public:
  // The bound on retained messages refuses in channel c.
  explicit SyncNode(std::uint64_t replica, Keep keep = {.age_ms = 1'000'000, .size_bytes = 1U << 20U},
                    std::optional<std::uint64_t> live_cells_max = {}, MergeKind merge = MergeKind::kLastWrite)
      : storage(ReplicaId{replica}), keep_(keep), live_cells_max_(live_cells_max), merge_(merge) {
    reopen();
  }

  // As a restart of the process.
  void reopen() {
    engine.emplace(storage, hasher);
    REQUIRE(engine->open({{.name = "c", .keep = keep_, .merge = merge_, .live_cells_max = live_cells_max_},
                          {.name = "d", .keep = keep_}},
                         ReplicaId{fresh()}));
    c = number_of("c");
    d = number_of("d");
  }

  [[nodiscard]] ChannelNo number_of(std::string_view name) const {
    for (const ChannelState& channel : engine->channels()) {
      if (channel.name == name) return channel.number;
    }
    FAIL("no channel " << name);
    return {};
  }

  template <class Work>
  Committed turn(Work work) {
    REQUIRE(engine->begin());
    work(*engine);
    auto committed = engine->commit();
    REQUIRE(committed);
    return std::move(*committed);
  }

  Committed write(std::string_view topic, std::string_view payload, OpKind kind = kRecord) {
    return turn([&](Engine& to) {
      REQUIRE(to.write(at(++now_ms), {.channel = c, .kind = kind, .publisher = 5, .message = message(topic, payload)}));
    });
  }

  ReceiveResult receive(ByteView segment) {
    ReceiveResult result{};
    turn([&](Engine& to) {
      const auto received = to.receive(at(now_ms), c, segment);
      REQUIRE(received);
      result = *received;
    });
    return result;
  }

  // One step of retention, as if the clock stood at `ms`.
  bool trim(std::uint64_t ms, ClockQuality quality = ClockQuality::kSynchronised) {
    bool more = false;
    turn([&](Engine& to) {
      const auto trimmed = to.trim(at(ms, quality));
      REQUIRE(trimmed);
      more = *trimmed;
    });
    return more;
  }
  // Trims every record that is there now.
  void trim_all() {
    const std::uint64_t all_are_old = now_ms + keep_.age_ms + 1'000'000;
    while (trim(all_are_old)) {
    }
  }

  [[nodiscard]] Expected<PullAnswer> answer(const PullRequest& request, PullLimits limits = {}) {
    const auto view = storage.open_view();
    return answer_pull(**view, hasher, c, "c", request, limits);
  }

  [[nodiscard]] const std::vector<ReplicaState>& replicas() const {
    for (const ChannelState& channel : engine->channels()) {
      if (channel.number == c) return channel.replicas;
    }
    FAIL("channel c is missing");
    return engine->channels().front().replicas;
  }
  [[nodiscard]] Frontier frontier() const { return frontier_of(replicas()); }
  [[nodiscard]] Seq seq(std::uint64_t replica) const { return seq_in(replicas(), ReplicaId{replica}); }

  // The retained value of a topic; "-" without one.
  [[nodiscard]] std::string value(std::string_view topic) {
    const auto cell = storage.open_view().value()->cell(c, topic).value();
    return cell && !cell->is_tombstone() ? std::string(as_text(cell->message->payload)) : "-";
  }

  // "replica:seq" of every op in the log, in order of the replicas.
  [[nodiscard]] std::vector<std::string> log() {
    std::vector<std::string> out;
    const auto view = storage.open_view().value();
    const std::vector<ReplicaState> states = view->replicas(c).value();
    for (const ReplicaState& state : states) {
      const std::vector<SegmentRow> rows = view->segments(c, state.replica, 1, ~std::size_t{0}).value();
      for (const SegmentRow& row : rows) {
        for (std::uint32_t i = 0; i < row.count; ++i) {
          out.push_back(std::to_string(static_cast<std::uint64_t>(row.replica)) + ":" +
                        std::to_string(row.first_seq + i));
        }
      }
    }
    return out;
  }

  [[nodiscard]] std::string digest(DigestCheck check = DigestCheck::kRecords) {
    const auto view = storage.open_view().value();
    const auto hash = channel_digest(*view, hasher, c, "c", check);
    REQUIRE(hash);
    return to_hex(*hash);
  }

  // A name that nobody has.
  [[nodiscard]] static std::uint64_t fresh() {
    static std::uint64_t last = std::uint64_t{99} << 56U;
    return last += std::uint64_t{1} << 33U;
  }

  MemoryStorage storage;
  security::Sha256 hasher;
  std::optional<Engine> engine;
  ChannelNo c{};
  ChannelNo d{};
  std::uint64_t now_ms = 0;

 private:
  Keep keep_;
  std::optional<std::uint64_t> live_cells_max_;
  MergeKind merge_;
};

// The segments that a node would send to someone who knows nothing.
inline std::vector<Bytes> segments_of(SyncNode& node, std::uint32_t window = 1U << 20U, Frontier frontier = {}) {
  const auto answer = node.answer({.frontier = std::move(frontier), .token = {}, .window_bytes = window});
  REQUIRE(answer);
  REQUIRE(std::holds_alternative<RangeAnswer>(*answer));
  return std::get<RangeAnswer>(*answer).segments;
}

// One exchange at a time of one node's catch-up from another, as its replicator does it.
class Puller {
 public:
  explicit Puller(std::string peer = std::string(kPeer)) : peer_(std::move(peer)) {}

  // Returns true iff there was nothing left to bring.
  bool step(SyncNode& to, SyncNode& from, std::uint32_t window) {
    const PullRequest request{.frontier = to.frontier(), .token = token_, .window_bytes = window};
    const auto answer = from.answer(request);
    REQUIRE(answer);
    if (const auto* range = std::get_if<RangeAnswer>(&*answer)) return take(to, *range);
    if (const auto* page = std::get_if<SnapshotPage>(&*answer)) {
      take(to, *page);
      return false;
    }
    ++restarts;
    give_up(to);
    return false;
  }

  // Forgets what it was about, as when the link breaks for good.
  void give_up(SyncNode& to) {
    token_.clear();
    to.turn([&](Engine& engine) { REQUIRE(engine.drop_staged(to.c, peer_)); });
  }

  void finish(SyncNode& to, SyncNode& from, std::uint32_t window = 1U << 16U) {
    for (int steps = 0; !step(to, from, window); ++steps) REQUIRE(steps < 100'000);
  }

  int pages = 0;
  int restarts = 0;

 private:
  bool take(SyncNode& to, const RangeAnswer& range) {
    to.turn([&](Engine& engine) {
      for (const Bytes& segment : range.segments) {
        const auto received = engine.receive(at(to.now_ms), to.c, segment);
        REQUIRE(received);
        REQUIRE(*received == ReceiveResult::kApplied);
      }
    });
    return range.segments.empty() && !range.more;
  }

  void take(SyncNode& to, const SnapshotPage& page) {
    ++pages;
    to.turn([&](Engine& engine) {
      REQUIRE(engine.stage(to.c, peer_, page.page_no, page.page));
      if (page.is_last()) {
        const auto merged = engine.merge_staged(at(to.now_ms), to.c, peer_, page.frontier, page.page_no + 1);
        REQUIRE(merged);
        REQUIRE(*merged == ReceiveResult::kApplied);
      }
    });
    token_ = page.next_token;
  }

  std::string peer_;
  Bytes token_;
};

}  // namespace hedgerow::test
