#include "daemon/mqtt/subscription_tree.hpp"

#include <algorithm>
#include <cstring>
#include <gsl/assert>
#include <utility>

#include "daemon/mqtt/topic.hpp"

namespace hedgerow::mqtt {
namespace {

constexpr std::size_t kSlotsAtFirst = 16;

// Takes the first level off `rest`; the end is when `rest` is a null view.
std::string_view take_level(std::string_view& rest) {
  const std::size_t slash = rest.find('/');
  const std::string_view level = rest.substr(0, slash);
  rest = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash + 1);
  return level;
}

bool at_end(std::string_view rest) { return rest.data() == nullptr; }

std::uint64_t mix(std::uint64_t hash, std::uint64_t word) {
  hash = (hash ^ word) * 0x9E37'79B9'7F4A'7C15U;
  return hash ^ (hash >> 29U);
}

}  // namespace

SubscriptionTree::SubscriptionTree(std::uint64_t hash_seed)
    : seed_(hash_seed), nodes_(1), slots_(kSlotsAtFirst, kNone) {}

std::uint64_t SubscriptionTree::hash_of(NodeIndex parent, std::string_view level) const {
  std::uint64_t hash = mix(seed_, (std::uint64_t{parent} << 32U) | level.size());
  while (level.size() >= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, level.data(), sizeof word);
    hash = mix(hash, word);
    level.remove_prefix(8);
  }
  std::uint64_t word = 0;
  for (const char c : level) word = (word << 8U) | static_cast<std::uint8_t>(c);
  hash = mix(hash, word);
  return hash ^ (hash >> 32U);
}

SubscriptionTree::NodeIndex SubscriptionTree::find_literal(NodeIndex parent, std::string_view level) const {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t slot = static_cast<std::size_t>(hash_of(parent, level)) & mask;; slot = (slot + 1) & mask) {
    const NodeIndex index = slots_[slot];
    if (index == kNone) return kNone;
    if (nodes_[index].parent == parent && nodes_[index].level == level) return index;
  }
}

SubscriptionTree::NodeIndex SubscriptionTree::find_child(NodeIndex parent, std::string_view level) const {
  if (level == "+") return nodes_[parent].plus;
  if (level == "#") return nodes_[parent].hash;
  return find_literal(parent, level);
}

SubscriptionTree::NodeIndex SubscriptionTree::find_filter(std::string_view filter) const {
  NodeIndex index = kRoot;
  while (!at_end(filter)) {
    index = find_child(index, take_level(filter));
    if (index == kNone) return kNone;
  }
  return index;
}

void SubscriptionTree::add_slot(NodeIndex index) {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = static_cast<std::size_t>(hash_of(nodes_[index].parent, nodes_[index].level)) & mask;
  while (slots_[slot] != kNone) slot = (slot + 1) & mask;
  slots_[slot] = index;
}

void SubscriptionTree::grow_slots() {
  const std::vector<NodeIndex> old = std::exchange(slots_, std::vector<NodeIndex>(slots_.size() * 2, kNone));
  for (const NodeIndex index : old) {
    if (index != kNone) add_slot(index);
  }
}

// Linear probing without tombstones: what follows moves up into the gap unless it would come before its own place.
void SubscriptionTree::remove_slot(NodeIndex index) {
  const std::size_t mask = slots_.size() - 1;
  std::size_t gap = static_cast<std::size_t>(hash_of(nodes_[index].parent, nodes_[index].level)) & mask;
  while (slots_[gap] != index) gap = (gap + 1) & mask;
  for (std::size_t slot = (gap + 1) & mask; slots_[slot] != kNone; slot = (slot + 1) & mask) {
    const Node& node = nodes_[slots_[slot]];
    const std::size_t home = static_cast<std::size_t>(hash_of(node.parent, node.level)) & mask;
    if (((slot - home) & mask) < ((slot - gap) & mask)) continue;
    slots_[gap] = slots_[slot];
    gap = slot;
  }
  slots_[gap] = kNone;
}

SubscriptionTree::NodeIndex SubscriptionTree::add_child(NodeIndex parent, std::string_view level) {
  NodeIndex index = kNone;
  if (free_.empty()) {
    index = static_cast<NodeIndex>(nodes_.size());
    nodes_.emplace_back();
  } else {
    index = free_.back();
    free_.pop_back();
  }
  nodes_[index].parent = parent;
  ++nodes_[parent].children;
  if (level == "+") {
    nodes_[parent].plus = index;
  } else if (level == "#") {
    nodes_[parent].hash = index;
  } else {
    nodes_[index].level = level;
    if ((literal_count_ + 1) * 4 > slots_.size() * 3) grow_slots();
    ++literal_count_;
    add_slot(index);
  }
  return index;
}

