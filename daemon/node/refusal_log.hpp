// RefusalLog: what clients are refused, for the operator's log. Of each matter (a kind of refusal, and whose it is) one
// line at once, then one a minute with how often it came again: nobody who knocks fills the log (G6).
// Pure. Thread-compatible: owned by the loop thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "sync/base/time.hpp"

namespace hedgerow::node {

class RefusalLog {
 public:
  using Log = std::function<void(const std::string&)>;  // one line
  explicit RefusalLog(Log log) : log_(std::move(log)) {}

  // `matter`: of it one line a minute. `sentence()` gives that line; it is asked only where it is told.
  template <class Sentence>
  void note(Instant now, std::string matter, const Sentence& sentence) {
    if (Matter* told = begin(now, std::move(matter))) log_(told->line = sentence());
  }
  // About once a second.
  void on_tick(Instant now);

 private:
  struct Matter {
    std::string line;
    std::uint64_t again = 0;  // since it was told
    Instant until{};
  };
  // Null: it is counted, to be told later.
  [[nodiscard]] Matter* begin(Instant now, std::string matter);

  Log log_;
  std::map<std::string, Matter> matters_;
  std::uint64_t others_ = 0;  // of more clients than may be told apart
  Instant others_until_{};
};

}  // namespace hedgerow::node
