// The definitions of channels that the whole mesh shares, and what a node makes of them and of its own file (DESIGN 1:
// "Definitions are the mesh's").
//
// A definition is a retained message of the built-in channel, JSON, a channel as the configuration writes it with a
// version beside:
//   hedgerow/MESH/channels/NAME        what `hedgerow channel apply` wrote: versions from 1, the last write wins
//   hedgerow/MESH/channels/NAME/seed   version 0: what a node's file said when the mesh knew no such channel. It counts
//                                      only while there is no version, so no seed, however late, undoes an `apply`.
// filter and merge are the mesh's; of keep the smaller counts, bound by bound; what a file says of late, conflate and
// ack is its node's own. A file with "channels" keeps only those that it names; one without keeps all of the mesh's,
// as the mesh has them, and the built-in default where none of them takes its place: no seed does, only an `apply`.
// What a file with "spool" leaves out is spooled: held and exchanged like any other, within that bound, but none of
// this node's own (ChannelTable), so that two nodes that keep a channel meet through one that does not.
//
// Pure. Thread rule: plain values, free functions without state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/config/config.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::config {

struct ChannelDefinition {
  std::uint64_t version = 0;  // 0: a seed
  Channel channel = {};

  bool operator==(const ChannelDefinition&) const = default;
};
using ChannelDefinitions = std::map<std::string, ChannelDefinition, std::less<>>;  // by name

// What stands between hedgerow/MESH/ and the channel's name.
inline constexpr std::string_view kMeshChannelsTopic = "channels/";
// "channels/NAME", and with "/seed" for version 0.
[[nodiscard]] std::string definition_topic(const ChannelDefinition& definition);
// One line. REQUIRES: scope mesh.
[[nodiscard]] std::string to_json(const ChannelDefinition& definition);

// Takes one of the retained messages; `leaf` is what stands behind kMeshChannelsTopic. Of a channel's two the greater
// version stays, whatever the order. An error is a sentence for the operator: a node of a later version may write what
// this one does not know, and beyond kChannelsMax there is no room.
[[nodiscard]] Expected<void> take_definition(ChannelDefinitions& definitions, std::string_view leaf,
                                             std::string_view payload);

struct JoinedChannels {
  // Those of the file first, in its order, the spooled ones last. No two alike in name, nor in filter but for spooled
  // ones.
  std::vector<Channel> channels;
  std::vector<std::string> alarms;  // where file and mesh contradict each other: both values, and the remedy
};
// What a node with this file keeps. `file`: Config::channels, names_channels and spool.
[[nodiscard]] JoinedChannels join_channels(const std::vector<Channel>& file, bool names_channels,
                                           const ChannelDefinitions& mesh, const std::optional<Keep>& spool = {});

// True iff a running node need not restart to go from one to the other: all but `late` and `conflate` are equal.
[[nodiscard]] bool same_log(const Channel& left, const Channel& right);

// A sentence for each channel in which they differ by what only a restart changes.
[[nodiscard]] std::vector<std::string> waiting_for_restart(const std::vector<Channel>& running,
                                                           const std::vector<Channel>& wanted);

// Those of the file that the mesh does not know, nor their filter, as definitions of version 0.
[[nodiscard]] std::vector<ChannelDefinition> seeds(const std::vector<Channel>& file, const ChannelDefinitions& mesh);

// The new versions that `wanted` makes, none where nothing changes. `running`: what this node runs, merged as its
// database merges it. Refused as a whole, with the remedy: another merge for a channel that exists, a filter that
// another channel of the mesh or of this node has, scope local, more channels than kChannelsMax.
[[nodiscard]] Expected<std::vector<ChannelDefinition>> next_versions(const ChannelDefinitions& mesh,
                                                                     const std::vector<Channel>& running,
                                                                     const std::vector<Channel>& wanted);

}  // namespace hedgerow::config
