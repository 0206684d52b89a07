// StoreTurn carries out one turn: all intents that wait, one transaction, one sync. Pure but for its ports.
// Thread rule: owned by the store thread. Ownership: engine, storage and sessions must outlive it.
#pragma once

#include <optional>
#include <vector>

#include "daemon/node/store_port.hpp"

namespace hedgerow::node {

class StoreTurn {
 public:
  StoreTurn(sync::Engine& engine, SessionStore& sessions) : engine_(engine), sessions_(sessions) {}

  // Consumes the intents. An intent that is refused (a peer's broken segment) leaves the others untouched; a failed
  // commit fails them all.
  [[nodiscard]] TurnResult run(const WallTime& now, std::vector<Intent>& intents);

 private:
  Expected<std::optional<TurnResult::Renewed>> renew(std::vector<Intent>& intents);
  TurnResult run_intents(const WallTime& now, std::vector<Intent>& intents);
  // What an intent answers is added to `result`. An error means that the turn as a whole must be rolled back.
  Expected<void> apply(const WallTime& now, Intent& intent, TurnResult& result);

  sync::Engine& engine_;
  SessionStore& sessions_;
};

}  // namespace hedgerow::node
