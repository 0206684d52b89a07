#include "daemon/mqtt/topic_aliases.hpp"

#include <algorithm>
#include <cstring>
#include <gsl/assert>

#include "daemon/mqtt/limits.hpp"
#include "daemon/mqtt/properties.hpp"

namespace hedgerow::mqtt {
namespace {

// Never 0, which stands for nothing seen.
std::uint32_t hash_of(std::string_view text) {
  constexpr std::uint64_t kFactor = 0x9E37'79B9'7F4A'7C15U;
  std::uint64_t hash = text.size();
  while (!text.empty()) {
    std::uint64_t word = 0;
    const std::size_t taken = std::min(text.size(), sizeof word);
    std::memcpy(&word, text.data(), taken);
    hash = (hash ^ word) * kFactor;
    hash ^= hash >> 32U;
    text.remove_prefix(taken);
  }
  return static_cast<std::uint32_t>(hash) | 1U;
}

// A string keeps what it once grew to: give back what is mostly unused, so that the bound on bytes is one on memory.
void replace(std::string& old, std::string_view topic) {
  if (old.capacity() > 2 * topic.size() + 64) old = std::string{};
  old.assign(topic);
}

}  // namespace

std::optional<Fault> InboundAliases::resolve(std::uint16_t alias, std::string_view& topic) {
  Expects(alias > 0);
  if (topic.empty()) {
    if (alias > topics_.size() || topics_[alias - 1U].empty()) {  // section 3.3.2.3.4
      return Fault{ReasonCode::kProtocolError, "a topic alias that was not set"};
    }
    topic = topics_[alias - 1U];
    return std::nullopt;
  }
  if (alias > topics_.size()) topics_.resize(alias);
  std::string& old = topics_[alias - 1U];
  if (old == topic) return std::nullopt;
  if (bytes_ - old.size() + topic.size() > kTopicAliasBytesMax) {
    return Fault{ReasonCode::kQuotaExceeded, "the topics behind its aliases are longer than this server accepts"};
  }
  bytes_ += topic.size();
  bytes_ -= old.size();
  replace(old, topic);
  return std::nullopt;
}

std::size_t OutboundAliases::least_recently_used() const {
  const auto oldest =
      std::ranges::max_element(entries_, {}, [this](const Entry& entry) { return clock_ - entry.used_at; });
  return static_cast<std::size_t>(oldest - entries_.begin());
}

OutboundAliases::Choice OutboundAliases::choose(std::string_view topic) {
  if (topic.size() <= kTopicAliasBytes) return {};  // the alias is no shorter
  const std::uint32_t hash = hash_of(topic);
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].hash != hash || entries_[i].topic != topic) continue;
    entries_[i].used_at = ++clock_;
    return {static_cast<std::uint16_t>(i + 1), true};
  }
  if (entries_.size() < maximum_ && bytes_ + topic.size() <= kTopicAliasOutBytesMax) {
    return {static_cast<std::uint16_t>(entries_.size() + 1), false};
  }
  std::uint32_t& seen = seen_[(hash >> 1U) % seen_.size()];
  if (seen != hash || entries_.empty()) {
    seen = hash;
    return {};
  }
  const std::size_t oldest = least_recently_used();
  if (bytes_ - entries_[oldest].topic.size() + topic.size() > kTopicAliasOutBytesMax) return {};
  return {static_cast<std::uint16_t>(oldest + 1), false};
}

void OutboundAliases::remember(const Choice& choice, std::string_view topic) {
  if (choice.alias == 0 || choice.is_known) return;
  if (choice.alias > entries_.size()) entries_.resize(choice.alias);
  Entry& entry = entries_[choice.alias - 1U];
  bytes_ += topic.size();
  bytes_ -= entry.topic.size();
  replace(entry.topic, topic);
  entry.hash = hash_of(topic);
  entry.used_at = ++clock_;
}

}  // namespace hedgerow::mqtt
