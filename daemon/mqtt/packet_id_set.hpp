// A few packet identifiers of one connection, in order, without memory while there are none. Identifiers are mostly
// given in ascending order and released in the same, so both ends are cheap.
// Thread-compatible: owned by the loop thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace hedgerow::mqtt {

class PacketIdSet {
 public:
  [[nodiscard]] bool contains(std::uint16_t id) const { return std::ranges::binary_search(ids_, id); }
  [[nodiscard]] std::size_t size() const { return ids_.size(); }
  // Returns true iff it was not there.
  bool insert(std::uint16_t id) {
    const auto at = std::ranges::lower_bound(ids_, id);
    if (at != ids_.end() && *at == id) return false;
    ids_.insert(at, id);
    return true;
  }
  // Returns true iff it was there.
  bool erase(std::uint16_t id) {
    const auto at = std::ranges::lower_bound(ids_, id);
    if (at == ids_.end() || *at != id) return false;
    ids_.erase(at);
    return true;
  }

 private:
  std::vector<std::uint16_t> ids_;
};

}  // namespace hedgerow::mqtt
