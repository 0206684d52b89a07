// Random meshes against a naive model: whatever the order, the windows, the losses, the crashes and the trimming, nodes
// that have exchanged everything hold the same, and it is what the model says. G2, G3, G4.
#include <catch2/catch_test_macros.hpp>
#include <deque>
#include <map>

#include "sync/log/segment.hpp"
#include "tests/support/merge_patch_model.hpp"
#include "tests/support/seeded_random.hpp"
#include "tests/unit/sync/sync_node.hpp"

namespace hedgerow::test {
namespace {

// All committed writes, and nothing clever. The value of a topic is its greatest write; or what the patches make of
// nothing, one after the other; or the sum of all increments that no deletion had seen.
class Model {
 public:
  explicit Model(MergeKind kind) : kind_(kind) {}

  // `seen`: by the node that wrote, before it wrote.
  void add(const CommittedSegment& segment, const Frontier& seen) {
    for (std::size_t i = 0; i < segment.ops.size(); ++i) {
      const Op& op = segment.ops[i];
      const WriteOrder order{
          .stamp = op.stamp, .replica = segment.segment->replica, .seq = segment.segment->first_seq + i};
      records_[order.replica].push_back(op.message);
      if (!op.kind.cell) continue;
      const bool deletes = op.message->payload.empty();
      if (deletes && kind_ == MergeKind::kCounter) note_deletion(op.message->topic, order, seen);
      cells_[op.message->topic][order] = op.message;
    }
  }
  [[nodiscard]] std::map<std::string, Bytes> cells() const {
    std::map<std::string, Bytes> out;
    for (const auto& [topic, writes] : cells_) {
      const std::string value = value_of(topic, writes);
      if (!value.empty()) out[topic] = to_bytes(value);
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
  using Writes = std::map<WriteOrder, MessagePtr>;
  struct Deletion {
    WriteOrder order;
    std::map<ReplicaId, Seq> seen;
  };

  // Who has seen a deletion has seen what its node had seen.
  void note_deletion(const std::string& topic, const WriteOrder& order, const Frontier& frontier) {
    Deletion deletion{.order = order, .seen = {}};
    for (const FrontierEntry& entry : frontier) deletion.seen[entry.replica] = entry.seq;
    deletion.seen[order.replica] = order.seq;
    std::vector<Deletion>& all = deletions_[topic];
    for (const Deletion& other : all) {
      const auto known = deletion.seen.find(other.order.replica);
      if (known == deletion.seen.end() || known->second < other.order.seq) continue;
      for (const auto& [replica, seq] : other.seen) deletion.seen[replica] = std::max(deletion.seen[replica], seq);
    }
    all.push_back(std::move(deletion));
  }

  [[nodiscard]] std::string value_of(const std::string& topic, const Writes& writes) const {
    switch (kind_) {
      case MergeKind::kLastWrite: return text_of(writes.rbegin()->second);
      case MergeKind::kDocument: {
        std::vector<std::string> patches;
        for (const auto& [order, message] : writes) patches.push_back(text_of(message));
        return patched_text(patches);
      }
      case MergeKind::kCounter: break;
    }
    const auto deletions = deletions_.find(topic);
    const auto is_hidden = [&](const WriteOrder& order) {
      if (deletions == deletions_.end()) return false;
      return std::any_of(deletions->second.begin(), deletions->second.end(), [&](const Deletion& deletion) {
        const auto seen = deletion.seen.find(order.replica);
        return seen != deletion.seen.end() && seen->second >= order.seq;
      });
    };
    bool is_visible = false;
    long long sum = 0;
    for (const auto& [order, message] : writes) {
      if (message->payload.empty() || is_hidden(order)) continue;
      is_visible = true;
      sum += std::stoll(text_of(message));
    }
    return is_visible ? std::to_string(sum) : std::string{};
  }
  [[nodiscard]] static std::string text_of(const MessagePtr& message) { return std::string(as_text(message->payload)); }

  MergeKind kind_;
  std::map<ReplicaId, std::vector<MessagePtr>> records_;
  std::map<std::string, Writes> cells_;
  std::map<std::string, std::vector<Deletion>> deletions_;
};

class RandomMesh {
 public:
  RandomMesh(std::uint64_t seed, std::size_t size, bool tight_keep, MergeKind kind = MergeKind::kLastWrite)
      : random_(seed), kind_(kind), model_(kind) {
    for (std::size_t i = 0; i < size; ++i) {
      const Keep keep{.age_ms = 1'000'000, .size_bytes = tight_keep ? 300 + random_.below(3000) : 1U << 24U};
      nodes_.emplace_back(i + 1, keep, std::nullopt, kind);
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
      check_states(node);
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
    const Frontier seen = node.frontier();
    for (std::size_t count = 1 + random_.below(6); count > 0; --count) {
      const std::string payload = random_.one_in(5) ? "" : random_payload(count);
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
      model_.add(segment, seen);
      pushed_.push_back(segment.segment->bytes);
      if (pushed_.size() > 40) pushed_.pop_front();
    }
  }

  std::string random_payload(std::size_t number) {
    switch (kind_) {
      case MergeKind::kLastWrite: return std::string(random_.below(60), 'x') + std::to_string(number);
      case MergeKind::kDocument: return to_text(random_patch_value(random_));
      case MergeKind::kCounter: break;
    }
    return std::to_string(static_cast<int>(random_.below(20)) - 8);
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

  // Byte for byte, also what is hidden.
  void check_states(SyncNode& node) {
    const auto states_of = [](SyncNode& of) {
      std::map<std::string, Bytes> out;
      const std::vector<Cell> cells = of.storage.open_view().value()->cells(of.c, "", "", 1U << 30U).value();
      for (const Cell& cell : cells) {
        out[cell.message->topic] = cell.state;
      }
      return out;
    };
    REQUIRE(states_of(node) == states_of(nodes_.front()));
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
  MergeKind kind_;
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

TEST_CASE("documents converge to what their patches make in the order of writes", "[sync][document][G3][G4]") {
  SeededRandom seeds(pick_seed("documents converge"));
  for (int round = 0; round < 12; ++round) {
    RandomMesh mesh(seeds.next(), 2 + static_cast<std::size_t>(round) % 3, round % 3 != 0, MergeKind::kDocument);
    mesh.run(200);
    mesh.settle();
    mesh.check();
  }
}

TEST_CASE("counters converge to the sum of what no deletion had seen", "[sync][counter][G3][G4]") {
  SeededRandom seeds(pick_seed("counters converge"));
  for (int round = 0; round < 12; ++round) {
    RandomMesh mesh(seeds.next(), 2 + static_cast<std::size_t>(round) % 3, round % 3 != 0, MergeKind::kCounter);
    mesh.run(200);
    mesh.settle();
    mesh.check();
  }
}

}  // namespace
}  // namespace hedgerow::test
