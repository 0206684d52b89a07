// ChannelMap answers which channel a topic belongs to (DESIGN 1: "Of two filters the first differing level decides: a
// literal, then +, then #").
//
// Pure. Thread rule: immutable after construction, so any thread may ask. Ownership: keeps its own copy of the
// channels.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "daemon/config/config.hpp"

namespace hedgerow::config {

class ChannelMap {
 public:
  // REQUIRES: filters valid by mqtt::is_valid_topic_filter, none shared, no two alike. Config::channels of a parsed
  // file is such a list.
  explicit ChannelMap(std::vector<Channel> channels);

  // The index in channels() of the channel that owns the topic; none when no filter matches, in which case the broker
  // refuses the publish.
  [[nodiscard]] std::optional<std::size_t> channel_of(std::string_view topic) const;

  // In the order given to the constructor.
  [[nodiscard]] std::span<const Channel> channels() const { return channels_; }

 private:
  std::vector<Channel> channels_;
  std::vector<std::size_t> by_precedence_;  // indices into channels_: the first that matches owns the topic
};

}  // namespace hedgerow::config
