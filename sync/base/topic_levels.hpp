// The levels of an MQTT topic name or filter, one by one (MQTT 5.0 section 4.7.1.1). An empty level is a level: "a//b"
// has three. Pure. Thread rule: plain value; borrows the text.
#pragma once

#include <cstddef>
#include <string_view>

namespace hedgerow {

class TopicLevels {
 public:
  explicit TopicLevels(std::string_view text) : rest_(text) {}

  [[nodiscard]] bool at_end() const { return at_end_; }

  // REQUIRES: !at_end().
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

}  // namespace hedgerow