void SubscriptionTree::remove_if_unused(NodeIndex index) {
  while (index != kRoot && nodes_[index].children == 0 && nodes_[index].subscriptions.empty()) {
    const NodeIndex parent = nodes_[index].parent;
    if (nodes_[parent].plus == index) {
      nodes_[parent].plus = kNone;
    } else if (nodes_[parent].hash == index) {
      nodes_[parent].hash = kNone;
    } else {
      remove_slot(index);
      --literal_count_;
    }
    --nodes_[parent].children;
    nodes_[index] = Node{};
    free_.push_back(index);
    index = parent;
  }
}

bool SubscriptionTree::insert(std::string_view filter, SubscriberId subscriber, const SubOptions& options) {
  Expects(!filter.empty());
  NodeIndex index = kRoot;
  while (!at_end(filter)) {
    const std::string_view level = take_level(filter);
    const NodeIndex child = find_child(index, level);
    index = child == kNone ? add_child(index, level) : child;
  }
  std::vector<Match>& subscriptions = nodes_[index].subscriptions;
  const auto at = std::ranges::lower_bound(subscriptions, subscriber, {}, &Match::subscriber);
  if (at != subscriptions.end() && at->subscriber == subscriber) {
    at->options = options;
    return false;
  }
  subscriptions.insert(at, Match{subscriber, options});
  of_subscriber_[subscriber].push_back(index);
  ++subscription_count_;
  return true;
}

bool SubscriptionTree::erase_at(NodeIndex index, SubscriberId subscriber) {
  std::vector<Match>& subscriptions = nodes_[index].subscriptions;
  const auto at = std::ranges::lower_bound(subscriptions, subscriber, {}, &Match::subscriber);
  if (at == subscriptions.end() || at->subscriber != subscriber) return false;
  subscriptions.erase(at);
  --subscription_count_;
  remove_if_unused(index);
  return true;
}

bool SubscriptionTree::erase(std::string_view filter, SubscriberId subscriber) {
  const NodeIndex index = filter.empty() ? kNone : find_filter(filter);
  if (index == kNone || !erase_at(index, subscriber)) return false;
  const auto entry = of_subscriber_.find(subscriber);
  Ensures(entry != of_subscriber_.end());
  std::vector<NodeIndex>& indices = entry->second;
  const auto at = std::ranges::find(indices, index);
  Ensures(at != indices.end());
  *at = indices.back();
  indices.pop_back();
  if (indices.empty()) of_subscriber_.erase(entry);
  return true;
}

std::size_t SubscriptionTree::erase_all(SubscriberId subscriber) {
  const auto entry = of_subscriber_.find(subscriber);
  if (entry == of_subscriber_.end()) return 0;
  const std::vector<NodeIndex> indices = std::move(entry->second);
  of_subscriber_.erase(entry);
  for (const NodeIndex index : indices) erase_at(index, subscriber);
  return indices.size();
}

void SubscriptionTree::collect(NodeIndex index, std::vector<Match>& out) const {
  if (index == kNone) return;
  const std::vector<Match>& subscriptions = nodes_[index].subscriptions;
  out.insert(out.end(), subscriptions.begin(), subscriptions.end());
}

// The recursion ends with the tree, whose depth insert() bounds, not with the topic.
void SubscriptionTree::visit(NodeIndex index, std::string_view rest, std::vector<Match>& out) const {
  const Node& node = nodes_[index];
  collect(node.hash, out);  // "sport/#" matches "sport" too: section 4.7.1.2
  if (at_end(rest)) {
    collect(index, out);
    return;
  }
  if (node.children == 0) return;
  const std::string_view level = take_level(rest);
  if (node.plus != kNone) visit(node.plus, rest, out);
  const NodeIndex literal = find_literal(index, level);
  if (literal != kNone) visit(literal, rest, out);
}

void SubscriptionTree::match(std::string_view topic, std::vector<Match>& out) const {
  out.clear();
  if (topic.starts_with('$')) {  // [MQTT-4.7.2-1]: not the wildcards of the root
    const NodeIndex literal = find_literal(kRoot, take_level(topic));
    if (literal != kNone) visit(literal, topic, out);
  } else {
    visit(kRoot, topic, out);
  }
  // Each node's own list is in order already. Not a stable sort: that would allocate for each message.
  if (std::ranges::is_sorted(out, {}, &Match::subscriber)) return;
  std::ranges::sort(out, {}, [](const Match& match) {
    return std::pair{match.subscriber, match.options.subscription_identifier};
  });
}

}  // namespace hedgerow::mqtt
