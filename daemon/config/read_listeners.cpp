// "listeners" and "peers": the addresses on either side.

#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "daemon/config/readers.hpp"
#include "daemon/config/sections.hpp"

namespace hedgerow::config {

namespace {

using enum Presence;

constexpr std::string_view kListenAddress = "an IP address of this board and a port, such as \"127.0.0.1:1883\"";
constexpr std::string_view kPeerAddress = "a host and a port, such as \"gw-house.lan:8883\"";

using TakenAddresses = std::vector<std::pair<const JsonValue*, HostPort>>;

std::optional<HostPort> listen_address(SchemaWalk& walk, const JsonValue& value) {
  const std::optional<HostPort> address = read_host_port(walk, value, kListenAddress);
  if (!address || is_ip_address(*address)) return address;
  walk.unexpected(value, kListenAddress);
  return std::nullopt;
}

std::optional<Auth> read_auth(SchemaWalk& walk, const JsonValue& value) {
  static constexpr std::array kAuths = {Choice<Auth>{"certificate", Auth::kCertificate},
                                        Choice<Auth>{"password", Auth::kPassword},
                                        Choice<Auth>{"anonymous", Auth::kAnonymous}};
  return walk.choice<Auth>(value, kAuths);
}

Protocol read_protocol(SchemaWalk& walk, const JsonValue& value) {
  static constexpr std::array kProtocols = {Choice<Protocol>{"mqtt", Protocol::kMqtt},
                                            Choice<Protocol>{"websocket", Protocol::kWebSocket}};
  return walk.choice<Protocol>(value, kProtocols).value_or(Protocol::kMqtt);
}

void check_plaintext(SchemaWalk& walk, const JsonValue& value, Listener& listener) {
  const JsonValue* const plaintext = value.find("plaintext");
  if (is_loopback(listener.address)) listener.plaintext_accepted = false;  // nothing was exposed
  if (listener.tls && plaintext != nullptr) {
    walk.problem(*plaintext,
                 "this listener has TLS, nothing on it is plaintext: remove this key or add \"tls\": false");
  } else if (!listener.tls && plaintext == nullptr && !is_loopback(listener.address)) {
    const bool has_passwords = listener.auth == Auth::kPassword;
    walk.problem(*value.find("tls"), "found false, but other machines can reach " + to_string(listener.address) +
                                         (has_passwords ? ", and passwords would cross the network readable" : "") +
                                         ": remove it, or add \"plaintext\": \"accepted\" if devices that know no TLS "
                                         "need this");
  }
}

// The address where there is a good one.
std::optional<HostPort> read_listener(SchemaWalk& walk, const JsonValue& value, Listener& listener,
                                      const JsonValue*& name_at) {
  std::optional<HostPort> address;
  std::optional<Auth> auth;
  bool is_tls_sound = true;
  const std::array fields = {
      Field{"name", kOptional, kExpectName,
            [&](const JsonValue& member) {
              if (read_name(walk, member, "listener", listener.name)) name_at = &member;
            }},
      Field{"address", kRequired, kListenAddress,
            [&](const JsonValue& member) { address = listen_address(walk, member); }},
      Field{"tls",
            kOptional,
            {},
            [&](const JsonValue& member) {
              const std::optional<bool> tls = walk.boolean(member);
              is_tls_sound = tls.has_value();
              listener.tls = tls.value_or(true);
            }},
      Field{
          "protocol", kOptional, {}, [&](const JsonValue& member) { listener.protocol = read_protocol(walk, member); }},
      Field{"auth", kOptional, {}, [&](const JsonValue& member) { auth = read_auth(walk, member); }},
      Field{"plaintext",
            kOptional,
            {},
            [&](const JsonValue& member) {
              static constexpr std::array kWords = {Choice<bool>{"accepted", true}};
              listener.plaintext_accepted = walk.choice<bool>(member, kWords).value_or(true);
            }},
  };
  walk.object(value, fields);
  listener.auth = auth.value_or(listener.tls ? Auth::kCertificate : Auth::kAnonymous);
  if (is_tls_sound && !listener.tls && listener.auth == Auth::kCertificate) {
    walk.problem(*value.find("auth"),
                 "\"certificate\" needs TLS, expected \"password\" or \"anonymous\" on a listener with \"tls\": false");
  }
  if (!address) return std::nullopt;
  listener.address = *address;
  if (is_tls_sound) check_plaintext(walk, value, listener);
  return address;
}

// Two listeners collide on the same port of the same address, or when one of them takes every address.
void check_free(SchemaWalk& walk, const JsonValue& value, const HostPort& address, TakenAddresses& taken) {
  const auto is_v6 = [](const HostPort& any) { return any.host.find(':') != std::string::npos; };
  for (const auto& [other_value, other] : taken) {
    if (address.port == 0 || address.port != other.port) continue;
    const bool is_same = address.host == other.host;
    const bool is_wide = (is_wildcard(address) || is_wildcard(other)) && is_v6(address) == is_v6(other);
    if (!is_same && !is_wide) continue;
    walk.problem(value, to_string(address) + " is taken by " + walk.path_of(*other_value) + " (" + to_string(other) +
                            "): give each its own port");
    return;
  }
  taken.emplace_back(&value, address);
}

}  // namespace

void read_listeners(SchemaWalk& walk, const JsonValue& value, Config& config) {
  config.listeners.clear();
  UniqueTexts names{walk, "the name", kGiveEachItsOwn};
  TakenAddresses addresses;
  const SchemaWalk::ArrayLimits limits{"an array of at least one listener", kListenersMax, false};
  walk.array(value, limits, [&](const JsonValue& member) {
    Listener listener;
    const JsonValue* name_at = &member;
    listener.name = "listener-" + std::to_string(config.listeners.size() + 1);
    const std::optional<HostPort> address = read_listener(walk, member, listener, name_at);
    names.insert(*name_at, listener.name);
    if (address) check_free(walk, *member.find("address"), *address, addresses);
    config.listeners.push_back(std::move(listener));
  });
}

void read_peers(SchemaWalk& walk, const JsonValue& value, Config& config) {
  UniqueTexts addresses{walk, "the peer", "remove one of them"};
  const SchemaWalk::ArrayLimits limits{"an array of addresses", kPeersMax, true};
  walk.array(value, limits, [&](const JsonValue& member) {
    std::optional<HostPort> address = read_host_port(walk, member, kPeerAddress);
    if (!address) return;
    if (address->port == 0) return walk.problem(member, "port 0 cannot be dialled, expected the port of the peer");
    if (is_wildcard(*address)) return walk.unexpected(member, kPeerAddress);
    addresses.insert(member, to_string(*address));
    config.peers.push_back(std::move(*address));
  });
}

}  // namespace hedgerow::config
