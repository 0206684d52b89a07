// Backoff: how long to wait before the next dial. Exponential with full jitter, so that forty boards that lost one
// gateway do not return to it in step. Pure: the random number is given.
// Thread-compatible.
#pragma once

#include <algorithm>
#include <cstdint>

#include "daemon/link_paho/limits.hpp"
#include "sync/base/time.hpp"

namespace hedgerow::link_paho {

class Backoff {
 public:
  // The pause after a failed dial or a fallen link: between 0 and the ceiling, which doubles each time.
  // `random` is uniform over its 64 bits.
  [[nodiscard]] Duration next(std::uint64_t random) {
    const auto span = static_cast<std::uint64_t>(ceiling_.count()) + 1;
    const Duration pause{static_cast<Duration::rep>(random % span)};
    ceiling_ = std::min(ceiling_ * 2, kBackoffLast);
    return pause;
  }

  // A link fell that had been up for `held`.
  void link_fell(Duration held) {
    if (held >= kBackoffResetAfter) ceiling_ = kBackoffFirst;
  }

 private:
  Duration ceiling_ = kBackoffFirst;
};

}  // namespace hedgerow::link_paho
