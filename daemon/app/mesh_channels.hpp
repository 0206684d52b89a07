// MeshChannels keeps a running node up with the mesh's definitions of channels (daemon/config/mesh_channels.hpp): reads
// them when they change, seeds them from this node's file, answers `hedgerow channel`, and says what somebody must see
// to. What a new definition says of filter, merge, keep and ack waits for a restart of the node, and is an alarm until
// then; late and conflate hold at once.
// A seed is written only while this node is level with a peer, and so knows what the mesh knows.
// Thread rule: the loop thread. Ownership: node and store must outlive it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/app/followed_state.hpp"
#include "daemon/config/mesh_channels.hpp"
#include "daemon/control/answer.hpp"
#include "daemon/node/node.hpp"

namespace hedgerow::app {

struct ReadDefinitions {
  config::ChannelDefinitions definitions;
  std::vector<std::string> alarms;  // what could not be taken
};

// `number`: of the built-in channel.
[[nodiscard]] Expected<ReadDefinitions> read_definitions(sync::ReadView& view, sync::ChannelNo number,
                                                         std::string_view mesh);

class MeshChannels {
 public:
  // `file`: what the configuration says. `read`: what the database held when the channels were opened.
  MeshChannels(const config::Config& file, std::string mesh, ReadDefinitions read);

  // What the node keeps, as of the file and the definitions now.
  [[nodiscard]] const std::vector<config::Channel>& wanted() const { return joined_.channels; }

  // Once, before anything below. What runs until the next start is wanted() at that moment.
  void start(node::Node& node, node::StorePort& store);
  // Before the node hears of it. What the node says of itself each minute is in the same channel, and leads to no read.
  void on_turn(const node::TurnResult& turn) { state_.on_turn(turn); }
  // Once a second. True: wanted() has changed.
  [[nodiscard]] bool on_tick(Instant now);
  // The configuration was read again.
  void reconfigure(const config::Config& file);

  [[nodiscard]] const std::vector<std::string>& alarms() const { return alarms_; }

  // {"channels":[DEFINITION,…]}: what the mesh defines and what this node runs, as config::to_json() with "here":
  // words for people. version 0: no `apply` so far.
  [[nodiscard]] std::string list_json() const;
  // `text`: a document with "channels". Answers {"applied":[DEFINITION,…]} once it is on disk, without any where
  // nothing changes, or an error.
  void apply(std::string_view text, const control::AnswerPtr& answer);

 private:
  void rejoin();
  void seed();
  [[nodiscard]] bool is_level(Instant now) const;
  [[nodiscard]] std::string_view here(const std::string& name, bool is_known) const;

  std::vector<config::Channel> file_;
  bool names_channels_ = false;
  std::optional<config::Keep> spool_;
  std::string mesh_;
  FollowedState state_;
  ReadDefinitions read_;
  config::JoinedChannels joined_;
  std::vector<config::Channel> running_;
  std::vector<std::string> alarms_;
  node::Node* node_ = nullptr;
  bool has_changed_ = false;  // wanted(), since on_tick() said so
  std::size_t seeding_ = 0;   // seeds on their way to the disk
};

}  // namespace hedgerow::app
