#include "daemon/config/config.hpp"

#include <utility>

#include "daemon/config/quantity.hpp"

namespace hedgerow::config {

Channel system_channel() {
  return {.name = std::string{kSystemChannelName},
          .filter = std::string{kSystemTopicRoot} + "/#",
          .scope = Scope::kMesh,
          .keep = {.age = std::chrono::hours{24}, .size_bytes = std::uint64_t{4} << 20U},
          .late = kNeverLate};
}

Channel default_channel() { return {.name = "default", .filter = "#", .scope = Scope::kMesh, .keep = {}}; }

Expected<Config> listen_only(const HostPort& address, std::filesystem::path data) {
  if (!is_loopback(address)) {
    return fail(Category::kInvalidInput, to_string(address) +
                                             " is not an address of this board alone: without a configuration file "
                                             "nobody is authenticated, so --listen takes 127.0.0.1:PORT or [::1]:PORT");
  }
  return Config{.mesh = std::string{kLocalMeshName},
                .node = {},
                .data = std::move(data),
                .listeners = {{.name = "listener-1",
                               .address = address,
                               .tls = false,
                               .auth = Auth::kAnonymous,
                               .plaintext_accepted = false}},
                .peers = {},
                .channels = {system_channel(), default_channel()}};
}

std::string_view to_string(Auth auth) {
  switch (auth) {
    case Auth::kCertificate: return "certificate";
    case Auth::kPassword: return "password";
    case Auth::kAnonymous: return "anonymous";
  }
  return "unknown";
}

std::string_view to_string(Protocol protocol) {
  switch (protocol) {
    case Protocol::kMqtt: return "mqtt";
    case Protocol::kWebSocket: return "websocket";
  }
  return "unknown";
}

std::string_view to_string(Scope scope) {
  switch (scope) {
    case Scope::kMesh: return "mesh";
    case Scope::kLocal: return "local";
  }
  return "unknown";
}

std::string_view to_string(ChannelAck ack) {
  switch (ack) {
    case ChannelAck::kLocal: return "local";
    case ChannelAck::kPeer: return "peer";
  }
  return "unknown";
}

std::string_view to_string(Durability durability) {
  switch (durability) {
    case Durability::kSynced: return "synced";
    case Durability::kProcess: return "process";
  }
  return "unknown";
}

}  // namespace hedgerow::config
