#include "daemon/monitor/status.hpp"

#include <array>

#include "daemon/monitor/json_writer.hpp"
#include "sync/base/bytes.hpp"

namespace hedgerow::monitor {

namespace {

std::string to_hex(std::uint64_t value) {
  std::array<std::uint8_t, 8> big_endian{};
  for (std::size_t at = 0; at < big_endian.size(); ++at) {
    big_endian[at] = static_cast<std::uint8_t>(value >> (8 * (big_endian.size() - 1 - at)));
  }
  return hedgerow::to_hex(big_endian);
}

}  // namespace

std::string_view to_string(LinkState state) {
  switch (state) {
    case LinkState::kConnecting: return "connecting";
    case LinkState::kUp: return "up";
    case LinkState::kDown: return "down";
  }
  return "unknown";
}

std::string_view to_string(ClockQuality quality) {
  switch (quality) {
    case ClockQuality::kUnsynchronised: return "unsynchronised";
    case ClockQuality::kSynchronised: return "synchronised";
  }
  return "unknown";
}

std::string to_json(const Status& status) {
  JsonWriter out;
  out.begin_object()
      .field("node", status.node)
      .field("replica", to_hex(status.replica))
      .field("mesh", status.mesh)
      .field("version", status.version)
      .field("uptime_s", status.uptime_s)
      .field("clock", to_string(status.clock));
  out.key("listeners").begin_array();
  for (const ListenerStatus& listener : status.listeners) {
    out.begin_object()
        .field("name", listener.name)
        .field("address", listener.address)
        .field("tls", listener.tls)
        .field("plaintext", listener.plaintext)
        .end_object();
  }
  out.end_array();
  out.key("links").begin_array();
  for (const LinkStatus& link : status.links) {
    out.begin_object()
        .field("peer", link.peer)
        .field("address", link.address)
        .field("state", to_string(link.state))
        .field("dialled", link.dialled)
        .field("lag", link.lag);
    if (!link.reason.empty()) out.field("reason", link.reason);
    out.end_object();
  }
  out.end_array();
  out.key("channels").begin_array();
  for (const ChannelStatus& channel : status.channels) {
    out.begin_object()
        .field("name", channel.name)
        .field("filter", channel.filter)
        .field("scope", channel.scope)
        .field("spooled", channel.spooled)
        .field("merge", channel.merge)
        .field("digest", channel.digest)
        .field("behind", channel.behind)
        .end_object();
  }
  out.end_array();
  out.key("alarms").begin_array();
  for (const std::string& alarm : status.alarms) out.string(alarm);
  out.end_array();
  out.key("trimmed").begin_array();
  for (const TrimmedStatus& reader : status.trimmed) {
    out.begin_object();
    if (reader.shared.empty()) {
      out.field("owner", reader.owner).field("client", reader.client);
    } else {
      out.field("shared", reader.shared);
    }
    out.field("messages", reader.messages).end_object();
  }
  out.end_array();
  write_scrub(out, status.scrub);
  return out.end_object().take();
}

void write_scrub(JsonWriter& out, const ScrubReport& scrub) {
  const auto time = [](std::uint64_t unix_ms) { return unix_ms == 0 ? std::nullopt : std::optional(unix_ms); };
  out.key("scrub")
      .begin_object()
      .field("finished_unix_ms", time(scrub.finished_unix_ms))
      .field("damaged_unix_ms", time(scrub.damaged_unix_ms))
      .field("done_bytes", scrub.done_bytes)
      .field("file_bytes", scrub.file_bytes)
      .end_object();
}

std::string reloaded_json(const std::vector<std::string>& notes) {
  JsonWriter out;
  out.begin_object().field("reloaded", true).key("notes").begin_array();
  for (const std::string& note : notes) out.string(note);
  return out.end_array().end_object().take();
}

std::string error_json(std::string_view sentence) {
  JsonWriter out;
  return out.begin_object().field("error", sentence).end_object().take();
}

}  // namespace hedgerow::monitor
