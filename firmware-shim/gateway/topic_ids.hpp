// The topic ids of one thing: names that REGISTER, SUBACK or we ourselves gave a number (section 6.5 of MQTT-SN 1.2).
// Thread rule: a plain value.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "firmware-shim/gateway/limits.hpp"

namespace hedgerow::gateway {

// Topics that both sides know beforehand, by configuration.
using PredefinedTopics = std::unordered_map<std::uint16_t, std::string>;

class TopicIds {
 public:
  // The id of `name`, new if need be. Nothing: kTopicsPerThingMax are taken, or all numbers are used up. The thing does
  // not know it before told().
  std::optional<std::uint16_t> give(std::string_view name) {
    const std::size_t index = index_of(name);
    if (index == topics_.size()) {
      if (topics_.size() == kTopicsPerThingMax || first_ + index > kLastId) return std::nullopt;
      topics_.push_back({.name = std::string{name}});
    }
    return static_cast<std::uint16_t>(first_ + index);
  }
  // The thing knows this id, which give() made.
  void told(std::uint16_t id) { topics_[id - first_].told = true; }
  // Of a topic that the thing knows.
  [[nodiscard]] std::optional<std::uint16_t> find(std::string_view name) const {
    const std::size_t index = index_of(name);
    if (index == topics_.size() || !topics_[index].told) return std::nullopt;
    return static_cast<std::uint16_t>(first_ + index);
  }
  // Null: nobody gave this id, or not since forget().
  [[nodiscard]] const std::string* name(std::uint16_t id) const {
    return id < first_ || id - first_ >= topics_.size() ? nullptr : &topics_[id - first_].name;
  }
  // Ids from before are not given again soon: what a thing may remember never means another topic.
  void forget() {
    first_ = first_ + topics_.size() > kLastId / 2 ? 1 : first_ + topics_.size();
    topics_.clear();
  }

 private:
  static constexpr std::size_t kLastId = 0xFFFE;  // 0 and 0xFFFF are reserved (section 5.3.11)
  struct Topic {
    std::string name;
    bool told = false;
  };

  [[nodiscard]] std::size_t index_of(std::string_view name) const {
    const auto found = std::find_if(topics_.begin(), topics_.end(), [&](const Topic& t) { return t.name == name; });
    return static_cast<std::size_t>(found - topics_.begin());
  }

  std::size_t first_ = 1;
  std::vector<Topic> topics_;  // of id first_ + i
};

}  // namespace hedgerow::gateway
