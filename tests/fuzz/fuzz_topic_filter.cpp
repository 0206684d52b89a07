// Topic names, filters and the subscription tree, against naive models that are written from the standard's words:
// MQTT 5.0 sections 1.5.4 and 4.7, daemon/mqtt/topic.hpp and subscription_tree.hpp.
//
//   input := { what:u8 text '\n' }      what modulo 4: 0 subscribe, 1 unsubscribe, 2 and 3 publish; modulo 8 from 4 on
//                                       as another subscriber
#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/mqtt/limits.hpp"
#include "daemon/mqtt/subscription_tree.hpp"
#include "daemon/mqtt/topic.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace hedgerow::mqtt;
using hedgerow::fuzz::require;

using Levels = std::vector<std::string>;

Levels split(std::string_view text) {
  Levels levels(1);
  for (const char c : text) {
    if (c == '/') {
      levels.emplace_back();
    } else {
      levels.back() += c;
    }
  }
  return levels;
}

// Decodes to code points, as the definition of UTF-8 says it: shortest form, no surrogates, up to U+10FFFF.
bool is_text(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto lead = static_cast<std::uint8_t>(text[at]);
    const std::size_t bytes = lead < 0x80   ? 1
                              : lead < 0xC0 ? 0
                              : lead < 0xE0 ? 2
                              : lead < 0xF0 ? 3
                              : lead < 0xF8 ? 4
                                            : 0;
    if (bytes == 0 || at + bytes > text.size()) return false;
    std::uint32_t point = bytes == 1 ? lead : lead & (0xFFU >> (bytes + 1));
    for (std::size_t i = 1; i < bytes; ++i) {
      const auto next = static_cast<std::uint8_t>(text[at + i]);
      if ((next & 0xC0U) != 0x80) return false;
      point = (point << 6U) | (next & 0x3FU);
    }
    const std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x1'0000};
    if (bytes > 1 && point < least[bytes]) return false;
    if (point > 0x10'FFFF || (point >= 0xD800 && point <= 0xDFFF)) return false;
    const bool is_control = point < 0x20 || (point >= 0x7F && point <= 0x9F);
    const bool is_non_character = (point >= 0xFDD0 && point <= 0xFDEF) || (point & 0xFFFEU) == 0xFFFE;
    if (is_control || is_non_character) return false;
    at += bytes;
  }
  return text.size() <= kStringBytesMax;
}

bool is_name(std::string_view text) {
  return !text.empty() && is_text(text) && text.find_first_of("+#") == std::string_view::npos;
}

bool is_plain_filter(const Levels& levels) {
  for (std::size_t i = 0; i < levels.size(); ++i) {
    const bool is_last = i + 1 == levels.size();
    const bool has_wildcard = levels[i].find_first_of("+#") != std::string::npos;
    if (has_wildcard && levels[i] != "+" && !(levels[i] == "#" && is_last)) return false;
  }
  return !(levels.size() == 1 && levels[0].empty());
}

bool is_filter(std::string_view text) {
  if (text.empty() || !is_text(text)) return false;
  Levels levels = split(text);
  if (levels[0] != "$share" || levels.size() == 1) return is_plain_filter(levels);
  if (levels.size() < 3 || levels[1].empty() || levels[1].find_first_of("+#") != std::string::npos) return false;
  levels.erase(levels.begin(), levels.begin() + 2);
  return is_plain_filter(levels);
}

bool do_levels_match(const Levels& filter, const Levels& topic, std::size_t at) {
  if (at == filter.size()) return at == topic.size();
  if (filter[at] == "#") return true;  // also the parent level
  if (at == topic.size()) return false;
  return (filter[at] == "+" || filter[at] == topic[at]) && do_levels_match(filter, topic, at + 1);
}

bool does_match(std::string_view filter, std::string_view topic) {
  const Levels levels = split(filter);
  if (topic.starts_with('$') && (levels[0] == "+" || levels[0] == "#")) return false;  // [MQTT-4.7.2-1]
  return do_levels_match(levels, split(topic), 0);
}

class Model {
 public:
  void subscribe(const std::string& filter, SubscriberId who) {
    const bool is_new = subscriptions_.try_emplace({filter, who}, 0).second;
    require(tree_.insert(filter, who, {}) == is_new, "a subscription is new once");
  }
  void unsubscribe(const std::string& filter, SubscriberId who) {
    require(tree_.erase(filter, who) == (subscriptions_.erase({filter, who}) > 0), "what existed is erased");
  }
  void publish(const std::string& topic) {
    std::vector<SubscriptionTree::Match> matches;
    tree_.match(topic, matches);
    std::vector<SubscriberId> expected;
    for (const auto& [key, unused] : subscriptions_) {
      const bool match = does_match(key.first, topic);
      require(hedgerow::mqtt::matches(key.first, topic) == match, "a filter matches as the standard says");
      if (match) expected.push_back(key.second);
    }
    std::sort(expected.begin(), expected.end());
    std::vector<SubscriberId> found;
    for (const SubscriptionTree::Match& match : matches) found.push_back(match.subscriber);
    require(found == expected, "the tree finds whose filters match, in order");
  }
  void end() {
    require(tree_.size() == subscriptions_.size(), "the tree counts its subscriptions");
    tree_.erase_all(1);
    tree_.erase_all(2);
    require(tree_.size() == 0 && tree_.node_count() == SubscriptionTree{}.node_count(), "nothing is left behind");
  }

 private:
  std::map<std::pair<std::string, SubscriberId>, int> subscriptions_;
  SubscriptionTree tree_{7};
};

void step(Model& model, std::uint8_t what, const std::string& text) {
  require(is_valid_utf8(text) == is_text(text), "UTF-8 is what its definition says");
  require(is_valid_topic_name(text) == is_name(text), "a name is what the standard says");
  require(is_valid_topic_filter(text) == is_filter(text), "a filter is what the standard says");
  if (topic_level_count(text) > kTopicLevelsMax) return;
  if (what % 4 >= 2) {
    if (is_name(text)) model.publish(text);
    return;
  }
  if (!is_filter(text)) return;
  const SharedFilter parts = split_shared_filter(text);
  require(is_plain_filter(split(parts.topic_filter)), "what is left without the share is a filter");
  const SubscriberId who = what % 8 >= 4 ? 2 : 1;
  const std::string filter{parts.topic_filter};
  if (what % 4 == 0) return model.subscribe(filter, who);
  model.unsubscribe(filter, who);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4096) return 0;
  Model model;
  for (std::size_t at = 0; at < size;) {
    const std::uint8_t what = data[at++];
    const std::size_t start = at;
    while (at < size && data[at] != '\n') ++at;
    step(model, what, std::string(reinterpret_cast<const char*>(data) + start, at - start));
    ++at;
  }
  model.end();
  return 0;
}
