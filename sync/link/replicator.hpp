// The replicator: decides what this node says on its links, and what it makes of what it hears. DESIGN 5.
//
//   push       every committed segment goes at once to every peer that lacks just it, and did not say that others bring
//              it anyway (push_tree.hpp); only accelerates
//   announce   frontiers, when they moved and the peer was not told by a push: at most one a second, a channel, a peer;
//              asked for again, more and more rarely, while a peer does not confirm what we hold. Two equal peers say
//              nothing. A whole frontier of many marks is compared by digest instead (frontier_compare.hpp)
//   pull       whoever is behind asks whoever is ahead, in bounded windows; repairs everything that push lost. One
//              question a channel at a time; where much is missing, several, each to another peer for other replicas
//   fill       whoever is behind nobody asks for what others trimmed before it came and somebody may still hold: one
//              question at a time, with pauses, as far as keep leaves room
//   live       QoS 0 messages, never stored, forwarded once to every node
//
// Links that lead to the same peer share what is known about it. One of them carries what we say, the others stand by
// and are listened to: the link dialled by the smaller node name carries; of two dialled by one side, the newer.
//
// Pure: bytes, events and times in; actions out. The caller carries out the actions in order. The span that a call
// returns is valid until the next call.
// What the caller owes:
//   - each ApplySegment, StagePage and MergeStaged is answered by one on_received(), in the order of the actions, also
//     when its link has gone meanwhile; with the turn's error when the turn failed
//   - on_committed() of a turn comes before the on_received() of that turn, which come when it is durable
//   - each AnswerPull is answered by one on_pull_answer()
// Thread rule: owned by the loop thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "sync/base/compressor.hpp"
#include "sync/engine/engine.hpp"
#include "sync/engine/pull.hpp"
#include "sync/link/actions.hpp"
#include "sync/link/live_window.hpp"
#include "sync/link/push_tree.hpp"
#include "sync/link/wire.hpp"

namespace hedgerow::sync {

struct ReplicatorSettings {
  std::string mesh;
  std::string node;
  ReplicaId replica{};
  std::string version;            // of the software, for people
  std::uint64_t incarnation = 0;  // random, drawn at each start of the process
  // Of channels, by name, as the configuration has them. Peers are told, so that contradictions are seen.
  std::map<std::string, std::string> filters = {};
  // Channels, by name, in which somebody waits until another node holds what was written: what is pushed to us there
  // is synced, and told to the node that wrote it, at once.
  std::set<std::string> prompt = {};
  // Lives of databases that were removed from the mesh: no link with them is kept.
  std::set<ReplicaId> removed = {};
};

// greeting: the peer's Hello has not come. standby: another link to the same peer carries.
enum class LinkState : std::uint8_t { kGreeting, kUp, kStandby };

struct LinkStatus {
  LinkId link{};
  std::string peer;  // as authenticated, or as greeted; empty until one of both
  std::string version;
  LinkState state{};
  bool dialled = false;              // by us
  std::uint64_t lag_ops = 0;         // ops that the peer holds and we lack
  std::uint64_t peer_lag_ops = 0;    // ops that we hold and the peer did not confirm yet
  std::uint64_t pushes_skipped = 0;  // because the link's queue was full; left to pull
  std::uint64_t live_skipped = 0;    // likewise; lost for this peer
  Instant since{};
};

// Two chains of one replica contradict each other, and no run tells them apart: what `peer` holds of it is refused here
// (G5). Who holds our chain of it is still heard.
struct ForkStatus {
  ChannelNo channel{};
  ReplicaId replica{};  // 0: some replica in a snapshot of that peer
  std::string peer;
  bool is_asked = false;  // the peer has yet to say what it holds, which may explain it
};

// What a peer says of a channel is not what this node says.
struct ChannelContradiction {
  ChannelNo channel{};
  std::string peer;
  std::string what;            // a sentence
  bool is_kept_apart = false;  // it merges otherwise there: nothing of it is exchanged, lest retained messages differ
};

class Replicator {
 public:
  // `channels`: those that the mesh shares, with the state of the database. More than kChannelsPerLinkMax are cut off.
  // The compressor must outlive it.
  Replicator(ReplicatorSettings settings, const std::vector<ChannelState>& channels, const Compressor& compressor);

