// Links joins the replicator to what carries its messages: accepted connections, dialled ones, the store.
// Thread rule: the loop thread. Ownership: what the constructor is given must outlive it; a LinkOutput must live from
// up() to down().
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "daemon/node/channels.hpp"
#include "daemon/node/store_port.hpp"
#include "sync/link/replicator.hpp"

namespace hedgerow::node {

// What a link that was closed by this end is worth.
enum class DialAgain : std::uint8_t {
  kNow,
  kLater,  // the peer is refused until somebody changes something
  kNever,  // the peer is this very node
};

// Port: the sending end of one link.
class LinkOutput {
 public:
  virtual ~LinkOutput() = default;
  // One wire message as one QoS 0 publish. What cannot be sent is lost: pull repairs it. Never calls back.
  virtual void send(ByteView message) = 0;
  [[nodiscard]] virtual std::size_t queued_bytes() = 0;
  // down() follows, later.
  virtual void close(const std::string& reason, DialAgain dial_again) = 0;
};

class Links {
 public:
  // `read_hasher` is used on the reader thread only, `compressor` there and on the loop. `deliver_live` takes what
  // other nodes published at QoS 0. `heard` is called after each message of a link. `random`: uniformly distributed,
  // unpredictable.
  Links(sync::ReplicatorSettings settings, const std::vector<sync::ChannelState>& replicated,
        const ChannelTable& channels, StorePort& store, Hasher& read_hasher, const Compressor& compressor,
        std::function<void(const sync::DeliverLive&)> deliver_live, std::function<void(Instant now)> heard,
        std::function<std::uint64_t()> random);

  // `peer`: the authenticated name.
  sync::LinkId up(Instant now, std::string_view peer, bool dialled, LinkOutput& output);
  void down(Instant now, sync::LinkId link);
  void on_message(Instant now, sync::LinkId link, ByteView message);
  // Call about once a second: outputs that do not say when they have drained are asked.
  void on_tick(Instant now);
  // The output has room again.
  void on_drained(Instant now, sync::LinkId link);
  void on_turn(Instant now, const TurnResult& turn);
  // TurnResult::handed_out
  void on_handed_out(Instant now, const std::vector<sync::CommittedSegment>& segments);
  // The database goes on under another name: all links end, and greet anew when they are up again. Comes before
  // on_turn() of the same turn.
  // `beginning` as TurnResult::Renewed tells it.
  void on_renewed(sync::ReplicaId replica, const std::vector<sync::ChannelState>& replicated, std::uint64_t beginning);
  // Lives of databases that were removed from the mesh, all of them: no link with them is kept.
  void on_removed(Instant now, const std::set<sync::ReplicaId>& removed);
  void publish_live(Instant now, const sync::MessagePtr& message, bool retain);
  void on_timer(Instant now);
  [[nodiscard]] Instant next_deadline() const;

  [[nodiscard]] const sync::Replicator& replicator() const { return replicator_; }
  [[nodiscard]] sync::ReplicaId replica() const { return settings_.replica; }
  // When a link came up after there was none for kAloneLong, or since the start. A board gets its network then, and
  // perhaps its time.
  [[nodiscard]] std::optional<Instant> connected_at() const { return connected_at_; }

 private:
  void carry_out(Instant now, std::span<const sync::Action> actions);
  void answer_pull(sync::AnswerPull pull);
  void report_queues(Instant now);

  sync::ReplicatorSettings settings_;
  const ChannelTable& channels_;
  StorePort& store_;
  Hasher& read_hasher_;
  const Compressor& compressor_;
  std::function<void(const sync::DeliverLive&)> deliver_live_;
  std::function<void(Instant now)> heard_;
  std::function<std::uint64_t()> random_;
  sync::Replicator replicator_;
  std::size_t answers_for_former_ = 0;  // owed to the replicator before this one
  std::uint64_t beginning_ = 0;
  std::map<sync::LinkId, LinkOutput*> outputs_;
  std::optional<Instant> connected_at_;
  std::optional<Instant> alone_since_;  // the last link's end
  std::optional<Instant> look_again_;   // some queue is long: when to ask whether it has drained
  std::vector<sync::LinkId> sent_;      // scratch: links whose queue grew
  std::uint64_t last_link_ = 0;
};

}  // namespace hedgerow::node
