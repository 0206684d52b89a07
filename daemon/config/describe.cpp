// What --check prints.

#include <algorithm>

#include "daemon/config/config.hpp"
#include "daemon/config/quantity.hpp"

namespace hedgerow::config {

namespace {

using security::AccessRule;

std::string join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out.empty() ? "nothing" : out;
}

std::string describe_rule(const AccessRule& rule) {
  std::string out = "access ";
  if (rule.role) out += "role " + std::string{security::role_text(*rule.role)};
  if (rule.name) out += "name " + *rule.name;
  if (rule.user) out += "user " + *rule.user;
  if (rule.thing) out += "thing " + *rule.thing;
  if (rule.anonymous) out += "anonymous";
  if (rule.listener) out += " on " + *rule.listener;
  return out + ": publish " + join(rule.publish) + "; subscribe " + join(rule.subscribe) + "\n";
}

bool fits_somebody(const AccessRule& rule, const Listener& listener) {
  if (rule.listener && *rule.listener != listener.name) return false;
  switch (listener.auth) {
    case Auth::kCertificate: return rule.role || rule.name;
    case Auth::kPassword: return rule.user.has_value();
    case Auth::kAnonymous: return rule.anonymous;
  }
  return false;
}

// Who comes there without being granted anything, which is most likely a mistake.
bool is_useless(const Listener& listener, const Config& config) {
  if (listener.auth == Auth::kCertificate) return false;  // nodes and admins may always do everything
  const bool has_default =
      is_loopback(listener.address) && (config.access.empty() || listener.auth == Auth::kAnonymous);
  if (has_default) return false;
  return std::none_of(config.access.begin(), config.access.end(),
                      [&](const AccessRule& rule) { return fits_somebody(rule, listener); });
}

std::string describe_access(const Config& config) {
  std::string out;
  if (config.access.empty()) {
    out +=
        "access without rules: on loopback listeners everything; elsewhere everything for nodes and admins, "
        "subscribing for monitors, nothing for others\n";
  }
  for (const AccessRule& rule : config.access) out += describe_rule(rule);
  for (const Listener& listener : config.listeners) {
    if (!is_useless(listener, config)) continue;
    out += "access note: nobody may publish or subscribe on listener " + listener.name + ": add a rule with " +
           (listener.auth == Auth::kPassword ? "\"user\"" : "\"anonymous\"") + "\n";
  }
  return out;
}

std::string describe_channel(const Channel& channel) {
  std::string out = "channel " + channel.name + " " + channel.filter + " " + std::string{to_string(channel.scope)} +
                    ", keep " + format_duration(channel.keep.age) + " and " + format_size(channel.keep.size_bytes);
  out += ", late " + (channel.late == kNeverLate ? std::string{"never"} : format_duration(channel.late));
  if (channel.conflate) out += ", conflate";
  if (channel.merge != sync::MergeKind::kLastWrite) out += ", merge " + std::string{to_string(channel.merge)};
  if (channel.ack == ChannelAck::kPeer) out += ", ack peer";
  return out + "\n";
}

std::string describe_remote_commit(const Config& config) {
  if (config.remote_commit == std::chrono::seconds{0})
    return "remote_commit 0s: what comes from peers is synced at once\n";
  return "remote_commit " + format_duration(config.remote_commit) +
         ": what comes from peers may wait so long for its sync\n";
}

std::string describe_durability(Durability durability) {
  if (durability == Durability::kSynced) return "durability synced: what is acknowledged survives a power cut\n";
  return "durability process: what is acknowledged survives the end of hedgerowd, not that of the power\n";
}

std::string describe_limits(const Limits& limits) {
  const auto count = [](std::string_view key, std::uint64_t value) {
    return std::string{key} + " " + std::to_string(value);
  };
  const auto size = [](std::string_view key, std::uint64_t value) {
    return std::string{key} + " " + format_size(value);
  };
  const bool is_keep_alive_free = limits.keep_alive_max == std::chrono::seconds{0};
  return "limits of the node: " + count("connections", limits.connections) + ", " +
         count("connections_per_address", limits.connections_per_address) + ", " + count("sessions", limits.sessions) +
         ", " + size("queue_bytes", limits.queue_bytes) + ", " + size("subscription_bytes", limits.subscription_bytes) +
         ", " + size("unfinished_bytes", limits.unfinished_bytes) + ", " +
         count("retained_messages", limits.retained_messages) + "\n" + "limits of a client: connect_timeout " +
         format_duration(limits.connect_timeout) + ", keep_alive_max " +
         (is_keep_alive_free ? std::string{"never"} : format_duration(limits.keep_alive_max)) + ", " +
         size("packet_bytes", limits.packet_bytes) + ", " + size("will_bytes", limits.will_bytes) + ", " +
         count("maximum_qos", limits.maximum_qos) + ", " + count("receive_maximum", limits.receive_maximum) + ", " +
         count("in_flight", limits.in_flight) + ", " + size("session_queue_bytes", limits.session_queue_bytes) + ", " +
         count("subscriptions_per_session", limits.subscriptions_per_session) + ", " +
         count("topic_levels", limits.topic_levels) + ", " + count("topic_aliases", limits.topic_aliases) + "\n";
}

}  // namespace

std::string describe(const Config& config) {
  std::string out = "mesh " + config.mesh + ", " +
                    (config.node.empty() ? "node named by its certificate or host name" : "node " + config.node) +
                    ", data in " + config.data.string() + "\n";
  for (const Listener& listener : config.listeners) {
    out += "listener " + listener.name + " " + to_string(listener.address) + (listener.tls ? " TLS" : " plaintext") +
           " " + std::string{to_string(listener.auth)} +
           (listener.protocol == Protocol::kWebSocket ? " websocket" : "") + "\n";
  }
  if (config.things.udp) out += "things udp " + to_string(*config.things.udp) + " plaintext\n";
  if (config.things.dtls) out += "things dtls " + to_string(*config.things.dtls) + "\n";
  const std::string_view sealing = config.things.plaintext_accepted ? " sealed or plaintext\n" : " sealed\n";
  for (const std::string& line : config.things.serial) out += "things serial " + line + std::string{sealing};
  for (const auto& [id, topic] : config.things.topics) out += "things topic " + std::to_string(id) + " " + topic + "\n";
  for (const HostPort& peer : config.peers) out += "peer " + to_string(peer) + "\n";
  for (const Channel& channel : config.channels) out += describe_channel(channel);
  if (config.spool) {
    out += "spool " + format_duration(config.spool->age) + " and " + format_size(config.spool->size_bytes) +
           " of each channel of the mesh that is not above, for other nodes\n";
  }
  return out + describe_durability(config.durability) + describe_remote_commit(config) + describe_access(config) +
         describe_limits(config.limits);
}

}  // namespace hedgerow::config
