#include "daemon/app/mesh_nodes.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "daemon/app/log.hpp"
#include "daemon/control/document.hpp"
#include "daemon/monitor/json_writer.hpp"
#include "daemon/monitor/status.hpp"
#include "sync/base/utf8.hpp"

namespace hedgerow::app {

namespace {

constexpr std::string_view kRemoved = "removed/";
constexpr std::string_view kNodes = "nodes/";
constexpr std::size_t kReplicaDigits = 16;

// NODE/REPLICA; an empty name where it is anything else.
NodesOfMesh::Removal parse_removal(std::string_view leaf) {
  const std::size_t slash = std::min(leaf.find('/'), leaf.size());
  const std::string_view digits = leaf.substr(std::min(slash + 1, leaf.size()));
  std::uint64_t replica = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), replica, 16);
  const bool is_whole = error == std::errc{} && end == digits.data() + digits.size();
  if (!is_whole || digits.size() != kReplicaDigits) return {};
  return {.node = std::string(leaf.substr(0, slash)), .replica = sync::ReplicaId{replica}};
}

std::string removal_json(std::string_view name, std::string_view replica) {
  monitor::JsonWriter out;
  return out.begin_object().field("node", name).field("replica", replica).end_object().take();
}

}  // namespace

Expected<NodesOfMesh> read_nodes(sync::ReadView& view, sync::ChannelNo number, std::string_view mesh) {
  NodesOfMesh out;
  auto read = each_of_state(view, number, mesh, kRemoved, [&out](std::string_view leaf, const sync::Cell&) {
    NodesOfMesh::Removal removal = parse_removal(leaf);
    if (removal.node.empty()) {
      ++out.unknown;
    } else {
      out.removed.push_back(std::move(removal));
    }
  });
  if (!read) return tl::unexpected<Error>(read.error());
  read = each_of_state(view, number, mesh, kNodes, [&out](std::string_view leaf, const sync::Cell& cell) {
    const std::size_t slash = std::min(leaf.find('/'), leaf.size());
    out.said.push_back({.node = std::string(leaf.substr(0, slash)),
                        .leaf = std::string(leaf.substr(std::min(slash + 1, leaf.size()))),
                        .replica = cell.order.replica});
  });
  if (!read) return tl::unexpected<Error>(read.error());
  return out;
}

MeshNodes::MeshNodes(std::string mesh, std::string self, NodesOfMesh known)
    : mesh_(std::move(mesh)), self_(std::move(self)), removed_state_(mesh_, kRemoved), known_(std::move(known)) {}

void MeshNodes::start(Instant now, node::Node& node, node::StorePort& store) {
  node_ = &node;
  store_ = &store;
  removed_state_.start(node, store);
  on_tick(now);
}

void MeshNodes::on_tick(Instant now) {
  removed_state_.read_again([this](sync::ReadView& view, sync::ChannelNo number) -> Expected<FollowedState::Taken> {
    auto read = read_nodes(view, number, mesh_);
    if (!read) return tl::unexpected<Error>(std::move(read.error()));
    return [this, read = std::move(*read)] {
      known_ = read;
      has_changed_ = true;
    };
  });
  if (!std::exchange(has_changed_, false)) return;
  std::set<sync::ReplicaId> removed;
  for (const NodesOfMesh::Removal& removal : known_.removed) removed.insert(removal.replica);
  node_->links().on_removed(now, removed);
  for (const std::string& alarm : alarms()) log_line(alarm);
}

std::vector<std::string> MeshNodes::alarms() const {
  std::vector<std::string> out;
  const auto is_self = [self = node_->links().replica()](const auto& removal) { return removal.replica == self; };
  if (std::any_of(known_.removed.begin(), known_.removed.end(), is_self)) {
    out.push_back("this node was removed from mesh \"" + mesh_ +
                  "\": it serves its own programs, and exchanges nothing with other nodes. To join anew, stop "
                  "hedgerowd, move hedgerow.db and the files beside it whose names begin so out of the data directory, "
                  "and start it: it is filled by the others. What only it has stays in the files that were moved");
  }
  if (known_.unknown > 0) {
    out.push_back(std::to_string(known_.unknown) +
                  " removals of nodes are written in a way that this version does not know: update hedgerowd, or these "
                  "nodes stay linked here");
  }
  return out;
}

