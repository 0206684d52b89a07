// One replicator under test, node "m" of mesh "orchard", with scripted peers around it.
// Thread rule: one test, one thread.
#pragma once

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "daemon/compress_zstd/zstd_compressor.hpp"
#include "sync/link/marks.hpp"
#include "sync/link/replicator.hpp"
#include "sync/link/timing.hpp"
#include "sync/log/segment.hpp"

namespace hedgerow::sync::test {

using namespace std::chrono_literals;

inline constexpr ReplicaId kOwnReplica{0x77};
inline constexpr ChannelNo kDefault{11};
inline constexpr ChannelNo kTelemetry{12};
inline constexpr LinkId kLink1{1};
inline constexpr LinkId kLink2{2};
inline constexpr LinkId kLink3{3};

struct RowSpec {
  ReplicaId replica = kOwnReplica;
  Seq first = 1;
  std::uint32_t count = 1;
  std::size_t payload_bytes = 4;
};

// A row whose header is true; the chain is not looked at by the replicator.
inline std::shared_ptr<const SegmentRow> make_row(const RowSpec& spec) {
  SegmentBuilder builder;
  builder.start(spec.replica, spec.first, Hash256{});
  for (std::uint32_t i = 0; i < spec.count; ++i) {
    builder.add(Op{.stamp = {.wall_ms = 1000 + spec.first + i},
                   .kind = {.record = true, .cell = false, .qos = 1},
                   .publisher = 1,
                   .message = std::make_shared<const Message>(Message{
                       .topic = "t", .properties = {}, .payload = Bytes(spec.payload_bytes, 0x55), .expiry_s = {}})});
  }
  SegmentRow row;
  row.replica = spec.replica;
  row.first_seq = spec.first;
  row.count = spec.count;
  row.bytes = builder.finish();
  return std::make_shared<const SegmentRow>(std::move(row));
}

inline wire::Hello make_hello(std::string node) {
  const auto id = static_cast<std::uint64_t>(node.empty() ? 0 : node[0]) * 1000;
  return {.mesh = "orchard",
          .node = std::move(node),
          .replica = ReplicaId{id + 1},
          .incarnation = id + 2,
          .software = "0.1.0",
          .channels = {{.name = "default", .filter = "#"}, {.name = "telemetry", .merge = MergeKind::kCounter}}};
}

class LinkFixture {
 public:
  // `prompt`: as ReplicatorSettings.
  explicit LinkFixture(std::set<std::string> prompt = {})
      : replicator_({.mesh = "orchard",
                     .node = "m",
                     .replica = kOwnReplica,
                     .version = "0.1.0",
                     .incarnation = 99,
                     .filters = {{"default", "#"}},
                     .prompt = std::move(prompt)},
                    {{.number = kDefault, .name = "default", .replicas = {}},
                     {.number = kTelemetry, .name = "telemetry", .replicas = {}, .merge = MergeKind::kCounter}},
                    compressor_) {}
  LinkFixture(const LinkFixture&) = delete;
  LinkFixture& operator=(const LinkFixture&) = delete;

  Replicator& replicator() { return replicator_; }
  [[nodiscard]] Instant now() const { return now_; }

  void link_up(LinkId link, bool dialled = true, std::string_view authenticated = {}) {
    take(replicator_.on_link_up(now_, link, authenticated, dialled));
  }
  void removed(std::set<ReplicaId> lives) { take(replicator_.on_removed(now_, std::move(lives))); }
  void link_down(LinkId link) { take(replicator_.on_link_down(now_, link)); }
  void hear(LinkId link, const wire::AnyMessage& message) {
    take(replicator_.on_message(now_, link, wire::encode(message)));
  }
  void hear_bytes(LinkId link, ByteView bytes) { take(replicator_.on_message(now_, link, bytes)); }
  void hear_frontier(LinkId link, Frontier marks, bool answer_wanted = false) {
    hear(link, wire::Announcement{.channel = 0, .answer_wanted = answer_wanted, .marks = std::move(marks)});
  }
  void hear_push(LinkId link, const RowSpec& spec) {
    const auto row = make_row(spec);
    hear(link, wire::Push{.channel = 0, .segment = row->bytes});
  }
  // A peer that is up, greeted, and has announced an empty frontier in channel 0.
  void peer_up(LinkId link, const std::string& node, bool dialled = true) {
    link_up(link, dialled);
    hear(link, make_hello(node));
    hear_frontier(link, {});
  }
  void queue(LinkId link, std::size_t bytes) { take(replicator_.on_queue(now_, link, bytes)); }

