// Random meshes against a naive model: whatever the order, the windows, the losses, the crashes and the trimming, nodes
// that have exchanged everything hold the same, and it is what the model says. G2, G3, G4.
#include <catch2/catch_test_macros.hpp>
#include <deque>
#include <map>

#include "sync/log/segment.hpp"
#include "tests/support/seeded_random.hpp"
#include "tests/unit/sync/sync_node.hpp"

namespace hedgerow::test {
namespace {

// All committed writes, and nothing clever: the greatest write of a topic is its value.
class Model {
 public:
  void add(const CommittedSegment& segment) {
    for (std::size_t i = 0; i < segment.ops.size(); ++i) {
      const Op& op = segment.ops[i];
      const WriteOrder order{
          .stamp = op.stamp, .replica = segment.segment->replica, .seq = segment.segment->first_seq + i};
      records_[order.replica].push_back(op.message);
      if (op.kind.cell) cells_[op.message->topic][order] = op.message;
    }
  }
  [[nodiscard]] std::map<std::string, Bytes> cells() const {
    std::map<std::string, Bytes> out;
    for (const auto& [topic, writes] : cells_) {
      const MessagePtr& last = writes.rbegin()->second;
      if (!last->payload.empty()) out[topic] = last->payload;
    }
    return out;
  }
  [[nodiscard]] const std::vector<MessagePtr>& records(ReplicaId replica) { return records_[replica]; }
  [[nodiscard]] Frontier frontier() const {
    Frontier out;
    for (const auto& [replica, all] : records_) out.push_back({.replica = replica, .seq = all.size()});
    return out;
  }

 private:
  std::map<ReplicaId, std::vector<MessagePtr>> records_;
  std::map<std::string, std::map<WriteOrder, MessagePtr>> cells_;
};

class RandomMesh {
 public:
  RandomMesh(std::uint64_t seed, std::size_t size, bool tight_keep) : random_(seed) {
    for (std::size_t i = 0; i < size; ++i) {
      const Keep keep{.age_ms = 1'000'000, .size_bytes = tight_keep ? 300 + random_.below(3000) : 1U << 24U};
      nodes_.emplace_back(i + 1, keep);
      nodes_.back().now_ms = random_.below(5000);
      for (std::size_t peer = 0; peer < size; ++peer) pullers_[{i, peer}] = Puller("peer " + std::to_string(peer));
    }
  }

  void run(int steps) {
    for (int i = 0; i < steps; ++i) step();
  }

  void step() {
    const std::size_t at = random_.below(nodes_.size());
    SyncNode& node = nodes_[at];
    switch (random_.below(10)) {
      case 0:
      case 1:
      case 2: write(node); break;
      case 3: replay(node); break;
      case 4: node.trim(node.now_ms); break;
      case 5: random_.one_in(4) ? crash(at) : write(node); break;
      default: pull(at); break;
    }
  }

  // Everyone asks everyone until nothing is left.
  void settle() {
    for (bool quiet = false; !quiet;) {
      quiet = true;
      for (std::size_t at = 0; at < nodes_.size(); ++at) {
        for (std::size_t from = 0; from < nodes_.size(); ++from) {
          if (at == from) continue;
          const Frontier before = nodes_[at].frontier();
          pullers_[{at, from}].finish(nodes_[at], nodes_[from], window());
          quiet = quiet && nodes_[at].frontier() == before;
        }
      }
    }
  }

  void check() {
    for (SyncNode& node : nodes_) {
      REQUIRE(node.frontier() == model_.frontier());
      REQUIRE(node.digest(DigestCheck::kRecords) == nodes_.front().digest(DigestCheck::kRecords));
      check_cells(node);
      check_counts(node);
      check_records(node);
    }
  }

 private:
  std::uint32_t window() { return static_cast<std::uint32_t>(random_.below(random_.one_in(4) ? 4000 : 300)); }

  void write(SyncNode& node) {
    node.now_ms += random_.below(20);
    if (random_.one_in(20)) node.now_ms = random_.below(5000);  // clocks jump, back too
    const auto quality = random_.one_in(3) ? ClockQuality::kUnsynchronised : ClockQuality::kSynchronised;
    REQUIRE(node.engine->begin());
    // A connection that dies now, whose will may come much later.
    std::optional<Stamp> died;
    if (random_.one_in(4)) died = node.engine->stamp_now(at(node.now_ms, quality)).value();
    for (std::size_t count = 1 + random_.below(6); count > 0; --count) {
      const std::string payload = random_.one_in(5) ? "" : std::string(random_.below(60), 'x') + std::to_string(count);
      const OpKind kind = random_.one_in(2) ? kRecord : random_.one_in(2) ? kRetained : kCellOnly;
      REQUIRE(node.engine->write(at(node.now_ms, quality),
                                 {.channel = node.c,
                                  .kind = kind,
                                  .publisher = random_.below(3),
                                  .message = message("t/" + std::to_string(random_.below(40)), payload),
                                  .stamp = earlier_stamp(node)}));
    }
    if (random_.one_in(8)) {
      node.storage.fail_next_commit({Category::kLimit, "disk full"});
      REQUIRE_FALSE(node.engine->commit());
      return;
    }
    const auto committed = node.engine->commit();
    REQUIRE(committed);
    if (died) died_[&node].push_back(*died);
    for (const CommittedSegment& segment : committed->segments) {
      model_.add(segment);
      pushed_.push_back(segment.segment->bytes);
      if (pushed_.size() > 40) pushed_.pop_front();
    }
  }

