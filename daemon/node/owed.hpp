// Owed: what turns that failed left to be done, and nobody can be refused: it is carried out once the disk has room
// (G6).
//
// One entry for each thing that it is about, however often the disk refuses it: a full disk that a client hammers costs
// no more than what is on the disk or was promised. Whoever would promise more asks is_full() first.
// Thread-compatible: owned by the loop thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "daemon/node/limits.hpp"
#include "daemon/node/store_port.hpp"

namespace hedgerow::node {

class Owed {
 public:
  // Replaces one about the same thing; of two positions of a session the releases of both are forgotten.
  // REQUIRES: one of the intents of TurnResult::lost that neither a session, a group nor a will can make again.
  void add(Intent intent);
  // Empties it. In no order: they are about different things.
  [[nodiscard]] std::vector<Intent> take();

  // The row of this session's will is not what it is to be.
  void add_will_row(std::uint64_t session) { will_rows_.insert(session); }
  // Empties it.
  [[nodiscard]] std::set<std::uint64_t> take_will_rows() { return std::exchange(will_rows_, {}); }

  [[nodiscard]] std::size_t size() const { return intents_.size() + will_rows_.size(); }
  [[nodiscard]] bool is_full() const { return bytes_ + will_rows_.size() * kRowBytes >= kOwedBytesMax; }

 private:
  // The kind; the session; the packet identifier; the shared subscription.
  using Key = std::tuple<std::size_t, std::uint64_t, std::uint16_t, std::string>;
  static Key key_of(const Intent& intent);
  static constexpr std::size_t kRowBytes = 64;  // about a node of the set

  std::map<Key, Intent> intents_;
  std::size_t bytes_ = 0;  // of intents_
  std::set<std::uint64_t> will_rows_;
};

}  // namespace hedgerow::node
