#include "daemon/control/document.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <vector>

#include "daemon/monitor/json_writer.hpp"
#include "daemon/monitor/status.hpp"
#include "daemon/mqtt/properties.hpp"
#include "daemon/mqtt/reader.hpp"
#include "sync/base/base64.hpp"
#include "sync/base/utf8.hpp"

namespace hedgerow::control {

namespace {

bool is_plain_text(std::string_view text) {
  const auto is_control = [](char character) {
    const auto byte = static_cast<unsigned char>(character);
    return (byte < 0x20 && character != '\t' && character != '\n' && character != '\r') || byte == 0x7F;
  };
  return std::none_of(text.begin(), text.end(), is_control) && !find_invalid_utf8(text);
}

void write_name(monitor::JsonWriter& out, std::string_view key, std::string_view name) {
  out.key(key);
  if (name.empty()) {
    out.null();
  } else {
    out.string(name);
  }
}

// What an application put beside its message. Ends at what it does not know: only what came in here, or passed the same
// checks on another node, is in the log.
void write_properties(monitor::JsonWriter& out, ByteView properties) {
  struct Pair {
    std::string_view name;
    std::string_view value;
  };
  std::vector<Pair> pairs;
  mqtt::Reader in{properties};
  while (in.left() > 0) {
    const std::uint32_t id = in.varint();
    if (id == static_cast<std::uint32_t>(mqtt::PropertyId::kPayloadFormatIndicator)) {
      static_cast<void>(in.u8());
    } else if (id == static_cast<std::uint32_t>(mqtt::PropertyId::kContentType)) {
      if (const std::string_view text = in.text(); !in.failed()) out.field("content_type", text);
    } else if (id == static_cast<std::uint32_t>(mqtt::PropertyId::kResponseTopic)) {
      if (const std::string_view text = in.text(); !in.failed()) out.field("response_topic", text);
    } else if (id == static_cast<std::uint32_t>(mqtt::PropertyId::kCorrelationData)) {
      if (const ByteView data = in.binary(); !in.failed()) out.field("correlation_data_base64", to_base64(data));
    } else if (id == static_cast<std::uint32_t>(mqtt::PropertyId::kUserProperty)) {
      const std::string_view name = in.text();
      const std::string_view value = in.text();
      if (!in.failed()) pairs.push_back({name, value});
    } else {
      break;
    }
  }
  if (pairs.empty()) return;
  out.key("user_properties").begin_array();
  for (const Pair& pair : pairs) out.begin_object().field("name", pair.name).field("value", pair.value).end_object();
  out.end_array();
}

struct Reason {
  std::string_view word;
  std::string_view sentence;
};

Reason reason_of(sync::GapReason reason) {
  switch (reason) {
    case sync::GapReason::kAge: return {"age", "they were older than this node keeps messages of the channel"};
    case sync::GapReason::kSize: return {"size", "the channel had grown larger than this node keeps"};
    case sync::GapReason::kExpired: return {"expired", "they had expired"};
    case sync::GapReason::kRefused: return {"refused", "this node refused them"};
    case sync::GapReason::kTrimmedElsewhere:
      return {"trimmed elsewhere", "no node that this one heard them of held them any more"};
    case sync::GapReason::kDamaged: return {"damaged", "the disk did not return what was written there"};
  }
  return {"unknown", "nobody knows"};
}

}  // namespace

std::string hex_of(sync::ReplicaId replica) {
  std::array<std::uint8_t, 8> big_endian{};
  for (std::size_t at = 0; at < big_endian.size(); ++at) {
    big_endian[at] = static_cast<std::uint8_t>(static_cast<std::uint64_t>(replica) >> (8 * (7 - at)));
  }
  return to_hex(big_endian);
}

std::string format_time(std::uint64_t unix_ms) {
  using namespace std::chrono;
  constexpr std::uint64_t kLast = 253'402'300'799'999;  // 9999-12-31T23:59:59.999Z
  const auto time = sys_time<milliseconds>{milliseconds{static_cast<std::int64_t>(std::min(unix_ms, kLast))}};
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const hh_mm_ss clock{time - day};
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return text.data();
}

std::string message_json(const MessageFacts& facts) {
  monitor::JsonWriter out;
  out.begin_object().field("topic", facts.message.topic);
  const std::string_view payload = as_text(facts.message.payload);
  if (is_plain_text(payload)) {
    out.field("payload", payload);
  } else {
    out.field("payload_base64", to_base64(facts.message.payload));
  }
  out.field("qos", std::uint64_t{facts.qos})
      .field("retain", facts.retain)
      .field("time", format_time(facts.time.unix_ms))
      .field("clock", monitor::to_string(facts.time.quality));
  write_name(out, "node", facts.node);
  write_name(out, "replica", facts.replica ? hex_of(*facts.replica) : std::string{});
  write_name(out, "channel", facts.channel);
  if (facts.expiry.state == node::Expiry::State::kWithheld) {
    out.field("withheld", true);
  } else if (facts.expiry.left_s) {
    out.field("expires_in_s", std::uint64_t{*facts.expiry.left_s});
  }
  write_properties(out, facts.message.properties);
  return out.end_object().take();
}

std::string gap_json(std::string_view channel, std::string_view node, const sync::Gap& gap) {
  const Reason reason = reason_of(gap.reason);
  monitor::JsonWriter out;
  out.begin_object().field("channel", channel);
  write_name(out, "node", node);
  out.field("replica", hex_of(gap.replica))
      .field("first", std::uint64_t{gap.first})
      .field("last", std::uint64_t{gap.last})
      .field("count", std::uint64_t{gap.last - gap.first + 1})
      .field("reason", reason.word)
      .field("why", reason.sentence);
  return out.end_object().take();
}

std::string lost_json(std::uint64_t count, std::string_view why) {
  monitor::JsonWriter out;
  return out.begin_object().field("lost", count).field("why", why).end_object().take();
}

std::string end_json() {
  monitor::JsonWriter out;
  return out.begin_object().field("end", true).end_object().take();
}

std::string stored_json() {
  monitor::JsonWriter out;
  return out.begin_object().field("stored", true).end_object().take();
}

}  // namespace hedgerow::control
