#include "daemon/monitor/health.hpp"

#include "daemon/monitor/json_writer.hpp"

namespace hedgerow::monitor {

namespace {

void write_system(JsonWriter& out, const SystemSample& system) {
  if (system.temperature_c) out.key("temperature_c").number(*system.temperature_c, 1);
  if (system.memory) {
    out.key("memory")
        .begin_object()
        .field("rss_bytes", system.memory->rss_bytes)
        .field("total_bytes", system.memory->total_bytes)
        .field("available_bytes", system.memory->available_bytes)
        .end_object();
  }
  if (system.load) {
    out.key("load").begin_array();
    out.number(system.load->one_minute, 2).number(system.load->five_minutes, 2).number(system.load->fifteen_minutes, 2);
    out.end_array();
  }
  if (system.disk) {
    out.key("disk")
        .begin_object()
        .field("free_bytes", system.disk->free_bytes)
        .field("total_bytes", system.disk->total_bytes)
        .end_object();
  }
}

}  // namespace

std::string to_json(const Health& health) {
  JsonWriter out;
  out.begin_object()
      .field("at_unix_ms", health.at.unix_ms)
      .field("clock", to_string(health.at.quality))
      .field("version", health.version)
      .field("uptime_s", health.uptime_s);
  write_system(out, health.system);
  out.field("clients", health.clients);
  out.key("messages")
      .begin_object()
      .field("received", health.messages.received)
      .field("delivered", health.messages.delivered)
      .field("refused", health.messages.refused)
      .field("dropped", health.messages.dropped)
      .field("denied", health.messages.denied)
      .field("trimmed", health.messages.trimmed)
      .field("withheld", health.messages.withheld)
      .end_object();
  out.key("over_budget")
      .begin_object()
      .field("subscriptions", health.over_budget.subscriptions)
      .field("readers", health.over_budget.readers)
      .field("writers", health.over_budget.writers)
      .end_object();
  if (health.things) {
    out.key("things")
        .begin_object()
        .field("connected", health.things->connected)
        .field("lost", health.things->lost)
        .field("malformed", health.things->malformed)
        .field("damaged_frames", health.things->damaged_frames)
        .field("strangers", health.things->strangers)
        .field("unproved", health.things->unproved)
        .end_object();
  }
  out.key("plaintext_listeners").begin_array();
  for (const std::string& name : health.plaintext_listeners) out.string(name);
  out.end_array();
  out.key("alarms").begin_array();
  for (const std::string& alarm : health.alarms) out.string(alarm);
  out.end_array();
  write_scrub(out, health.scrub);
  return out.end_object().take();
}

std::string links_json(WallTime at, const std::vector<LinkReport>& links) {
  JsonWriter out;
  out.begin_object().field("at_unix_ms", at.unix_ms).field("clock", to_string(at.quality));
  out.key("links").begin_array();
  for (const LinkReport& link : links) {
    out.begin_object()
        .field("peer", link.peer)
        .field("address", link.address)
        .field("state", to_string(link.state))
        .field("dialled", link.dialled)
        .field("lag", link.lag)
        .field("since_unix_ms", link.since.unix_ms)
        .field("since_clock", to_string(link.since.quality))
        .end_object();
  }
  return out.end_array().end_object().take();
}

}  // namespace hedgerow::monitor
