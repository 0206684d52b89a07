// "things": how microcontrollers reach this board.

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "daemon/config/readers.hpp"
#include "daemon/config/sections.hpp"
#include "daemon/mqtt/topic.hpp"
#include "sync/base/utf8.hpp"

namespace hedgerow::config {

namespace {

using enum Presence;

constexpr std::string_view kUdpAddress = "an IP address of this board and a port, such as \"0.0.0.0:10000\"";
constexpr std::string_view kSerialLine =
    "a serial line: \"/dev/ttyAMA0\", \"tcp:192.0.2.7:4000\" or \"unix:PATH\", or one of them behind \"raw:\"";
constexpr std::string_view kTopicId = "a number from 1 to 65534";
constexpr std::string_view kTopicName = "a topic name, such as \"barn/door\"";
constexpr std::uint64_t kTopicIdMax = 65'534;  // 0 and 65535 are reserved: MQTT-SN 1.2, section 5.3.11

constexpr std::string_view kRaw = "raw:";  // before a line without frames

bool is_serial_line(std::string_view text) {
  if (text.starts_with(kRaw)) text.remove_prefix(kRaw.size());
  if (text.starts_with("/") || text.starts_with("unix:/")) return text.size() > 1;
  if (!text.starts_with("tcp:")) return false;
  const Expected<HostPort> address = parse_host_port(text.substr(4));
  return address && is_ip_address(*address) && address->host.find(':') == std::string::npos && address->port != 0;
}

void read_serial(SchemaWalk& walk, const JsonValue& value, Things& things) {
  UniqueTexts lines{walk, "the line", "remove one of them"};
  const SchemaWalk::ArrayLimits limits{"an array of serial lines", kSerialLinesMax, true};
  walk.array(value, limits, [&](const JsonValue& member) {
    const std::optional<std::string_view> text = walk.text(member, kSerialLine);
    if (!text) return;
    if (!is_serial_line(*text)) return walk.unexpected(member, kSerialLine);
    things.serial.emplace_back(*text);
    lines.insert(member, things.serial.back());
  });
}

void read_topic(SchemaWalk& walk, const JsonValue& value, Things& things) {
  std::optional<std::uint64_t> id;
  std::string topic;
  const std::array fields = {
      Field{"id", kRequired, kTopicId,
            [&](const JsonValue& member) {
              id = walk.whole_number(member);
              if (id && *id >= 1 && *id <= kTopicIdMax) return;
              id.reset();
              walk.unexpected(member, kTopicId);
            }},
      Field{"topic", kRequired, kTopicName,
            [&](const JsonValue& member) {
              const std::optional<std::string_view> text = walk.text(member, kTopicName);
              if (text && !mqtt::is_valid_topic_name(*text)) return walk.unexpected(member, kTopicName);
              topic = text.value_or("");
            }},
  };
  walk.object(value, fields);
  if (!id || topic.empty()) return;
  if (!things.topics.emplace(static_cast<std::uint16_t>(*id), std::move(topic)).second) {
    walk.problem(*value.find("id"), "the id " + std::to_string(*id) + " stands here already: give each its own");
  }
}

void read_datagrams(SchemaWalk& walk, const JsonValue& value, std::optional<HostPort>& out) {
  const std::optional<HostPort> address = read_host_port(walk, value, kUdpAddress);
  if (!address) return;
  if (!is_ip_address(*address)) return walk.unexpected(value, kUdpAddress);
  out = *address;
}

}  // namespace

void read_things(SchemaWalk& walk, const JsonValue& value, Config& config) {
  Things& things = config.things;
  const JsonValue* udp_at = nullptr;
  const JsonValue* dtls_at = nullptr;
  const std::array fields = {
      Field{"udp", kOptional, kUdpAddress,
            [&](const JsonValue& member) {
              udp_at = &member;
              read_datagrams(walk, member, things.udp);
            }},
      Field{"dtls", kOptional, kUdpAddress,
            [&](const JsonValue& member) {
              dtls_at = &member;
              read_datagrams(walk, member, things.dtls);
            }},
      Field{"serial", kOptional, {}, [&](const JsonValue& member) { read_serial(walk, member, things); }},
      Field{"topics",
            kOptional,
            {},
            [&](const JsonValue& member) {
              const SchemaWalk::ArrayLimits limits{"an array of topics with their ids", kPredefinedTopicsMax, true};
              walk.array(member, limits, [&](const JsonValue& topic) { read_topic(walk, topic, things); });
            }},
      Field{"plaintext",
            kOptional,
            {},
            [&](const JsonValue& member) {
              static constexpr std::array kWords = {Choice<bool>{"accepted", true}};
              things.plaintext_accepted = walk.choice<bool>(member, kWords).value_or(true);
            }},
  };
  walk.object(value, fields);
  if (things.udp && things.dtls && things.udp->port != 0 && things.udp->port == things.dtls->port) {
    walk.problem(*dtls_at, "\"udp\" has this port too, and what comes there is not encrypted: give each its own");
  }
  if (udp_at != nullptr && things.udp && !is_loopback(*things.udp) && !things.plaintext_accepted) {
    walk.problem(*udp_at,
                 "what things say here crosses the line unencrypted: add \"plaintext\": \"accepted\" if they know "
                 "nothing better");
  }
  for (std::size_t at = 0; at < things.serial.size() && !things.plaintext_accepted; ++at) {
    if (!things.serial[at].starts_with(kRaw)) continue;
    walk.problem(*value.find("serial"),
                 "messages without frames cannot be sealed: add \"plaintext\": \"accepted\" for the line " +
                     quote_text(things.serial[at]));
  }
  const bool taken = std::any_of(config.listeners.begin(), config.listeners.end(),
                                 [](const Listener& listener) { return listener.name == kThingsListenerName; });
  if (taken) walk.problem(value, "a listener has the name \"things\": give it another one");
}

}  // namespace hedgerow::config