  // `peer` is the authenticated node name if the caller knows it (from the certificate), else empty.
  std::span<const Action> on_link_up(Instant now, LinkId link, std::string_view peer, bool dialled);
  std::span<const Action> on_link_down(Instant now, LinkId link);
  std::span<const Action> on_message(Instant now, LinkId link, ByteView message);
  // The caller's send queue for this link in bytes. Between two calls it is taken to grow by what is sent.
  std::span<const Action> on_queue(Instant now, LinkId link, std::size_t queued_bytes);
  // Engine::hand_out(): ops of others, which may be passed on at once. Our own wait for on_committed() (G5), and so
  // does whatever says that we hold something.
  std::span<const Action> on_handed_out(Instant now, const std::vector<CommittedSegment>& segments);
  std::span<const Action> on_committed(Instant now, const Committed& committed);
  // What became of an ApplySegment / StagePage / MergeStaged. A staged page is kApplied.
  std::span<const Action> on_received(Instant now, LinkId link, ChannelNo channel,
                                      const Expected<ReceiveResult>& result);
  std::span<const Action> on_pull_answer(Instant now, LinkId link, ChannelNo channel,
                                         const Expected<PullAnswer>& answer);
  // Which lives are removed from the mesh, all of them: ReplicatorSettings::removed. Where it is our own, no link
  // stays.
  std::span<const Action> on_removed(Instant now, std::set<ReplicaId> removed);
  // A local client published QoS 0: goes to every peer.
  std::span<const Action> publish_live(Instant now, const MessagePtr& message, bool retain);
  std::span<const Action> on_timer(Instant now);
  [[nodiscard]] Instant next_deadline() const;  // Instant::max(): none

  [[nodiscard]] std::vector<LinkStatus> links() const;
  [[nodiscard]] std::vector<ForkStatus> forks() const;
  // Of the peers that are linked now.
  [[nodiscard]] std::vector<ChannelContradiction> contradictions() const;
  // Some peer has said what it holds of the channel.
  [[nodiscard]] bool has_heard(ChannelNo channel) const;
  // Ops of the channel that some peer is known to hold and we lack.
  [[nodiscard]] std::uint64_t behind(ChannelNo channel) const;
  // The greatest number of ours in the channel that some peer said it has durably; 0: none.
  [[nodiscard]] Seq confirmed_by_some_peer(ChannelNo channel) const;
  // Bytes handed out in ApplySegment and StagePage that no on_received() has answered yet.
  [[nodiscard]] std::size_t unapplied_bytes() const { return unapplied_bytes_; }
  // on_received() calls that are still owed.
  [[nodiscard]] std::size_t unanswered() const { return submitted_.size(); }

 private:
  static constexpr std::size_t kNotOurs = std::numeric_limits<std::size_t>::max();

  struct Link {
    LinkId id{};
    std::string authenticated;  // the name that the caller knows, or empty
    std::string peer;           // key into peers_; empty until greeted
    bool dialled = false;
    Instant since{};
    std::size_t queued_bytes = 0;
    std::uint64_t pushes_skipped = 0;
    std::uint64_t live_skipped = 0;
    std::vector<std::size_t> numbering;  // the peer's channel index → ours; kNotOurs
  };

