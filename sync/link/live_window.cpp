#include "sync/link/live_window.hpp"

#include <algorithm>

namespace hedgerow::sync {

bool LiveWindow::first_time(std::uint64_t origin, std::uint64_t counter) {
  if (!origins_.contains(origin) && origins_.size() >= kLiveOriginsMax) forget_one();
  Origin& known = origins_[origin];
  known.last_use = ++uses_;
  if (counter > known.newest) {
    const std::uint64_t ahead = counter - known.newest;
    if (ahead < kLiveWindow) {
      known.seen <<= static_cast<std::size_t>(ahead);
    } else {
      known.seen.reset();
    }
    known.seen.set(0);
    known.newest = counter;
    return true;
  }
  const std::uint64_t behind = known.newest - counter;
  if (behind >= kLiveWindow) return false;
  const auto bit = static_cast<std::size_t>(behind);
  if (known.seen.test(bit)) return false;
  known.seen.set(bit);
  return true;
}

void LiveWindow::forget_one() {
  origins_.erase(std::min_element(origins_.begin(), origins_.end(),
                                  [](const auto& a, const auto& b) { return a.second.last_use < b.second.last_use; }));
}

}  // namespace hedgerow::sync
