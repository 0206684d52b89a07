// SubscriptionTree maps topic filters to subscribers.
//
// A trie over topic levels. Nodes lie in one array; literal children are found through one hash table over (parent,
// level), so a node without children costs no table of its own. A match visits each node at most once, hence at most
// min(node_count(), 2^levels) of them, whatever the filters. Depth is bounded by kTopicLevelsMax.
// Thread-compatible: owned by the loop thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemon/mqtt/packets.hpp"

namespace hedgerow::mqtt {

using SubscriberId = std::uint64_t;

class SubscriptionTree {
 public:
  struct Match {
    SubscriberId subscriber;
    SubOptions options;
  };

  // The seed keeps clients from choosing levels that collide: give a random number.
  explicit SubscriptionTree(std::uint64_t hash_seed = 0);

  // Adds or replaces one subscription. Returns true iff it is new. Adds at most kTopicLevelsMax nodes.
  // REQUIRES: the filter is valid, not shared, of at most kTopicLevelsMax levels.
  bool insert(std::string_view filter, SubscriberId subscriber, const SubOptions& options);

  // Returns true iff it existed. Nodes that lead to nothing disappear.
  bool erase(std::string_view filter, SubscriberId subscriber);

  // Returns how many subscriptions there were.
  std::size_t erase_all(SubscriberId subscriber);

  // Replaces `out` by one entry for each subscription whose filter matches, ordered by subscriber: the matches of one
  // with overlapping subscriptions stand together. Allocates only where `out` must grow. REQUIRES: the topic is a valid
  // name.
  void match(std::string_view topic, std::vector<Match>& out) const;

  [[nodiscard]] std::size_t size() const { return subscription_count_; }
  [[nodiscard]] std::size_t node_count() const { return nodes_.size() - free_.size(); }

 private:
  using NodeIndex = std::uint32_t;
  static constexpr NodeIndex kRoot = 0;
  static constexpr NodeIndex kNone = 0;  // the root is nobody's child

  struct Node {
    std::string level;
    std::vector<Match> subscriptions;  // ordered by subscriber
    NodeIndex parent = kNone;
    NodeIndex plus = kNone;      // the child '+'
    NodeIndex hash = kNone;      // the child '#'
    std::uint32_t children = 0;  // of all kinds
  };

  [[nodiscard]] std::uint64_t hash_of(NodeIndex parent, std::string_view level) const;
  [[nodiscard]] NodeIndex find_child(NodeIndex parent, std::string_view level) const;
  [[nodiscard]] NodeIndex find_literal(NodeIndex parent, std::string_view level) const;
  [[nodiscard]] NodeIndex find_filter(std::string_view filter) const;
  NodeIndex add_child(NodeIndex parent, std::string_view level);
  void remove_if_unused(NodeIndex index);
  bool erase_at(NodeIndex index, SubscriberId subscriber);
  void add_slot(NodeIndex index);
  void remove_slot(NodeIndex index);
  void grow_slots();
  void collect(NodeIndex index, std::vector<Match>& out) const;
  void visit(NodeIndex index, std::string_view rest, std::vector<Match>& out) const;

  std::uint64_t seed_;
  std::vector<Node> nodes_;
  std::vector<NodeIndex> free_;
  std::vector<NodeIndex> slots_;  // open addressing, linear probing, kNone is empty; a power of two
  std::size_t literal_count_ = 0;
  std::size_t subscription_count_ = 0;
  std::unordered_map<SubscriberId, std::vector<NodeIndex>> of_subscriber_;
};

}  // namespace hedgerow::mqtt
