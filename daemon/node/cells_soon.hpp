// CellsSoon coalesces retained messages of QoS 0: of writes that follow each other fast only the newest goes to disk.
// Thread rule: the loop thread.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/node/limits.hpp"
#include "sync/engine/engine.hpp"

namespace hedgerow::node {

class CellsSoon {
 public:
  // Replaces what waits for the same topic. True: so much waits that it must be taken now.
  bool set(Instant now, sync::LocalWrite write) {
    const auto [soon, is_new] = by_topic_.try_emplace(write.message->topic);
    if (!is_new) bytes_ -= bytes_of(soon->second);
    bytes_ += bytes_of(write);
    soon->second = std::move(write);
    if (!due_) due_ = now + kCellDelay;
    return by_topic_.size() >= kCellsSoonMax || bytes_ > kCellsSoonBytesMax;
  }
  // A newer write of that topic goes to disk by itself.
  void forget(std::string_view topic) {
    const auto soon = by_topic_.find(topic);
    if (soon == by_topic_.end()) return;
    bytes_ -= bytes_of(soon->second);
    by_topic_.erase(soon);
  }
  [[nodiscard]] bool empty() const { return by_topic_.empty(); }
  // When the oldest has waited long enough.
  [[nodiscard]] std::optional<Instant> due() const { return due_; }
  void take_all(const std::function<void(sync::LocalWrite)>& take) {
    for (auto& [topic, write] : by_topic_) take(std::move(write));
    by_topic_.clear();
    bytes_ = 0;
    due_.reset();
  }

 private:
  static std::size_t bytes_of(const sync::LocalWrite& write) {
    return write.message->topic.size() + write.message->properties.size() + write.message->payload.size();
  }

  std::map<std::string, sync::LocalWrite, std::less<>> by_topic_;
  std::size_t bytes_ = 0;
  std::optional<Instant> due_;
};

}  // namespace hedgerow::node
