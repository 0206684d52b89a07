// StoreTurn carries out one turn: all intents that wait, one transaction, one sync. Where they hold nothing but what
// peers pushed, the transaction may stay open for the turns that follow (sync::RemoteCommit). Pure but for its ports.
// Thread rule: owned by the store thread. Ownership: engine, storage and sessions must outlive it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "daemon/node/store_port.hpp"
#include "sync/engine/remote_commit.hpp"

namespace hedgerow::node {

class StoreTurn {
 public:
  // `remote_commit`: how long a transaction may stay open; 0: not at all.
  StoreTurn(sync::Engine& engine, SessionStore& sessions, Duration remote_commit)
      : engine_(engine), sessions_(sessions), remote_commit_(remote_commit) {}

  // Consumes the intents. An intent that is refused (a peer's broken segment) leaves the others untouched; a failed
  // commit fails them all, and all that was handed out since the last one. REQUIRES: !must_commit_before(intents)
  [[nodiscard]] TurnResult run(const WallTime& now, std::vector<Intent>& intents);
  // The transaction stayed open: commit() it in time.
  [[nodiscard]] bool is_open() const { return is_open_; }
  // It is open, and these intents cannot go on in it.
  [[nodiscard]] bool must_commit_before(const std::vector<Intent>& intents) const;
  // REQUIRES: is_open()
  [[nodiscard]] TurnResult commit(const WallTime& now);

 private:
  Expected<std::optional<TurnResult::Renewed>> renew(std::vector<Intent>& intents, std::string& unlearnt);
  // Where the disk has no room and keep allows to trim, does so in the same turn.
  TurnResult run_intents(const WallTime& now, std::vector<Intent>& intents);
  // After an error it is rolled back, and the intents are as before. `makes_room`: trims first; kLimit if it cannot.
  Expected<TurnResult> attempt(const WallTime& now, std::vector<Intent>& intents, bool makes_room);
  // What an intent answers is added to `result`. An error means that the turn as a whole must be rolled back.
  Expected<void> apply(const WallTime& now, Intent& intent, TurnResult& result);
  // True: the transaction stays open, and the result says so. Otherwise `result` has what was handed out.
  bool stay_open(TurnResult& result);
  TurnResult fail(std::vector<Intent>& intents, const Error& error);
  // What another node must have before this is acknowledged.
  Expected<void> fill(const WallTime& now, const sync::ApplySegment& segment, TurnResult& result);
  [[nodiscard]] sync::Seq own_seq(const AckAddress& address) const;

  sync::Engine& engine_;
  SessionStore& sessions_;
  sync::RemoteCommit remote_commit_;
  std::uint64_t beginnings_ =
      0;  // how often the links had to begin anew: the engine has another name, or other branches
  bool is_open_ = false;
  bool trims_ = false;               // this turn
  std::uint64_t bytes_trimmed_ = 0;  // of all logs, after they were trimmed last
  std::vector<Received> waiting_;    // answers that are due when the open transaction is durable
};

}  // namespace hedgerow::node