  // A turn of the store that committed these rows into "default".
  void commit(const std::vector<RowSpec>& specs) {
    Committed committed;
    for (const RowSpec& spec : specs) {
      raise(own_, spec.replica, spec.first + spec.count - 1);
      committed.segments.push_back(
          {.channel = kDefault, .segment = make_row(spec), .head_before = {}, .head_after = {}, .ops = {}});
    }
    commit_frontier(std::move(committed));
  }
  // A turn that stays open took these rows into "default".
  void hand_out(const std::vector<RowSpec>& specs) {
    std::vector<CommittedSegment> segments;
    for (const RowSpec& spec : specs) {
      segments.push_back(
          {.channel = kDefault, .segment = make_row(spec), .head_before = {}, .head_after = {}, .ops = {}});
    }
    take(replicator_.on_handed_out(now_, segments));
  }
  // The rows went in by a merge: no segments are shown.
  void commit_merged(const Frontier& frontier) {
    join(own_, frontier);
    Committed committed;
    committed.merged.push_back(kDefault);
    commit_frontier(std::move(committed));
  }
  void commit_as(const Committed& committed) { take(replicator_.on_committed(now_, committed)); }
  // The peer on kLink1, whose chain contradicts ours, holds nothing that says why.
  void describe_nothing() {
    pass(kBackoffMin);
    const wire::Pull asked = question(kLink1);
    REQUIRE(asked.request.token == describe_token());
    hear(kLink1, wire::Describe{.channel = 0, .id = asked.id, .states = {}});
    REQUIRE(actions<LearnBranches>().size() == 1);
  }
  // The store answers the oldest job that it was given.
  void received(LinkId link, Expected<ReceiveResult> result = ReceiveResult::kApplied, ChannelNo channel = kDefault) {
    take(replicator_.on_received(now_, link, channel, result));
  }
  void pull_answer(LinkId link, const Expected<PullAnswer>& answer) {
    take(replicator_.on_pull_answer(now_, link, kDefault, answer));
  }

  // Lets time pass, timers firing at their time. Keeps what all of them did.
  void pass(Duration duration) {
    const Instant end = now_ + duration;
    std::vector<Action> done;
    while (replicator_.next_deadline() <= end) {
      now_ = std::max(now_, replicator_.next_deadline());
      const auto actions = replicator_.on_timer(now_);
      done.insert(done.end(), actions.begin(), actions.end());
      REQUIRE(replicator_.next_deadline() > now_);
    }
    now_ = end;
    actions_ = std::move(done);
  }

  // What the last step asked for.
  template <class Kind>
  [[nodiscard]] std::vector<Kind> actions() const {
    std::vector<Kind> out;
    for (const Action& action : actions_) {
      if (const auto* found = std::get_if<Kind>(&action)) out.push_back(*found);
    }
    return out;
  }
  // Of these, the messages of one type on one link. Their views live as long as the fixture.
  template <class Kind>
  [[nodiscard]] std::vector<Kind> sent(LinkId link) {
    std::vector<Kind> out;
    for (const SendOnLink& action : actions<SendOnLink>()) {
      if (action.link != link) continue;
      kept_.push_back(action.message);
      const auto message = wire::decode(kept_.back());
      REQUIRE(message);
      if (const auto* found = std::get_if<Kind>(&*message)) out.push_back(*found);
    }
    return out;
  }
  [[nodiscard]] std::string close_reason() const {
    const auto closed = actions<CloseLink>();
    return closed.empty() ? "" : closed.front().reason;
  }
  [[nodiscard]] const std::vector<Action>& all_actions() const { return actions_; }
  [[nodiscard]] bool is_quiet() const { return actions_.empty(); }
  // The question that is out on this link: from the last step.
  [[nodiscard]] wire::Pull question(LinkId link) {
    const auto questions = sent<wire::Pull>(link);
    REQUIRE(questions.size() == 1);
    return questions.front();
  }
  [[nodiscard]] LinkStatus status(LinkId link) const {
    for (const LinkStatus& each : replicator_.links()) {
      if (each.link == link) return each;
    }
    FAIL("no such link");
    return {};
  }

 private:
  void take(std::span<const Action> actions) { actions_.assign(actions.begin(), actions.end()); }
  void commit_frontier(Committed committed) {
    ChannelState state{.number = kDefault, .name = "default", .replicas = {}};
    for (const FrontierEntry& entry : own_) {
      state.replicas.push_back({.replica = entry.replica, .seq = entry.seq, .head = {}, .trimmed = 0});
    }
    committed.frontiers.push_back(std::move(state));
    take(replicator_.on_committed(now_, committed));
  }

  compress_zstd::ZstdCompressor compressor_;
  Replicator replicator_;
  Instant now_{1h};
  Frontier own_;
  std::vector<Action> actions_;
  std::deque<Bytes> kept_;
};

}  // namespace hedgerow::sync::test