  // Now and then: of a connection that died. Some wills fire twice.
  std::optional<Stamp> earlier_stamp(const SyncNode& node) {
    std::vector<Stamp>& stamps = died_[&node];
    if (stamps.empty() || !random_.one_in(5)) return std::nullopt;
    const std::size_t which = random_.below(stamps.size());
    const Stamp stamp = stamps[which];
    if (!random_.one_in(3)) stamps.erase(stamps.begin() + static_cast<std::ptrdiff_t>(which));
    return stamp;
  }

  // A push from some time ago: late, doubled, out of order.
  void replay(SyncNode& node) {
    if (pushed_.empty()) return;
    const ReceiveResult result = node.receive(pushed_[random_.below(pushed_.size())]);
    REQUIRE(result != ReceiveResult::kFork);
  }

  void pull(std::size_t at) {
    const std::size_t from = random_.below(nodes_.size());
    if (at == from) return;
    Puller& puller = pullers_[{at, from}];
    for (std::size_t count = 1 + random_.below(3); count > 0; --count) puller.step(nodes_[at], nodes_[from], window());
    if (random_.one_in(10)) puller.give_up(nodes_[at]);
  }

  // Everything was committed, so a crash loses nothing but what the node had in memory.
  void crash(std::size_t at) {
    nodes_[at].storage.crash();
    nodes_[at].reopen();
  }

  void check_cells(SyncNode& node) {
    std::map<std::string, Bytes> held;
    const auto cells = node.storage.open_view().value()->cells(node.c, "", "", 1U << 30U).value();
    for (const Cell& cell : cells) {
      if (!cell.is_tombstone()) held[cell.message->topic] = cell.message->payload;
    }
    REQUIRE(held == model_.cells());
  }

  // The counts that are kept are those that one finds by counting.
  void check_counts(SyncNode& node) {
    StoreTotals counted{.live_cells = model_.cells().size()};
    const auto rows = node.storage.open_view().value()->segments_after(0, 1U << 30U).value();
    for (const auto& [channel, row] : rows) {
      counted.ops += row.count;
      counted.bytes += row.bytes.size();
    }
    REQUIRE(node.engine->totals() == counted);
  }

  // What is in the log is what was written, and nothing beyond the trimmed mark is missing.
  void check_records(SyncNode& node) {
    const auto view = node.storage.open_view().value();
    for (const ReplicaState& state : node.replicas()) {
      const std::vector<MessagePtr>& written = model_.records(state.replica);
      std::size_t beyond_trimmed = 0;
      const auto rows = view->segments(node.c, state.replica, 1, 1U << 30U).value();
      for (const SegmentRow& row : rows) {
        const Segment segment = decode_segment(row.bytes).value();
        for (std::size_t i = 0; i < segment.ops.size(); ++i) {
          const Seq seq = row.first_seq + i;
          if (seq > state.trimmed) ++beyond_trimmed;
          REQUIRE(segment.ops[i].message->topic == written.at(static_cast<std::size_t>(seq - 1))->topic);
          REQUIRE(segment.ops[i].message->payload == written.at(static_cast<std::size_t>(seq - 1))->payload);
        }
      }
      REQUIRE(beyond_trimmed == state.seq - state.trimmed);
    }
  }

  SeededRandom random_;
  std::deque<SyncNode> nodes_;
  std::map<std::pair<std::size_t, std::size_t>, Puller> pullers_;
  std::deque<Bytes> pushed_;
  std::map<const SyncNode*, std::vector<Stamp>> died_;
  Model model_;
};

TEST_CASE("two nodes that keep everything converge to the model", "[sync][G2][G3][G4]") {
  SeededRandom seeds(pick_seed("two nodes converge"));
  for (int round = 0; round < 10; ++round) {
    RandomMesh mesh(seeds.next(), 2, false);
    mesh.run(150);
    mesh.settle();
    mesh.check();
  }
}

TEST_CASE("three nodes that trim all the time converge to the model", "[sync][G2][G3][G4]") {
  SeededRandom seeds(pick_seed("three nodes converge"));
  for (int round = 0; round < 15; ++round) {
    RandomMesh mesh(seeds.next(), 3, true);
    mesh.run(200);
    mesh.settle();
    mesh.check();
  }
}

TEST_CASE("five nodes converge again and again while they go on writing", "[sync][G2][G3][G4]") {
  RandomMesh mesh(pick_seed("five nodes converge"), 5, true);
  for (int round = 0; round < 5; ++round) {
    mesh.run(150);
    mesh.settle();
    mesh.check();
  }
}

}  // namespace
}  // namespace hedgerow::test
