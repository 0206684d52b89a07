#include "daemon/app/settings.hpp"

#include <algorithm>

#include "daemon/config/mesh_channels.hpp"

namespace hedgerow::app {

namespace {

// The configuration says the same as the folders that keep the limits.
constexpr config::Limits kDefaults{};
static_assert(kDefaults.connections == net_asio::Limits{}.connections_max);
static_assert(kDefaults.connections_per_address == net_asio::Limits{}.connections_per_address_max);
static_assert(kDefaults.connect_timeout == mqtt::kConnectTimeoutDefault);
static_assert(kDefaults.packet_bytes == mqtt::kPacketBytesDefault);
static_assert(kDefaults.receive_maximum == mqtt::kReceiveMaximumDefault);
static_assert(kDefaults.in_flight == node::kInFlightMax);
static_assert(kDefaults.session_queue_bytes == node::kClientQueueBytesMax);
static_assert(kDefaults.subscriptions_per_session == node::kSubscriptionsPerSessionMax);
static_assert(kDefaults.topic_levels == mqtt::kTopicLevelsMax);
static_assert(kDefaults.topic_aliases == mqtt::kTopicAliasMaximumDefault);
static_assert(kDefaults.will_bytes == mqtt::kWillBytesDefault);
static_assert(kDefaults.queue_bytes == node::kAllQueuesBytesMax);
static_assert(kDefaults.subscription_bytes == node::kSubscriptionsBytesMax);
static_assert(kDefaults.unfinished_bytes == node::kUnfinishedBytesMax);
static_assert(kDefaults.sessions == node::kPersistentSessionsMax);

}  // namespace

mqtt::ConnectionLimits connection_limits(const config::Limits& limits) {
  mqtt::ConnectionLimits out;
  out.packet_bytes_max = limits.packet_bytes;
  out.connect_packet_bytes_max = std::min(out.connect_packet_bytes_max, limits.packet_bytes);
  out.receive_maximum = limits.receive_maximum;
  out.connect_timeout = limits.connect_timeout;
  out.keep_alive_max_s = static_cast<std::uint16_t>(
      std::min<std::chrono::seconds::rep>(limits.keep_alive_max.count(), mqtt::kStringBytesMax));
  out.topic_alias_maximum = limits.topic_aliases;
  out.maximum_qos = static_cast<mqtt::QoS>(limits.maximum_qos);
  out.topic_levels_max = limits.topic_levels;
  out.will_bytes_max = limits.will_bytes;
  return out;
}

node::NodeLimits node_limits(const config::Limits& limits) {
  return {.persistent_sessions_max = limits.sessions,
          .subscriptions_per_session_max = limits.subscriptions_per_session,
          .in_flight_max = limits.in_flight,
          .client_queue_bytes_max = static_cast<std::size_t>(limits.session_queue_bytes),
          .all_queues_bytes_max = static_cast<std::size_t>(limits.queue_bytes),
          .subscriptions_bytes_max = static_cast<std::size_t>(limits.subscription_bytes),
          .unfinished_bytes_max = static_cast<std::size_t>(limits.unfinished_bytes)};
}

net_asio::Limits network_limits(const config::Limits& limits) {
  net_asio::Limits out;
  out.connections_max = limits.connections;
  out.connections_per_address_max = limits.connections_per_address;
  out.handshakes_max = std::min(out.handshakes_max, out.connections_max);
  out.handshake_time = limits.connect_timeout;
  return out;
}

std::vector<sync::ChannelSettings> channel_settings(const config::Config& config) {
  std::vector<sync::ChannelSettings> out;
  const std::string own = config::system_channel().name;
  for (const config::Channel& channel : config.channels) {
    // What the node says of itself is not refused.
    const bool is_own = channel.name == own;
    const auto age_ms = std::chrono::duration_cast<std::chrono::milliseconds>(channel.keep.age).count();
    out.push_back({.name = channel.name,
                   .keep = {.age_ms = static_cast<std::uint64_t>(age_ms), .size_bytes = channel.keep.size_bytes},
                   .merge = channel.merge,
                   .live_cells_max = is_own ? std::nullopt : std::optional(config.limits.retained_messages)});
  }
  return out;
}

std::vector<std::string> restart_notes(const config::Config& running, const config::Config& wanted) {
  std::vector<std::string> notes;
  const auto note = [&](bool differs, const std::string& what) {
    if (differs) notes.push_back(what + " will change with the next start of hedgerowd");
  };
  note(running.mesh != wanted.mesh || running.node != wanted.node, "the names of mesh and node");
  note(running.data != wanted.data, "the data directory");
  note(running.listeners != wanted.listeners, "the listeners");
  note(running.peers != wanted.peers, "the peers");
  note(running.durability != wanted.durability, "durability");
  note(running.remote_commit != wanted.remote_commit, "remote_commit");
  note(running.things != wanted.things, "the things' lines and topics");
  note(running.limits.retained_messages != wanted.limits.retained_messages, "the limit of retained messages");
  note(!std::equal(running.channels.begin(), running.channels.end(), wanted.channels.begin(), wanted.channels.end(),
                   config::same_log),
       "name, filter, scope, keep, merge and ack of channels, and which are spooled");
  return notes;
}

}  // namespace hedgerow::app
