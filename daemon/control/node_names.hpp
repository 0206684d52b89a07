// NodeNames: which node a replica is, as far as this one knows: every node writes retained messages about itself under
// hedgerow/MESH/nodes/NODE, which replicate, and only it may.
// Thread-compatible.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "daemon/node/channels.hpp"
#include "sync/engine/storage.hpp"

namespace hedgerow::control {

class NodeNames {
 public:
  // The node itself is known without a look.
  NodeNames(sync::ReplicaId self, std::string_view name) { names_.emplace(self, name); }

  // Reads them all, kNodeNamesMax at most.
  [[nodiscard]] Expected<void> load(sync::ReadView& view, const node::ChannelTable& channels, std::string_view mesh);

  // Empty: not known.
  [[nodiscard]] std::string_view find(sync::ReplicaId replica) const {
    const auto found = names_.find(replica);
    return found == names_.end() ? std::string_view{} : std::string_view{found->second};
  }

 private:
  std::map<sync::ReplicaId, std::string> names_;
};

}  // namespace hedgerow::control
