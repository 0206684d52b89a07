// What a node is told by its configuration file (DESIGN 1), as plain values.
//
// Only what this version does can be expressed here: what the file format reserves for later versions ("ack": "peer" …)
// is refused by parse() with "not in this version".
// Thread rule: plain values, read-only once parsed.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/config/host_port.hpp"
#include "daemon/config/limits_config.hpp"
#include "security/acl/access_rules.hpp"
#include "sync/base/expected.hpp"
#include "sync/merge/merge_kind.hpp"

namespace hedgerow::config {

inline constexpr std::string_view kDefaultConfigFile = "/etc/hedgerow/hedgerow.json";
inline constexpr std::string_view kDefaultDataDirectory = "/var/lib/hedgerow";

// The built-in channel of the node's own topics, hedgerow/#.
inline constexpr std::string_view kSystemChannelName = "hedgerow";
inline constexpr std::string_view kSystemTopicRoot = "hedgerow";

// In access rules: where things come in.
inline constexpr std::string_view kThingsListenerName = "things";

// The mesh name of a node that runs without a configuration file (hedgerowd --listen).
inline constexpr std::string_view kLocalMeshName = "local";

// Limits (G6). A file beyond one of them is refused with a sentence that names it.
inline constexpr std::size_t kFileBytesMax = std::size_t{1} << 20U;
inline constexpr std::size_t kListenersMax = 16;
inline constexpr std::size_t kPeersMax = 64;
inline constexpr std::size_t kSerialLinesMax = 32;
inline constexpr std::size_t kPredefinedTopicsMax = 256;
inline constexpr std::size_t kChannelsMax = 64;  // of the user; the built-in one comes on top
inline constexpr std::size_t kFilterBytesMax = 1024;

enum class Auth {
  kCertificate,  // mutual TLS, the certificate's name is the client's
  kPassword,     // user name and password in CONNECT, as `hedgerow user add` knows them
  kAnonymous,    // nobody is asked who they are
};

enum class Protocol {
  kMqtt,       // MQTT straight on the stream
  kWebSocket,  // MQTT in WebSocket frames, for browsers
};

// As the file spells them.
[[nodiscard]] std::string_view to_string(Auth auth);
[[nodiscard]] std::string_view to_string(Protocol protocol);

struct Listener {
  std::string name{};  // unique; "listener-1", "listener-2" … by position where the file gives none
  HostPort address{};  // an IP address; port 0 lets the kernel choose
  bool tls = true;
  // kCertificate only with tls; the others may have tls, too, where only the server shows a certificate.
  Auth auth = Auth::kCertificate;
  Protocol protocol = Protocol::kMqtt;
  bool plaintext_accepted = false;  // unencrypted and reachable from other machines: the file says so

  bool operator==(const Listener&) const = default;
};

enum class Scope {
  kMesh,   // replicated to every node
  kLocal,  // stays on this node
};

[[nodiscard]] std::string_view to_string(Scope scope);

// How much of a channel's records a node keeps; whichever bound is reached first trims the oldest.
struct Keep {
  std::chrono::seconds age = std::chrono::hours{24};
  std::uint64_t size_bytes = std::uint64_t{64} << 20U;

  bool operator==(const Keep&) const = default;
};

// Records older than this on arrival go only to persistent sessions and replays.
inline constexpr std::chrono::seconds kLateDefault = std::chrono::minutes{5};
inline constexpr std::chrono::seconds kNeverLate = std::chrono::seconds::max();

enum class ChannelAck {
  kLocal,  // QoS 1 and 2 are acknowledged once they are on this node's disk
  kPeer,   // and on that of at least one other node
};

[[nodiscard]] std::string_view to_string(ChannelAck ack);

struct Channel {
  std::string name{};    // unique; follows security::check_name, as do the names of mesh, node and listeners
  std::string filter{};  // unique, a valid MQTT topic filter
  Scope scope = Scope::kMesh;
  Keep keep{};
  std::chrono::seconds late = kLateDefault;  // kNeverLate: all go to everybody
  bool conflate = false;                     // an offline session gets only the latest value of each retained message
  sync::MergeKind merge = sync::MergeKind::kLastWrite;
  ChannelAck ack = ChannelAck::kLocal;
  bool spooled = false;  // held for other nodes alone; no file says so of a channel: mesh_channels.hpp

  bool operator==(const Channel&) const = default;
};

// How long what other nodes published may wait for this node's disk, unless something else is written meanwhile. 0: not
// at all.
inline constexpr std::chrono::seconds kRemoteCommitDefault{5};
inline constexpr std::chrono::seconds kRemoteCommitMax{60};

// Microcontrollers, which speak MQTT-SN 1.2.
struct Things {
  std::optional<HostPort> udp{};                  // an IP address; port 0 lets the kernel choose
  std::optional<HostPort> dtls{};                 // likewise; by key (hedgerow thing add) or certificate
  std::vector<std::string> serial{};              // each a thing: "/dev/ttyAMA0", "tcp:ADDRESS:PORT", "unix:PATH"
  std::map<std::uint16_t, std::string> topics{};  // by predefined id
  bool plaintext_accepted = false;                // also from serial lines, which otherwise are sealed; UDP always is

  bool operator==(const Things&) const = default;
};

// What an acknowledgement outlives.
enum class Durability {
  kSynced,   // the end of the power
  kProcess,  // the end of the process: nothing is synced for it
};

[[nodiscard]] std::string_view to_string(Durability durability);

struct Config {
  std::string mesh{};
  std::string node{};            // empty: the certificate's name, or before enrolment the host name
  std::filesystem::path data{};  // never empty
  std::vector<Listener> listeners{};
  std::vector<HostPort> peers{};    // may name this very board
  std::vector<Channel> channels{};  // the built-in system channel first, then the user's in the order of the file
  bool names_channels = false;      // the file does; if not, every channel of the mesh is kept (mesh_channels.hpp)
  // For the channels of the mesh that the file leaves out: how much of each is held for other nodes. None: nothing.
  // REQUIRES: names_channels
  std::optional<Keep> spool{};
  Durability durability = Durability::kSynced;
  std::chrono::seconds remote_commit = kRemoteCommitDefault;
  Things things{};
  Limits limits{};
  std::vector<security::AccessRule> access{};  // for security::AccessRules; every listener named in it exists
};

// The built-in channel: hedgerow/#, scope mesh, 24 h, 4 MiB, never late.
[[nodiscard]] Channel system_channel();

// The channel of a node whose file declares none: default, #, scope mesh, 24 h, 64 MiB.
[[nodiscard]] Channel default_channel();

// The configuration of `hedgerowd --listen ADDRESS --data DIR`: one anonymous listener, no peers, the default channel.
// An error when the address is not loopback: without a file there is no authentication.
[[nodiscard]] Expected<Config> listen_only(const HostPort& address, std::filesystem::path data);

// What --check prints: one line for each thing that the configuration sets up, each ended by a newline.
[[nodiscard]] std::string describe(const Config& config);

}  // namespace hedgerow::config
