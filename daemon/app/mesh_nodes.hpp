// MeshNodes: the nodes of the mesh, and those that were removed from it. `hedgerow node list` and `node remove`.
//
// A removal is mesh state, a retained message of the built-in channel that is never deleted:
//   hedgerow/MESH/removed/NODE/REPLICA    {"node":NAME,"replica":HEX}
// It removes one life of the node's database (REPLICA, 16 hex digits), so what two boards remove on either side of a
// broken link adds up. Whoever knows of it keeps no link with that life, and so takes nothing from it and gives it
// nothing; what others took from it before they knew is the mesh's. The board may come back with an empty database,
// which is another life. What the node said of itself (hedgerow/MESH/nodes/NODE/…) is deleted by who removes it.
// Thread rule: the loop thread. Ownership: node and store must outlive it.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/app/followed_state.hpp"
#include "daemon/control/answer.hpp"

namespace hedgerow::app {

struct NodesOfMesh {
  // What nodes say of themselves, ordered by node.
  struct Said {
    std::string node;
    std::string leaf;  // behind NODE/
    sync::ReplicaId replica{};
  };
  struct Removal {
    std::string node;
    sync::ReplicaId replica{};
  };
  std::vector<Said> said;
  std::vector<Removal> removed;  // ordered likewise
  std::size_t unknown = 0;       // removals that this version cannot read
};

// `number`: of the built-in channel.
[[nodiscard]] Expected<NodesOfMesh> read_nodes(sync::ReadView& view, sync::ChannelNo number, std::string_view mesh);

class MeshNodes {
 public:
  // `known`: what the database held at the start.
  MeshNodes(std::string mesh, std::string self, NodesOfMesh known);

  // Once, before anything below and before the first link.
  void start(Instant now, node::Node& node, node::StorePort& store);
  // Before the node hears of it.
  void on_turn(const node::TurnResult& turn) { removed_state_.on_turn(turn); }
  // Once a second.
  void on_tick(Instant now);

  // This node was removed itself, or a removal cannot be read.
  [[nodiscard]] std::vector<std::string> alarms() const;

  // {"nodes":[{"name":…,"replica":HEX|null,"state":WORDS}…]}: by name; words are for people.
  void list(const control::AnswerPtr& answer);
  // Answers {"removed":NAME} once it is on disk, or an error.
  void remove(const std::string& name, const control::AnswerPtr& answer);

 private:
  void remove_known(const std::string& name, const NodesOfMesh& nodes, const control::AnswerPtr& answer);
  [[nodiscard]] std::string list_json(const NodesOfMesh& nodes) const;
  // Reads all of it, then calls `then`; on an error the answer tells it.
  void read(const control::AnswerPtr& answer, std::function<void(const NodesOfMesh&)> then);

  std::string mesh_;
  std::string self_;
  FollowedState removed_state_;
  NodesOfMesh known_;
  bool has_changed_ = true;  // known_, since the links heard of it
  node::Node* node_ = nullptr;
  node::StorePort* store_ = nullptr;
};

}  // namespace hedgerow::app
