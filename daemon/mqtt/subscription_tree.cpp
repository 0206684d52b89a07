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

std::string_view first_level(std::string_view path) { return take_level(path); }

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
    if (nodes_[index].parent == parent && first_level(nodes_[index].path) == level) return index;
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
    if (index == kNone || !at_end(follow(nodes_[index].path, filter))) return kNone;
  }
  return index;
}

void SubscriptionTree::add_slot(NodeIndex index) {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = static_cast<std::size_t>(hash_of(nodes_[index].parent, first_level(nodes_[index].path))) & mask;
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
  std::size_t gap = static_cast<std::size_t>(hash_of(nodes_[index].parent, first_level(nodes_[index].path))) & mask;
  while (slots_[gap] != index) gap = (gap + 1) & mask;
  for (std::size_t slot = (gap + 1) & mask; slots_[slot] != kNone; slot = (slot + 1) & mask) {
    const Node& node = nodes_[slots_[slot]];
    const std::size_t home = static_cast<std::size_t>(hash_of(node.parent, first_level(node.path))) & mask;
    if (((slot - home) & mask) < ((slot - gap) & mask)) continue;
    slots_[gap] = slots_[slot];
    gap = slot;
  }
  slots_[gap] = kNone;
}

void SubscriptionTree::link(NodeIndex index) {
  Node& parent = nodes_[nodes_[index].parent];
  ++parent.children;
  parent.child_xor ^= index;
  const std::string_view level = first_level(nodes_[index].path);
  if (level == "+") {
    parent.plus = index;
  } else if (level == "#") {
    parent.hash = index;
  } else {
    if ((literal_count_ + 1) * 4 > slots_.size() * 3) grow_slots();
    ++literal_count_;
    add_slot(index);
  }
}

void SubscriptionTree::unlink(NodeIndex index) {
  Node& parent = nodes_[nodes_[index].parent];
  --parent.children;
  parent.child_xor ^= index;
  if (parent.plus == index) {
    parent.plus = kNone;
  } else if (parent.hash == index) {
    parent.hash = kNone;
  } else {
    remove_slot(index);
    --literal_count_;
  }
}

SubscriptionTree::NodeIndex SubscriptionTree::add_node(NodeIndex parent, std::string_view path) {
  NodeIndex index = kNone;
  if (free_.empty()) {
    index = static_cast<NodeIndex>(nodes_.size());
    nodes_.emplace_back();
  } else {
    index = free_.back();
    free_.pop_back();
  }
  nodes_[index].parent = parent;
  nodes_[index].path = path;
  link(index);
  return index;
}

void SubscriptionTree::remove_node(NodeIndex index) {
  unlink(index);
  nodes_[index] = Node{};
  free_.push_back(index);
}

std::string_view SubscriptionTree::follow(std::string_view path, std::string_view& filter) {
  take_level(path);
  while (!at_end(path) && !at_end(filter)) {
    std::string_view path_after = path;
    std::string_view filter_after = filter;
    if (take_level(path_after) != take_level(filter_after)) break;
    path = path_after;
    filter = filter_after;
  }
  return path;
}

// The node keeps its number, which of_subscriber_ knows.
SubscriptionTree::NodeIndex SubscriptionTree::split(NodeIndex index, std::size_t bytes) {
  unlink(index);
  const std::string path = std::exchange(nodes_[index].path, {});
  const NodeIndex upper = add_node(nodes_[index].parent, std::string_view(path).substr(0, path.size() - bytes - 1));
  nodes_[index].path = path.substr(path.size() - bytes);
  nodes_[index].parent = upper;
  link(index);
  return upper;
}

void SubscriptionTree::tidy(NodeIndex index) {
  while (index != kRoot && nodes_[index].subscriptions.empty()) {
    const NodeIndex parent = nodes_[index].parent;
    if (nodes_[index].children == 1 && nodes_[index].hash == kNone) {
      const NodeIndex child = nodes_[index].child_xor;
      unlink(child);
      nodes_[child].path = nodes_[index].path + "/" + nodes_[child].path;
      nodes_[child].parent = parent;
      remove_node(index);
      return link(child);
    }
    if (nodes_[index].children > 0) return;
    remove_node(index);
    index = parent;
  }
}

bool SubscriptionTree::insert(std::string_view filter, SubscriberId subscriber, const SubOptions& options) {
  Expects(!filter.empty());
  NodeIndex index = kRoot;
  while (!at_end(filter)) {
    std::string_view rest = filter;
    const NodeIndex child = find_child(index, take_level(rest));
    if (child != kNone) {
      const std::string_view left = follow(nodes_[child].path, rest);
      index = at_end(left) ? child : split(child, left.size());
      filter = rest;
      continue;
    }
    const bool has_hash = filter != "#" && filter.ends_with('#');
    index = add_node(index, has_hash ? filter.substr(0, filter.size() - 2) : filter);
    filter = has_hash ? std::string_view("#") : std::string_view();
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
  tidy(index);
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

void SubscriptionTree::collect(NodeIndex index, Walk& walk) const {
  if (index == kNone) return;
  const std::vector<Match>& subscriptions = nodes_[index].subscriptions;
  walk.out.insert(walk.out.end(), subscriptions.begin(), subscriptions.end());
}

void SubscriptionTree::enter(NodeIndex index, std::string_view rest, Walk& walk) const {
  ++walk.levels;
  std::string_view path = nodes_[index].path;
  take_level(path);
  while (!at_end(path)) {
    if (at_end(rest)) return;
    ++walk.levels;
    const std::string_view level = take_level(path);
    if (level != take_level(rest) && level != "+") return;
  }
  visit(index, rest, walk);
}

// The recursion ends with the tree, whose depth insert() bounds, not with the topic.
void SubscriptionTree::visit(NodeIndex index, std::string_view rest, Walk& walk) const {
  const Node& node = nodes_[index];
  collect(node.hash, walk);  // "sport/#" matches "sport" too: section 4.7.1.2
  if (at_end(rest)) {
    collect(index, walk);
    return;
  }
  if (node.children == 0) return;
  const std::string_view level = take_level(rest);
  if (node.plus != kNone) enter(node.plus, rest, walk);
  const NodeIndex literal = find_literal(index, level);
  if (literal != kNone) enter(literal, rest, walk);
}

std::size_t SubscriptionTree::match(std::string_view topic, std::vector<Match>& out) const {
  out.clear();
  Walk walk{.out = out};
  if (topic.starts_with('$')) {  // [MQTT-4.7.2-1]: not the wildcards of the root
    const NodeIndex literal = find_literal(kRoot, take_level(topic));
    if (literal != kNone) enter(literal, topic, walk);
  } else {
    visit(kRoot, topic, walk);
  }
  // Each node's own list is in order already. Not a stable sort: that would allocate for each message.
  if (std::ranges::is_sorted(out, {}, &Match::subscriber)) return walk.levels;
  std::ranges::sort(out, {}, [](const Match& match) {
    return std::pair{match.subscriber, match.options.subscription_identifier};
  });
  return walk.levels;
}

}  // namespace hedgerow::mqtt
