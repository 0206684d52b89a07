// FollowedState keeps up with a part of the mesh's state (DESIGN 1): retained messages of the built-in channel under
// hedgerow/MESH/PART/. It says when they must be read again, and reads them, on the reader thread.
// Thread rule: the loop thread. Ownership: node and store must outlive it.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/node/node.hpp"

namespace hedgerow::app {

// Visits them, without those that were deleted; `leaf` is what stands behind PART/.
[[nodiscard]] Expected<void> each_of_state(
    sync::ReadView& view, sync::ChannelNo number, std::string_view mesh, std::string_view part,
    const std::function<void(std::string_view leaf, const sync::Cell& cell)>& visit);

class FollowedState {
 public:
  // `part`: with its slash.
  FollowedState(std::string mesh, std::string_view part) : mesh_(std::move(mesh)), part_(part) {}

  // Once, before anything below.
  void start(node::Node& node, node::StorePort& store);
  // Before the node hears of it.
  void on_turn(const node::TurnResult& turn);
  // Nothing has come since it was read.
  [[nodiscard]] bool is_current() const { return !is_stale_ && !is_reading_; }
  // Where it has changed: `read` on the reader thread, then what it returned on the loop thread. An error reads again
  // later.
  using Taken = std::function<void()>;
  using Read = std::function<Expected<Taken>(sync::ReadView&, sync::ChannelNo)>;
  void read_again(Read read);
  // Of the built-in channel.
  [[nodiscard]] sync::ChannelNo number() const;

 private:
  std::string mesh_;
  std::string_view part_;
  node::Node* node_ = nullptr;
  node::StorePort* store_ = nullptr;
  bool has_come_ = false;  // what is not committed yet, and so cannot be read
  bool is_stale_ = false;  // committed since it was read
  bool is_reading_ = false;
};

}  // namespace hedgerow::app