  // What one peer and we know of each other in one channel.
  struct Shared {
    bool shared = false;      // both replicate the channel
    bool heard = false;       // something of its frontier is known
    bool announced = false;   // by what it said unasked, or since it is the same as ours
    Frontier confirmed;       // what it said it holds
    Seq announced_ours = 0;   // of our own ops, in an announcement: it has them durably
    Frontier assumed;         // the same, and what is on its way to it
    Frontier told;            // what it was told that we hold
    bool checks = true;       // the next announcement brings checks
    bool answer_due = false;  // it asked: announce, even if nothing moved
    Instant announce_at = Instant::max();
    Instant announced_at = Instant::min();
    // Asking again while it does not confirm:
    Frontier awaited;
    Instant ask_at = Instant::max();
    Duration ask_backoff{};
    // Answering its pulls, one at a time:
    struct Question {
      LinkId link{};
      wire::PullId id = 0;
      PullRequest request;
    };
    std::optional<Question> answering;
    std::optional<Question> next_question;
    std::vector<std::shared_ptr<const SegmentRow>> held;  // committed while answering; pushed after the answer
    std::size_t held_bytes = 0;
    bool held_overflowed = false;
    // Pulling from it:
    bool has_more = false;
    unsigned failures = 0;         // timeouts in a row
    unsigned empty_answers = 0;    // likewise; and it was said to have something
    unsigned useless_answers = 0;  // likewise; restarts as well
    unsigned refused_snapshots = 0;
    Instant not_asked_before = Instant::min();  // it has but a snapshot, which is refused
    Instant no_part_before = Instant::min();    // it could not answer a question for a part
    std::uint32_t window_bytes = 0;
    struct {
      ReplicaId after{};  // it has nothing for the gaps of replicas up to this one
      Instant not_before = Instant::min();
    } filling;
  };

  struct Peer {
    std::string name;
    PeerNo number{};
    ReplicaId replica{};
    std::uint64_t incarnation = 0;
    std::string version;
    LinkId active{};
    std::vector<Shared> channels;  // as channels_
    std::vector<ChannelContradiction> contradictions;
  };

  struct Channel {
    explicit Channel(ReplicaId own_replica) : tree(own_replica) {}
    ChannelNo number{};
    std::string name;
    MergeKind merge{};
    bool is_prompt = false;
    PushTree tree;
    // Of others, handed out and not committed yet: what an answer to a question leaves out.
    std::vector<std::shared_ptr<const SegmentRow>> open;
    Frontier own;                                       // committed
    Frontier expected;                                  // own, and what was handed to the store in sequence
    std::vector<ReplicaState> states;                   // committed: ends, and the chains' hashes
    std::map<std::string, std::set<ReplicaId>> forked;  // by peer; until somebody greets anew
    std::string describe_from;                          // a peer whose chains contradict ours: what does it hold?
    bool is_described = false;                          // by the last answer
    Seq own_shown = 0;                                  // the last of our own that some peer may have seen
    std::uint64_t fill_room_bytes = 0;                  // committed
    Instant fill_at = Instant::min();                   // the next question for what fills a gap

    struct Question {
      std::string peer;
      LinkId link{};
      wire::PullId id = 0;
      Instant asked_at{};
      Instant deadline{};
      bool speculative = false;       // its frontier claims what is not held: not committed yet, or refused as a fork
      ReplicaId fills_to{};           // not 0: it asks for what fills gaps, this replica's the last of them
      bool is_beside = false;         // while `asked` waits: replicator_parts.cpp
      std::set<ReplicaId> part = {};  // `asked` leaves them to others; who is asked beside it brings just them
    };
    std::optional<Question> asked;
    std::vector<Question> beside;
    Instant not_divided_before = Instant::min();
    struct Snapshot {
      std::string peer;
      std::uint64_t pages = 0;  // handed to the store
      Bytes token;              // of the next page
      bool merging = false;     // the last page is in the store's hands
    };
    std::optional<Snapshot> snapshot;
    bool drain_first = false;  // a snapshot must be asked for with nothing on its way to the store
    bool ask_plainly = false;  // and without claiming what was refused
    std::size_t in_store = 0;  // handed out, not answered
    Instant not_before = Instant::min();
    Instant wake_at = Instant::max();
    Duration backoff{};
  };

  enum class Job : std::uint8_t { kApply, kFill, kStage, kMerge };
  struct Submitted {
    Job job{};
    LinkId link{};
    std::size_t channel = 0;
    ReplicaId replica{};
    std::size_t size_bytes = 0;
  };

