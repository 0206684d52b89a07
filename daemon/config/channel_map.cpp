#include "daemon/config/channel_map.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "daemon/mqtt/topic.hpp"
#include "sync/base/topic_levels.hpp"

namespace hedgerow::config {

namespace {

int rank_of(std::string_view level) {
  if (level == "#") return 2;
  if (level == "+") return 1;
  return 0;
}

// True iff `left` comes first: at the first level in which they differ a literal goes before +, and + before #. The end
// of a filter counts as a literal, so that "a" goes before "a/#" for the topic "a". Different literals never match the
// same topic; their order only makes this a total one.
bool goes_before(std::string_view left, std::string_view right) {
  TopicLevels left_levels{left};
  TopicLevels right_levels{right};
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
