// StagedAnswers: which answers that wait in pages (Storage::stage_page) are what came. A turn that was lost, for want
// of room perhaps, took a page or a drop with it; what is there then may be of an answer before it, and must not be
// merged with the frontier of the next (G2, G3).
// Pure. Thread rule: the engine's. Bounded by the peers and channels that stage at all, each once.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "sync/log/op.hpp"

namespace hedgerow::sync {

class StagedAnswers {
 public:
  // In this turn.
  void on_drop(ChannelNo channel, std::string_view peer) { dropped_.insert({channel, std::string(peer)}); }
  void on_page(ChannelNo channel, std::string_view peer) { touched_.insert({channel, std::string(peer)}); }
  // From a turn that was lost until the next drop that is not: what is staged may be of another answer.
  [[nodiscard]] bool is_lost(ChannelNo channel, std::string_view peer) const {
    const Key key{channel, std::string(peer)};
    return lost_.contains(key) && !dropped_.contains(key);
  }
  // The turn is over: it counts, or it was lost.
  void end_turn(bool counts) {
    for (const Key& key : dropped_) {
      if (counts) lost_.erase(key);
    }
    if (!counts) lost_.insert(dropped_.begin(), dropped_.end());
    if (!counts) lost_.insert(touched_.begin(), touched_.end());
    dropped_.clear();
    touched_.clear();
  }

 private:
  using Key = std::pair<ChannelNo, std::string>;
  std::set<Key> dropped_;
  std::set<Key> touched_;
  std::set<Key> lost_;
};

}  // namespace hedgerow::sync
