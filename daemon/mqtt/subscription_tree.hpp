// SubscriptionTree maps topic filters to subscribers.
//
// A trie over topic levels. Levels that follow each other without another way or a subscription between them are one
// node, so there are at most twice as many nodes as filters. Nodes lie in one array; literal children are found through
// one hash table over (parent, level), so a node without children costs no table of its own. A match visits each node
// at most once, hence at most min(node_count(), 2^levels) of them, whatever the filters. Depth is bounded by
// kTopicLevelsMax.
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

  // Adds or replaces one subscription. Returns true iff it is new. Adds at most three nodes.
  // REQUIRES: the filter is valid, not shared, of at most kTopicLevelsMax levels.
  bool insert(std::string_view filter, SubscriberId subscriber, const SubOptions& options);

  // Returns true iff it existed. Nodes that lead to nothing disappear.
  bool erase(std::string_view filter, SubscriberId subscriber);

  // Returns how many subscriptions there were.
  std::size_t erase_all(SubscriberId subscriber);

  // Replaces `out` by one entry for each subscription whose filter matches, ordered by subscriber: the matches of one
  // with overlapping subscriptions stand together. Allocates only where `out` must grow. Returns how many levels of
  // filters it looked at. REQUIRES: the topic is a valid name.
  std::size_t match(std::string_view topic, std::vector<Match>& out) const;

  [[nodiscard]] std::size_t size() const { return subscription_count_; }
  [[nodiscard]] std::size_t node_count() const { return nodes_.size() - free_.size(); }

 private:
  using NodeIndex = std::uint32_t;
  static constexpr NodeIndex kRoot = 0;
  static constexpr NodeIndex kNone = 0;  // the root is nobody's child

  struct Node {
    std::string path;                  // its levels, one or more: "a", "+/a"; '#' has a node of its own
    std::vector<Match> subscriptions;  // ordered by subscriber
    NodeIndex parent = kNone;
    NodeIndex plus = kNone;      // the child '+'
    NodeIndex hash = kNone;      // the child '#'
    std::uint32_t children = 0;  // of all kinds
    NodeIndex child_xor = 0;     // the exclusive or of all of them: the child, if there is one
  };

  [[nodiscard]] std::uint64_t hash_of(NodeIndex parent, std::string_view level) const;
  [[nodiscard]] NodeIndex find_child(NodeIndex parent, std::string_view level) const;
  [[nodiscard]] NodeIndex find_literal(NodeIndex parent, std::string_view level) const;
  [[nodiscard]] NodeIndex find_filter(std::string_view filter) const;
  NodeIndex add_node(NodeIndex parent, std::string_view path);
  void remove_node(NodeIndex index);
  // Into and out of its parent's children.
  void link(NodeIndex index);
  void unlink(NodeIndex index);
  // How far a node's path and the rest of a filter go together. Takes that off `filter`; returns what is left of the
  // path, a null view if nothing.
  [[nodiscard]] static std::string_view follow(std::string_view path, std::string_view& filter);
  // The node's path but for its last `bytes`, and the slash before them, becomes its new parent's.
  NodeIndex split(NodeIndex index, std::size_t bytes);
  // What leads to nothing goes, and what leads to one child only becomes one with it.
  void tidy(NodeIndex index);
  bool erase_at(NodeIndex index, SubscriberId subscriber);
  void add_slot(NodeIndex index);
  void remove_slot(NodeIndex index);
  void grow_slots();
  struct Walk {
    std::vector<Match>& out;
    std::size_t levels = 0;  // looked at
  };
  void collect(NodeIndex index, Walk& walk) const;
  // `rest`: of the topic, behind the node's first level, or behind all of them.
  void enter(NodeIndex index, std::string_view rest, Walk& walk) const;
  void visit(NodeIndex index, std::string_view rest, Walk& walk) const;

  std::uint64_t seed_;
  std::vector<Node> nodes_;
  std::vector<NodeIndex> free_;
  std::vector<NodeIndex> slots_;  // open addressing, linear probing, kNone is empty; a power of two
  std::size_t literal_count_ = 0;
  std::size_t subscription_count_ = 0;
  std::unordered_map<SubscriberId, std::vector<NodeIndex>> of_subscriber_;
};

}  // namespace hedgerow::mqtt
