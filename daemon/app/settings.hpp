// What the configuration's limits mean to each part of the daemon.
// Pure. Thread rule: free functions without state.
#pragma once

#include <vector>

#include "daemon/config/config.hpp"
#include "daemon/mqtt/connection.hpp"
#include "daemon/net_asio/limits.hpp"
#include "daemon/node/limits.hpp"
#include "sync/engine/engine.hpp"

namespace hedgerow::app {

[[nodiscard]] mqtt::ConnectionLimits connection_limits(const config::Limits& limits);
[[nodiscard]] node::NodeLimits node_limits(const config::Limits& limits);
[[nodiscard]] net_asio::Limits network_limits(const config::Limits& limits);
[[nodiscard]] std::vector<sync::ChannelSettings> channel_settings(const config::Config& config);

// One sentence for each thing that differs and that only a restart changes.
[[nodiscard]] std::vector<std::string> restart_notes(const config::Config& running, const config::Config& wanted);

}  // namespace hedgerow::app
