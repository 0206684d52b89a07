// WaitingChecks: what waits for one slow worker, fairly: first come, first served among those of one address, and the
// addresses take turns. When all places are taken, whoever has most of them gives one up to whoever has less, so that
// no address keeps the others out. What nobody waits for any more is passed over, and makes room first.
//
// Pure. Thread-compatible. Check has: std::string address; bool is_wanted() const.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace hedgerow::app {

template <class Check>
class WaitingChecks {
 public:
  explicit WaitingChecks(std::size_t count_max) : count_max_(count_max) {}

  // Returns the check that found no place, or lost it to this one.
  [[nodiscard]] std::optional<Check> add(Check check) {
    if (count_ >= count_max_) drop_unwanted();
    std::optional<Check> displaced;
    if (count_ >= count_max_) {
      const auto most = std::max_element(by_address_.begin(), by_address_.end(), [](const auto& a, const auto& b) {
        return a.second.size() < b.second.size();
      });
      const auto own = by_address_.find(check.address);
      const std::size_t with_it = (own == by_address_.end() ? 0 : own->second.size()) + 1;
      if (most->second.size() <= with_it) return check;
      displaced = std::move(most->second.back());
      most->second.pop_back();
      --count_;
    }
    ++count_;
    by_address_[check.address].push_back(std::move(check));
    return displaced;
  }

  // The next one, or nothing.
  [[nodiscard]] std::optional<Check> take() {
    while (!by_address_.empty()) {
      auto turn = by_address_.upper_bound(served_);
      if (turn == by_address_.end()) turn = by_address_.begin();
      Check check = std::move(turn->second.front());
      turn->second.pop_front();
      --count_;
      const bool is_wanted = check.is_wanted();
      if (is_wanted) served_ = turn->first;
      if (turn->second.empty()) by_address_.erase(turn);
      if (is_wanted) return check;
    }
    return std::nullopt;
  }

  [[nodiscard]] bool empty() const { return count_ == 0; }

 private:
  void drop_unwanted() {
    for (auto each = by_address_.begin(); each != by_address_.end();) {
      count_ -= std::erase_if(each->second, [](const Check& check) { return !check.is_wanted(); });
      each = each->second.empty() ? by_address_.erase(each) : std::next(each);
    }
  }

  const std::size_t count_max_;
  std::size_t count_ = 0;
  std::map<std::string, std::deque<Check>> by_address_;  // none is empty
  std::string served_;                                   // whose turn was the last
};

}  // namespace hedgerow::app