void MeshNodes::read(const control::AnswerPtr& answer, std::function<void(const NodesOfMesh&)> then) {
  store_->read(
      [this, own = removed_state_.number(), answer,
       then = std::move(then)](sync::ReadView& view) -> node::Continuation {
        return [nodes = read_nodes(view, own, mesh_), answer, then](Instant) {
          if (!nodes) return answer->finish(monitor::error_json(nodes.error().what));
          then(*nodes);
        };
      },
      [answer](Instant, const Error& error) { answer->finish(monitor::error_json(error.what)); });
}

void MeshNodes::list(const control::AnswerPtr& answer) {
  read(answer, [this, answer](const NodesOfMesh& nodes) { answer->finish(list_json(nodes)); });
}

std::string MeshNodes::list_json(const NodesOfMesh& nodes) const {
  const std::vector<sync::LinkStatus> links = node_->links().replicator().links();
  const auto state_of = [&](const std::string& name) -> std::string_view {
    const bool is_linked = std::any_of(links.begin(), links.end(), [&name](const sync::LinkStatus& link) {
      return link.peer == name && link.state != sync::LinkState::kGreeting;
    });
    return is_linked ? "linked" : "not linked";
  };
  monitor::JsonWriter out;
  const auto add = [&](std::string_view name, sync::ReplicaId replica, std::string_view state) {
    out.begin_object()
        .field("name", name)
        .field("replica", control::hex_of(replica))
        .field("state", state)
        .end_object();
  };
  out.begin_object().key("nodes").begin_array();
  add(self_, node_->links().replica(), "this node");
  std::string_view last = self_;
  for (const NodesOfMesh::Said& said : nodes.said) {
    if (said.node != self_ && said.node != last) add(said.node, said.replica, state_of(said.node));
    last = said.node;
  }
  for (const NodesOfMesh::Removal& removal : nodes.removed) add(removal.node, removal.replica, "removed");
  out.end_array().end_object();
  return out.take();
}

void MeshNodes::remove(const std::string& name, const control::AnswerPtr& answer) {
  if (name == self_) {
    return answer->finish(monitor::error_json("node " + quote_text(name) +
                                              " is this node itself: remove it on another node of the mesh"));
  }
  read(answer, [this, name, answer](const NodesOfMesh& nodes) { remove_known(name, nodes, answer); });
}

void MeshNodes::remove_known(const std::string& name, const NodesOfMesh& nodes, const control::AnswerPtr& answer) {
  // The lives are written down before what they said goes: it tells which they are.
  std::map<std::string, std::string> wanted;  // by topic
  for (const NodesOfMesh::Said& said : nodes.said) {
    if (said.node != name) continue;
    const std::string replica = control::hex_of(said.replica);
    wanted[std::string(kRemoved) + name + "/" + replica] = removal_json(name, replica);
  }
  if (wanted.empty()) {
    const bool is_removed = std::any_of(nodes.removed.begin(), nodes.removed.end(),
                                        [&name](const auto& removal) { return removal.node == name; });
    return answer->finish(monitor::error_json(
        "node " + quote_text(name) +
        (is_removed ? " is removed already" : " is not known here: hedgerow node list says which are")));
  }
  for (const NodesOfMesh::Said& said : nodes.said) {
    if (said.node == name) wanted[std::string(kNodes) + name + "/" + said.leaf] = {};
  }
  struct Waiting {
    std::size_t left = 0;
    std::optional<Error> error;
  };
  auto waiting = std::make_shared<Waiting>(Waiting{.left = wanted.size(), .error = {}});
  const auto told = [waiting, answer, name](const std::optional<Error>& error) {
    if (error) waiting->error = error;
    if (--waiting->left > 0) return;
    if (waiting->error) return answer->finish(monitor::error_json(waiting->error->what));
    monitor::JsonWriter out;
    answer->finish(out.begin_object().field("removed", name).end_object().take());
  };
  // "removed/" after "nodes/": backwards.
  for (auto at = wanted.rbegin(); at != wanted.rend(); ++at) node_->set_mesh_state(at->first, at->second, told);
}

}  // namespace hedgerow::app
