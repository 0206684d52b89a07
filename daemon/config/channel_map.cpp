#include "daemon/config/channel_map.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "daemon/mqtt/topic.hpp"

namespace hedgerow::config {

namespace {

// Takes the levels of a filter one by one. An empty level is a level: "a//b" has three.
class Levels {
 public:
  explicit Levels(std::string_view text) : rest_(text) {}

  [[nodiscard]] bool at_end() const { return at_end_; }

  std::string_view next() {
    const std::size_t slash = rest_.find('/');
    const std::string_view level = rest_.substr(0, slash);
    at_end_ = slash == std::string_view::npos;
    if (!at_end_) rest_.remove_prefix(slash + 1);
    return level;
  }

 private:
  std::string_view rest_;
  bool at_end_ = false;
};

int rank_of(std::string_view level) {
  if (level == "#") return 2;
  if (level == "+") return 1;
  return 0;
}

// True iff `left` comes first: at the first level in which they differ a literal goes before +, and + before #. The end
// of a filter counts as a literal, so that "a" goes before "a/#" for the topic "a". Different literals never match the
// same topic; their order only makes this a total one.
bool goes_before(std::string_view left, std::string_view right) {
  Levels left_levels{left};
  Levels right_levels{right};
  while (!left_levels.at_end() && !right_levels.at_end()) {
    const std::string_view left_level = left_levels.next();
    const std::string_view right_level = right_levels.next();
    if (left_level == right_level) continue;
    const int left_rank = rank_of(left_level);
    const int right_rank = rank_of(right_level);
    return left_rank != right_rank ? left_rank < right_rank : left_level < right_level;
  }
  return left_levels.at_end() && !right_levels.at_end();
}

}  // namespace

ChannelMap::ChannelMap(std::vector<Channel> channels) : channels_(std::move(channels)) {
  by_precedence_.resize(channels_.size());
  std::iota(by_precedence_.begin(), by_precedence_.end(), std::size_t{0});
  std::sort(by_precedence_.begin(), by_precedence_.end(), [this](std::size_t left, std::size_t right) {
    return goes_before(channels_[left].filter, channels_[right].filter);
  });
}

std::optional<std::size_t> ChannelMap::channel_of(std::string_view topic) const {
  for (const std::size_t index : by_precedence_) {
    if (mqtt::matches(channels_[index].filter, topic)) return index;
  }
  return std::nullopt;
}

}  // namespace hedgerow::config