  // replicator.cpp, replicator_greeting.cpp: links and greeting
  [[nodiscard]] Link* find_link(LinkId link);
  [[nodiscard]] Peer* peer_of(const Link& link);
  [[nodiscard]] bool is_active(const Link& link) const;
  [[nodiscard]] std::size_t channel_index(ChannelNo channel) const;
  [[nodiscard]] std::span<const Action> finish() const { return actions_; }
  void close(Instant now, LinkId link, std::string reason);
  void forget_link(Instant now, LinkId link);
  void choose_active(Instant now, Peer& peer);
  void start_talking(Instant now, Peer& peer);
  [[nodiscard]] const std::string& filter_of(const Channel& channel) const;
  // Returns whether the channel is exchanged with the peer.
  bool compare(const Channel& ours, const wire::Hello::Channel& theirs, Peer& peer) const;
  // Of a link between the two of us. None: neither is.
  [[nodiscard]] std::optional<std::string> reject_removed(const std::string& peer, ReplicaId replica) const;
  [[nodiscard]] std::optional<std::string> reject_greeting(const Link& link, const wire::Hello& hello) const;
  void on_hello(Instant now, Link& link, const wire::Hello& hello);
  void on_body(Instant now, Link& link, const wire::AnyMessage& message, ByteView bytes);
  void close_if_boundless(Instant now, LinkId link, std::size_t channel);
  void send(Link& link, Bytes message);
  void send_to(Peer& peer, Bytes message);
  [[nodiscard]] bool is_congested(const Peer& peer) const;

  // replicator_push.cpp: push, announcements, live
  void push(Peer& peer, std::size_t channel, const std::shared_ptr<const SegmentRow>& segment);
  void on_announcement(Instant now, Peer& peer, std::size_t channel, const wire::Announcement& announcement);
  void pull_soon(Instant now, std::size_t channel, bool at_once);
  void review_announcements(Instant now, Peer& peer, std::size_t channel);
  void announce(Instant now, Peer& peer, std::size_t channel, bool answer_wanted);
  // Of our chain of this replica at this number; 0: unknown.
  [[nodiscard]] std::uint16_t check_of(const Channel& channel, const FrontierEntry& mark) const;
  void run_announcement_timers(Instant now, Peer& peer, std::size_t channel);
  void on_live(const Peer& from, const wire::Live& live, ByteView bytes);
  void forward_live(const Peer* from, ByteView bytes);

  // replicator_compare.cpp: whole frontiers, by digest
  [[nodiscard]] std::vector<CheckedMark> checked_marks(const Channel& channel) const;
  void ask_to_compare(Peer& peer, std::size_t channel);
  void on_compare(Instant now, Peer& peer, std::size_t channel, const wire::Compare& compare);

  // replicator_tree.cpp: pushes that come, and who is pushed what
  void on_push(Instant now, Link& link, std::size_t channel, const wire::Push& push);
  void on_tree(Instant now, Peer& peer, std::size_t channel, const wire::Tree& tree);
  void prune(Peer& peer, std::size_t channel, ReplicaId replica);
  void graft(std::size_t channel, const std::vector<Graft>& grafts);
  void keep_open(std::size_t channel, const std::shared_ptr<const SegmentRow>& segment);
  void forget_open();

  // replicator_pull.cpp, replicator_answer.cpp: pull, both sides
  enum class Accepted : std::uint8_t { kSubmitted, kHeld, kGap, kLetGo, kBroken };
  Accepted accept_segment(Link& link, std::size_t channel, ByteView segment, bool asked_for);
  void on_pull(Link& link, Peer& peer, std::size_t channel, const wire::Pull& pull);
  void answer_next(Shared& shared, std::size_t channel);
  // True iff it was the end of a complete range: what was committed meanwhile follows it without a gap.
  bool send_answer(Link& link, Shared& shared, std::size_t channel, wire::PullId question, const PullAnswer& answer);
  // Answered now. None: it is not an answer to a question of ours.
  [[nodiscard]] std::optional<Channel::Question> take_question(const Link& link, std::size_t channel, wire::PullId id);
  void on_range(Instant now, Link& link, Peer& peer, std::size_t channel, const wire::Range& range);
  void on_page(Instant now, Link& link, Peer& peer, std::size_t channel, const wire::Page& page);
  void on_restart(Instant now, Peer& peer, std::size_t channel, const Channel::Question& asked);
  // Of our own, in an answer; at most.
  [[nodiscard]] Seq own_shown_by(const PullAnswer& answer) const;
  void question_answered(Instant now, std::size_t channel, const Channel::Question& asked, Shared& shared);
  void question_failed(Instant now, std::size_t channel);
  void note_failure(std::size_t channel, const Channel::Question& asked);
  void abandon_snapshot(std::size_t channel);
  void back_off(Instant now, std::size_t channel);
  [[nodiscard]] std::uint64_t missing_from(Instant now, const Peer& peer, std::size_t channel) const;
  [[nodiscard]] Peer* choose_holder(Instant now, std::size_t channel);
  void pull(Instant now, std::size_t channel);
  void pull_all(Instant now);

