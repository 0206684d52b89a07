// LiveWindow tells a live message that is seen for the first time from a copy that came another way.
//
// Each node numbers its live messages from 1. For each origin the newest count and the kLiveWindow counts behind it are
// remembered; what is older counts as seen. Of more than kLiveOriginsMax origins the one that was silent longest is
// forgotten (G6).
// Thread rule: owned by the loop thread.
#pragma once

#include <bitset>
#include <cstdint>
#include <map>

#include "sync/limits.hpp"

namespace hedgerow::sync {

class LiveWindow {
 public:
  // Returns true iff (origin, counter) is new, and remembers it.
  bool first_time(std::uint64_t origin, std::uint64_t counter);
  [[nodiscard]] std::size_t origins() const { return origins_.size(); }

 private:
  struct Origin {
    std::uint64_t newest = 0;
    std::uint64_t last_use = 0;
    std::bitset<kLiveWindow> seen;  // bit i: newest - i
  };
  void forget_one();

  std::map<std::uint64_t, Origin> origins_;
  std::uint64_t uses_ = 0;
};

}  // namespace hedgerow::sync
