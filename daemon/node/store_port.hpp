// Port: the store as the node on the loop thread sees it. Intents go in, in order; each turn of the store thread
// commits what waits (turn_share.hpp), syncs once, and hands one TurnResult back. DESIGN 4.
// Thread rule: the node calls from the loop thread; results and continuations arrive on the loop thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "daemon/node/arrival_times.hpp"
#include "daemon/node/session_store.hpp"
#include "sync/engine/engine.hpp"
#include "sync/link/replicator.hpp"

namespace hedgerow::node {

// Which packet a client waits for.
enum class AckKind : std::uint8_t { kPuback, kPubrec, kPubcomp, kPubrel };

// Where an acknowledgement goes: a connection that may have gone meanwhile.
struct AckAddress {
  std::uint64_t client = 0;   // 0: nobody waits
  std::uint64_t session = 0;  // its session, which may outlive it
  std::uint16_t packet_id = 0;
  AckKind kind = AckKind::kPuback;
  // It also waits until another node has what this one wrote in this channel ("ack": "peer").
  std::optional<sync::ChannelNo> peer_channel = {};
};

struct PublishIntent {
  sync::LocalWrite write;
  AckAddress ack;
  bool remember_received = false;  // QoS 2 of a persistent session: the packet identifier, until it is released
  std::uint64_t will = 0;          // the write is a will: this number comes back in TurnResult::wills
  std::uint64_t erased_will = 0;   // and the row of this session's will goes with it
  std::uint64_t token = 0;         // comes back in TurnResult::told; 0: nobody waits
};
// QoS 2 from a client, PUBREL came: PUBCOMP once this is on disk. `persistent`: there is something to forget. Not
// `found`: the identifier was released before, and the PUBCOMP was lost or waits for the same disk.
struct ReleaseReceivedIntent {
  AckAddress ack;
  bool persistent = false;
  bool found = true;
};
// QoS 2 to a client, PUBREC came: PUBREL once this is on disk.
struct AddReleaseIntent {
  AckAddress ack;
  sync::Arrival arrival = 0;
};
struct PutSessionIntent {
  StoredSession session;
  std::uint64_t token = 0;  // comes back in TurnResult::saved; 0: nobody waits
};
// A clean start: the new session, if it is kept, and the will of its connection, if it has one, in the place of the old
// session.
struct ReplaceSessionIntent {
  std::uint64_t replaced = 0;
  std::vector<StoredSession> sessions = {};
  std::vector<StoredWill> wills = {};
  std::uint64_t token = 0;  // as PutSessionIntent
};
struct EraseSessionIntent {
  std::uint64_t id = 0;
};
struct PositionIntent {
  std::uint64_t id = 0;
  sync::Arrival position = 0;
  std::vector<std::uint16_t> finished = {};   // packet identifiers of releases that the client completed
  std::vector<StoredSubscription> runs = {};  // whose retained messages or replay came further
};
// `died`: the connection is gone now; the will is stamped with this moment, and comes back in TurnResult::stamped.
struct PutWillIntent {
  StoredWill will;
  bool died = false;
  std::uint64_t token = 0;  // as PutSessionIntent
};
struct EraseWillIntent {
  std::uint64_t session = 0;
};
struct PutGroupIntent {
  StoredGroup group;
};
struct EraseGroupIntent {
  std::string share;
  std::string filter;
};
struct TrimIntent {};
// sync::Engine::renew(), before everything else of its turn. Passed over if the links began anew since it was asked
// for: what they have shown by then is not in it, and who knows more than this node wrote will say so again.
struct RenewIntent {
  sync::ReplicaId fresh{};
  std::string peer;  // who said that it is time
  std::vector<sync::ShownOps> shown = {};
  std::uint64_t beginning = 0;  // of the links, as Renewed::beginning told it last; 0: the first
};
// sync::Engine::learn(), likewise.
struct LearnIntent {
  sync::LearnBranches branches;
  sync::ReplicaId fresh{};
};
// Changes nothing; its token comes back once everything before it is on disk.
struct BarrierIntent {
  std::uint64_t token = 0;
};
// Changes nothing: a QoS 2 publish that is known already is answered in its turn.
struct RepeatIntent {
  AckAddress ack;
};
// Changes nothing: a refused publish is answered in its turn [MQTT-4.6.0-2].
struct RefusalIntent {
  AckAddress ack;
  Category why = Category::kRefused;
};

using Intent =
    std::variant<PublishIntent, ReleaseReceivedIntent, AddReleaseIntent, sync::ApplySegment, sync::StagePage,
                 sync::MergeStaged, sync::DropStaged, sync::CommitNow, PutSessionIntent, ReplaceSessionIntent,
                 EraseSessionIntent, PositionIntent, PutWillIntent, EraseWillIntent, PutGroupIntent, EraseGroupIntent,
                 TrimIntent, RenewIntent, LearnIntent, BarrierIntent, RepeatIntent, RefusalIntent>;

struct Ack {
  AckAddress address;
  bool stored = true;  // false: refused, and `why` says how
  Category why = Category::kIo;
  sync::Seq seq = sync::kSeqMax;  // with a peer_channel: of the op, or a later one; kSeqMax: nobody knows it
};
// What became of a publish that somebody waits for by its token.
struct Told {
  std::uint64_t token = 0;
  std::optional<Error> error = {};  // refused, and why
};
struct Received {
  sync::LinkId link{};
  sync::ChannelNo channel{};
  Expected<sync::ReceiveResult> result;
};

// What one turn did. Everything in it is durable, unless `failure` says that nothing of the turn is, or of those before
// it that were left open.
struct TurnResult {
  // The transaction was left open: nothing is durable, and but for `handed_out` and `trim_again` nothing is told yet.
  bool is_open = false;
  // What peers pushed, to be passed on, and delivered to sessions that keep nothing (sync::RemoteCommit). It is not
  // told again when it is durable.
  std::vector<sync::CommittedSegment> handed_out;
  sync::Committed committed;
  std::vector<Ack> acks;
  // Publishes that the engine did not take, for the log; their acks say the same.
  struct Refused {
    std::uint64_t client = 0;
    std::string topic;
    std::string why;
  };
  std::vector<Refused> refused;
  std::vector<Told> told;
  std::vector<Arrivals> filled;  // what came of gaps: each after what its replica wrote later
  std::vector<Received> received;
  std::vector<std::pair<std::uint64_t, sync::Arrival>> positions;  // saved: session, position
  std::vector<StoredGroup> groups;                                 // saved
  std::vector<std::uint64_t> saved;    // tokens of PutSessionIntent, BarrierIntent and the like
  std::vector<std::uint64_t> unsaved;  // likewise, of a turn that failed
  std::vector<StoredWill> stamped;     // wills whose connections died
  struct FiredWill {
    std::uint64_t number = 0;
    std::optional<Error> refused{};  // nothing of it is on disk, its row is as it was
  };
  std::vector<FiredWill> wills;
  std::vector<std::uint64_t> lost_positions;  // sessions whose PositionIntent was in a turn that failed
  std::vector<std::uint64_t> lost_sessions;   // sessions whose PutSessionIntent was, and nobody waits for it
  std::vector<Intent> lost;                   // of a turn that failed: what must be tried again later
  bool trim_again = false;
  // The engine's after it: nothing that the turn tells of has a greater stamp.
  sync::Stamp clock{};
  // The database goes on under another name, or what it holds of others bears new names; what this turn committed bears
  // them.
  struct Renewed {
    sync::ReplicaId replica{};
    std::string why;                           // for people
    std::vector<sync::ChannelState> channels;  // before what this turn committed
    std::uint64_t beginning = 0;               // how often the links had to begin anew, with this time
  };
  std::optional<Renewed> renewed;
  std::string unlearnt;  // why what a peer told of branches was not taken; empty: nothing was refused
  // Nothing of the turn is on disk. kLimit: the disk is full, service goes on. Else the daemon must end.
  std::optional<Error> failure;
};

// Runs on the reader thread with a snapshot of its own, and returns what the loop thread does with the outcome.
using Continuation = std::function<void(Instant now)>;
using ReadJob = std::function<Continuation(sync::ReadView& view)>;

class StorePort {
 public:
  virtual ~StorePort() = default;
  virtual void submit(Intent intent) = 0;
  // Bytes of intents that were submitted and are not committed yet.
  [[nodiscard]] virtual std::size_t pending_bytes() const = 0;
  // Jobs run in order. `failed` runs on the loop thread, instead of the job, when no snapshot can be had.
  virtual void read(ReadJob job, std::function<void(Instant now, const Error&)> failed) = 0;
};

}  // namespace hedgerow::node