  // replicator_parts.cpp: several questions at once
  [[nodiscard]] static bool is_asked_beside(const Channel& channel, ReplicaId replica);
  [[nodiscard]] Frontier parts_missing(Instant now, const Peer& peer, std::size_t channel) const;
  [[nodiscard]] bool may_ask_beside(Instant now, const Peer& peer, std::size_t channel) const;
  void divide(Instant now, std::size_t channel, const Peer& source);
  void ask_beside(Instant now, std::size_t channel);
  void ask_for_part(Instant now, std::size_t channel, Peer& peer, std::set<ReplicaId> part);
  void end_overdue_parts(Instant now, std::size_t channel);

  // replicator_fill.cpp: what others trimmed before it came
  struct FillQuestion {
    Bytes token;       // empty: there is nothing to ask this peer for
    ReplicaId last{};  // that it asks for
  };
  [[nodiscard]] static FillQuestion question_to_fill(const Channel& channel, const Peer& peer, const Shared& shared);
  // Asks, or returns when to try again; Instant::max(): not before anything happens.
  Instant ask_to_fill(Instant now, std::size_t channel);
  void on_fill(Instant now, Link& link, Peer& peer, std::size_t channel, const std::vector<ByteView>& segments,
               ReplicaId asked_to);
  void fill_behind(Instant now, std::size_t channel, Peer& peer, ReplicaId replica);
  void settle_fill(Instant now, const Submitted& job, ReceiveResult result);

  // replicator_forks.cpp: chains that contradict each other
  void forget_forks(std::size_t channel);
  void note_fork(Channel& channel, const std::string& peer, ReplicaId replica) const;
  // Null: nothing.
  [[nodiscard]] static const std::set<ReplicaId>* forked_of(const Channel& channel, const std::string& peer);
  [[nodiscard]] static bool is_forked(const Channel& channel, const std::string& peer, ReplicaId replica);
  [[nodiscard]] static bool brings_refused(const Channel& channel, const std::string& peer,
                                           const std::vector<ReplicaState>& frontier);
  // For a fork that is known.
  [[nodiscard]] static bool is_snapshot_refused(const Channel& channel, const std::string& peer);
  void refuse_snapshot(Instant now, const std::string& peer, std::size_t channel);
  void on_describe(Instant now, Peer& peer, std::size_t channel, const Channel::Question& asked,
                   const wire::Describe& describe);
  [[nodiscard]] Peer* choose_describer(std::size_t channel);
  void renew(const std::string& peer);

  // replicator_status.cpp
  [[nodiscard]] Frontier wanted_of(const Peer& peer, std::size_t channel) const;

  // replicator_store.cpp: what is handed to the store
  void submit(const Submitted& job, Action action);
  void settle(Instant now, const Submitted& job, const Expected<ReceiveResult>& result);
  void settle_merge(Instant now, std::size_t channel, ReceiveResult result);

  ReplicatorSettings settings_;
  const Compressor* compressor_;
  std::vector<Channel> channels_;  // the position is the channel's index in our Hello
  std::map<LinkId, Link> links_;
  std::map<std::string, Peer, std::less<>> peers_;
  std::deque<Submitted> submitted_;
  std::size_t unapplied_bytes_ = 0;
  std::size_t open_bytes_ = 0;
  std::uint32_t last_peer_ = 0;
  wire::PullId last_pull_id_ = 0;
  std::uint64_t last_live_ = 0;
  LiveWindow live_window_;
  bool renewing_ = false;
  std::vector<Action> actions_;
};

}  // namespace hedgerow::sync
