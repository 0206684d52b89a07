// What `hedgerow status` shows: the document that the daemon sends over its control socket (DESIGN 4).
//
// The protocol of DATA/control.sock: a client sends one line, {"verb":"status"} and a newline, and receives one JSON
// document that ends with a newline; {"error":"SENTENCE"} says why there is no other answer.
// Pure. Thread rule: plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sync/base/time.hpp"

namespace hedgerow::monitor {

inline constexpr std::string_view kControlSocketName = "control.sock";
inline constexpr std::string_view kStatusRequest = "{\"verb\":\"status\"}\n";
inline constexpr std::size_t kControlAnswerBytesMax = std::size_t{4} << 20U;

enum class LinkState {
  kConnecting,  // dialling, or in the handshake
  kUp,          // authenticated, exchanging
  kDown,        // waiting for the next attempt
};

[[nodiscard]] std::string_view to_string(LinkState state);

struct ListenerStatus {
  std::string name{};
  std::string address{};  // as bound: the real port where the configuration says 0
  bool tls = true;
  bool plaintext = false;  // unencrypted and reachable from other machines
};

struct LinkStatus {
  std::string peer{};  // the node's name once known, before that the address that is dialled
  std::string address{};
  LinkState state = LinkState::kDown;
  bool dialled = true;  // by us; false: the peer dialled us
  std::optional<std::uint64_t>
      lag{};             // messages held here that the peer is not known to hold; none: never heard from it
  std::string reason{};  // why it is down, as far as known; empty: it is not, or was not tried yet
};

struct ChannelStatus {
  std::string name{};
  std::string filter{};
  std::string scope{};               // "mesh" or "local"
  bool spooled = false;              // held for other nodes alone
  std::string merge = "last-write";  // as the configuration spells it
  std::string digest{};              // SHA-256 over canonical cells and records, lower-case hex
  std::uint64_t behind = 0;          // messages that some node of the mesh is known to hold and this one does not
};

// A session, or a shared subscription, that missed messages since keep had trimmed them before they were read.
struct TrimmedStatus {
  std::string owner{};   // of the session: the authenticated name; empty: anonymous, or shared
  std::string client{};  // its client identifier
  std::string shared{};  // "$share/GROUP/FILTER"; empty: a session
  std::uint64_t messages = 0;
};

// How far the database file was read through to find damage. Times by the node's clock; 0: never, written as null.
struct ScrubReport {
  std::uint64_t finished_unix_ms = 0;  // the last time that all of it was as it had been written
  std::uint64_t damaged_unix_ms = 0;   // the last time that some of it was not: it was replaced then
  std::uint64_t done_bytes = 0;        // of the round under way; all of them when none is
  std::uint64_t file_bytes = 0;
};

struct Status {
  std::string node{};
  std::uint64_t replica = 0;  // written as 16 hex digits: JSON readers lose the low bits of such a number
  std::string mesh{};
  std::string version{};
  std::uint64_t uptime_s = 0;
  ClockQuality clock = ClockQuality::kUnsynchronised;
  std::vector<ListenerStatus> listeners{};
  std::vector<LinkStatus> links{};
  std::vector<ChannelStatus> channels{};
  std::vector<std::string> alarms{};  // sentences, each of something to see to
  std::vector<TrimmedStatus> trimmed{};
  ScrubReport scrub{};
};

class JsonWriter;
// {"finished_unix_ms":…,"damaged_unix_ms":…,"done_bytes":…,"file_bytes":…}
void write_scrub(JsonWriter& out, const ScrubReport& scrub);

[[nodiscard]] std::string_view to_string(ClockQuality quality);

// One line without the newline that ends it on the socket.
[[nodiscard]] std::string to_json(const Status& status);

// The answer to "reload": {"reloaded":true,"notes":["SENTENCE",…]}.
[[nodiscard]] std::string reloaded_json(const std::vector<std::string>& notes);

// The answer to a request that cannot be served: {"error":"SENTENCE"}.
[[nodiscard]] std::string error_json(std::string_view sentence);

}  // namespace hedgerow::monitor
