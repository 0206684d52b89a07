// SparseNotes: tells the operator of what may happen very often: the first time, then once a minute at most, with how
// often it was since.
// Thread rule: the loop thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "sync/base/time.hpp"

namespace hedgerow::node {

class SparseNotes {
 public:
  template <class Log>
  void note(Instant now, const Log& log, const std::string& sentence) {
    ++untold_;
    if (told_ && now - *told_ < kPause) return;
    const std::uint64_t times = std::exchange(untold_, 0);
    log(times == 1 ? sentence : sentence + " (" + std::to_string(times) + " times since it was last told)");
    told_ = now;
  }

 private:
  static constexpr Duration kPause = std::chrono::minutes{1};

  std::optional<Instant> told_;
  std::uint64_t untold_ = 0;
};

}  // namespace hedgerow::node
