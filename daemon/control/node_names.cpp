#include "daemon/control/node_names.hpp"

#include <utility>

#include "daemon/control/limits.hpp"
#include "daemon/node/limits.hpp"

namespace hedgerow::control {

Expected<void> NodeNames::load(sync::ReadView& view, const node::ChannelTable& channels, std::string_view mesh) {
  const std::string prefix = std::string(config::kSystemTopicRoot) + "/" + std::string(mesh) + "/nodes/";
  const node::ChannelTable::Entry* const channel = channels.owner_of(prefix);
  if (channel == nullptr) return {};
  std::string after;
  while (true) {
    const auto cells = view.cells(channel->number, prefix, after, node::kReadPageBytes);
    if (!cells) return tl::unexpected<Error>(cells.error());
    if (cells->empty()) return {};
    for (const sync::Cell& cell : *cells) {
      if (cell.is_tombstone()) continue;  // whoever removed the node from the mesh deleted what it said of itself
      const std::string_view rest = std::string_view{cell.message->topic}.substr(prefix.size());
      if (names_.size() == kNodeNamesMax) return {};
      names_.emplace(cell.order.replica, rest.substr(0, rest.find('/')));
    }
    after = cells->back().message->topic;
  }
}

}  // namespace hedgerow::control
