// One board: the real engine and the real replicator over a disk, with a store thread whose turns, a reader
// thread whose views, and hand-offs between them that the seed schedules.
// Thread rule: one simulation, one thread. Ownership: scheduler, oracle and wires must outlive it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "daemon/compress_zstd/zstd_compressor.hpp"
#include "sync/engine/engine.hpp"
#include "sync/engine/remote_commit.hpp"
#include "sync/link/replicator.hpp"
#include "tests/sim/board_clock.hpp"
#include "tests/sim/disk.hpp"
#include "tests/sim/mixing_hasher.hpp"
#include "tests/sim/options.hpp"
#include "tests/sim/oracle.hpp"
#include "tests/sim/scheduler.hpp"
#include "tests/sim/wires.hpp"

namespace hedgerow::sim {

struct NodeIdentity {
  std::size_t index = 0;
  std::string name;
};

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};

class SimNode final : public LinkEnd {
 public:
  SimNode(NodeIdentity identity, const Options& options, Scheduler& scheduler, Oracle& oracle, Wires& wires,
          std::unique_ptr<Disk> disk);

  // Called when the power has gone in the middle of something: crash() is to follow.
  void on_power_lost(std::function<void()> call) { on_power_lost_ = std::move(call); }

  // False: the power went again before it was up.
  bool start();
  // Power loss: what was not committed is gone.
  void crash();
  // REQUIRES: the node is down.
  [[nodiscard]] std::shared_ptr<const Disk::Image> disk_image() const { return disk_->image(); }
  void keep_power() { disk_->keep_power(); }
  // Of each channel's log.
  [[nodiscard]] std::uint64_t keep_bytes() const {
    return options_.keep_bytes * (options_.keeps_unevenly && identity_.index % 2 == 0 ? 4 : 1);
  }
  // Segments that filled a gap here.
  [[nodiscard]] std::uint64_t fills() const { return fills_; }
  void replace_disk(const Disk::Image* image, bool noticed);
  [[nodiscard]] bool is_up() const override { return replicator_ != nullptr; }
  [[nodiscard]] const std::string& name() const { return identity_.name; }

  void link_up(sync::LinkId link, bool dialled) override;
  void link_down(sync::LinkId link) override;
  void message(sync::LinkId link, ByteView bytes) override;
  void drained(sync::LinkId link) override;

  // A client's publish; `channel` is a position in kChannelNames.
  void write(std::size_t channel, sync::OpKind kind, sync::MessagePtr message);
  void publish_live(sync::MessagePtr message);
  void trim();
  void fail_next_commit();
  [[nodiscard]] BoardClock& clock() { return clock_; }
  // A clone of some board that both know, writing under its name, is taken for `peer`: it pushes its own next op.
  void hear_clone_of_somebody(const SimNode& peer, sync::LinkId link, Random& random);

  [[nodiscard]] Subject subject();
  // Nothing waits for the store, and nothing is asked of anybody.
  [[nodiscard]] bool is_idle() const;
  // How often a timer of the replicator ran.
  [[nodiscard]] std::uint64_t wakes() const { return wakes_; }
  [[nodiscard]] const sync::Replicator& replicator() const { return *replicator_; }

  static constexpr std::size_t kChannels = 4;
  static constexpr std::string_view kChannelNames[kChannels] = {"alpha", "beta", "documents", "counters"};
  static constexpr sync::MergeKind kMerges[kChannels] = {sync::MergeKind::kLastWrite, sync::MergeKind::kLastWrite,
                                                         sync::MergeKind::kDocument, sync::MergeKind::kCounter};

 private:
  struct Write {
    std::size_t channel = 0;
    sync::OpKind kind;
    sync::MessagePtr message;
  };
  struct Trim {};
  struct Renew {
    std::vector<sync::ShownOps> shown;
  };
  // A channel's log before a turn's trim, by arrival, and what keep should leave of it.
  struct Kept {
    sync::ChannelNo channel{};
    std::uint64_t bytes = 0;
  };
  using Intent = std::variant<Write, sync::ApplySegment, sync::StagePage, sync::MergeStaged, sync::DropStaged,
                              sync::CommitNow, Trim, Renew, sync::LearnBranches>;
  struct Received {
    sync::LinkId link{};
    sync::ChannelNo channel{};
    Expected<sync::ReceiveResult> result;
    bool fills = false;
  };
  struct Turn {
    std::vector<Received> received;
    Expected<sync::Committed> committed;
    std::vector<std::pair<Oracle::RunKey, sync::Seq>> own;  // what was written here, up to there
  };

  // Runs the event unless the node crashes before.
  template <class Event>
  void unless_crashed(Instant when, Event event) {
    scheduler_.at(when, [this, life = life_, event = std::move(event)] {
      if (life == life_) event();
    });
  }
  void submit(Intent intent);
  void start_turn();
  void begin_turn();
  [[nodiscard]] static bool is_renaming(const Intent& intent);
  void rename();
  void on_renamed(const std::vector<sync::ChannelState>& channels);  // as the turn left them
  void make_replicator(const std::vector<sync::ChannelState>& channels);
  void commit_turn();
  // True: the turn is handed out and stays open.
  bool stay_open();
  void end_turn();
  void commit_when_due();
  void hand_out(std::vector<sync::CommittedSegment> segments);
  void apply(const WallTime& now, Intent& intent, bool is_first);
  void apply_trim(const WallTime& now, bool is_first);
  [[nodiscard]] std::vector<Kept> expect_kept(const WallTime& now);
  void check_received(const std::vector<Received>& received) const;
  void power_lost();
  [[nodiscard]] bool has_ended(const Error* error) const;
  // When the loop thread hears of what the store thread did: in order.
  [[nodiscard]] Instant next_hand_back();
  void hand_back(Turn turn);
  void answer_pull(const sync::AnswerPull& pull);
  void perform(std::span<const sync::Action> actions);
  void arm_timer();
  void check_bounds(std::span<const sync::Action> actions) const;
  [[nodiscard]] sync::ChannelNo number_of(std::size_t channel) const;

  NodeIdentity identity_;
  Options options_;
  Scheduler& scheduler_;
  Oracle& oracle_;
  Wires& wires_;
  Random random_;
  MixingHasher hasher_;
  compress_zstd::ZstdCompressor compressor_;
  std::unique_ptr<Disk> disk_;
  BoardClock clock_;
  std::function<void()> on_power_lost_;
  bool disk_is_another_ = false;  // since the last start
  sync::ReplicaId replica_{};

  // One life, from start() to crash().
  std::uint64_t life_ = 0;
  std::uint64_t fills_ = 0;
  std::uint64_t incarnation_ = 0;
  std::unique_ptr<sync::Engine> engine_;
  std::unique_ptr<sync::Replicator> replicator_;
  std::deque<Intent> intents_;
  std::size_t in_turn_ = 0;  // intents taken by the turn under way
  std::vector<Received> received_;
  bool turn_under_way_ = false;
  sync::RemoteCommit remote_commit_;
  bool turn_is_open_ = false;  // and goes on with the next one
  std::uint64_t turns_opened_ = 0;
  std::vector<sync::CommittedSegment> handed_out_;  // of the open turn
  bool disk_is_full_ = false;                       // the next commit fails
  std::size_t handing_back_ = 0;
  Instant last_hand_back_ = Instant::min();
  std::size_t answers_for_former_ = 0;  // owed to the replicator before this one
  std::size_t answering_ = 0;
  Instant armed_ = Instant::max();
  std::uint64_t wakes_ = 0;
};

}  // namespace hedgerow::sim
