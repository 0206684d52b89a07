#include "daemon/node/system_topics.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "daemon/mqtt/topic.hpp"

namespace hedgerow::node {

namespace {

constexpr std::string_view kVersionTopic = "$SYS/broker/version";
constexpr std::string_view kUptimeTopic = "$SYS/broker/uptime";

using Total = std::uint64_t SystemTotals::*;

// The deprecated names are still what many dashboards read.
struct TotalTopic {
  std::string_view topic;
  Total total;
};
constexpr std::array kTotalTopics = {
    TotalTopic{"$SYS/broker/clients/connected", &SystemTotals::clients_connected},
    TotalTopic{"$SYS/broker/clients/active", &SystemTotals::clients_connected},
    TotalTopic{"$SYS/broker/clients/disconnected", &SystemTotals::clients_disconnected},
    TotalTopic{"$SYS/broker/clients/inactive", &SystemTotals::clients_disconnected},
    TotalTopic{"$SYS/broker/clients/expired", &SystemTotals::clients_expired},
    TotalTopic{"$SYS/broker/subscriptions/count", &SystemTotals::subscriptions},
    TotalTopic{"$SYS/broker/shared_subscriptions/count", &SystemTotals::shared_subscriptions},
    TotalTopic{"$SYS/broker/retained messages/count", &SystemTotals::retained_messages},
    TotalTopic{"$SYS/broker/store/messages/count", &SystemTotals::stored_messages},
    TotalTopic{"$SYS/broker/messages/stored", &SystemTotals::stored_messages},
    TotalTopic{"$SYS/broker/store/messages/bytes", &SystemTotals::stored_bytes},
    TotalTopic{"$SYS/broker/messages/received", &SystemTotals::packets_received},
    TotalTopic{"$SYS/broker/messages/sent", &SystemTotals::packets_sent},
    TotalTopic{"$SYS/broker/bytes/received", &SystemTotals::bytes_received},
    TotalTopic{"$SYS/broker/bytes/sent", &SystemTotals::bytes_sent},
    TotalTopic{"$SYS/broker/publish/messages/received", &SystemTotals::publishes_received},
    TotalTopic{"$SYS/broker/publish/messages/sent", &SystemTotals::publishes_sent},
    TotalTopic{"$SYS/broker/publish/messages/dropped", &SystemTotals::publishes_dropped},
    TotalTopic{"$SYS/broker/publish/bytes/received", &SystemTotals::publish_bytes_received},
    TotalTopic{"$SYS/broker/publish/bytes/sent", &SystemTotals::publish_bytes_sent},
};

constexpr std::array kWindowSeconds = {60.0, 300.0, 900.0};

struct LoadTopics {
  std::array<std::string_view, kWindowSeconds.size()> topics;
  Total total;
};
constexpr std::array kLoadTopics = {
    LoadTopics{{"$SYS/broker/load/messages/received/1min", "$SYS/broker/load/messages/received/5min",
                "$SYS/broker/load/messages/received/15min"},
               &SystemTotals::packets_received},
    LoadTopics{{"$SYS/broker/load/messages/sent/1min", "$SYS/broker/load/messages/sent/5min",
                "$SYS/broker/load/messages/sent/15min"},
               &SystemTotals::packets_sent},
    LoadTopics{{"$SYS/broker/load/publish/received/1min", "$SYS/broker/load/publish/received/5min",
                "$SYS/broker/load/publish/received/15min"},
               &SystemTotals::publishes_received},
    LoadTopics{{"$SYS/broker/load/publish/sent/1min", "$SYS/broker/load/publish/sent/5min",
                "$SYS/broker/load/publish/sent/15min"},
               &SystemTotals::publishes_sent},
    LoadTopics{{"$SYS/broker/load/publish/dropped/1min", "$SYS/broker/load/publish/dropped/5min",
                "$SYS/broker/load/publish/dropped/15min"},
               &SystemTotals::publishes_dropped},
    LoadTopics{{"$SYS/broker/load/bytes/received/1min", "$SYS/broker/load/bytes/received/5min",
                "$SYS/broker/load/bytes/received/15min"},
               &SystemTotals::bytes_received},
    LoadTopics{
        {"$SYS/broker/load/bytes/sent/1min", "$SYS/broker/load/bytes/sent/5min", "$SYS/broker/load/bytes/sent/15min"},
        &SystemTotals::bytes_sent},
    LoadTopics{{"$SYS/broker/load/sockets/1min", "$SYS/broker/load/sockets/5min", "$SYS/broker/load/sockets/15min"},
               &SystemTotals::sockets_opened},
    LoadTopics{{"$SYS/broker/load/connections/1min", "$SYS/broker/load/connections/5min",
                "$SYS/broker/load/connections/15min"},
               &SystemTotals::connects_received},
};

double seconds_of(Duration duration) { return std::chrono::duration<double>(duration).count(); }

std::string two_decimals(double value) {
  std::array<char, 352> text{};  // the longest double has 309 digits before the point
  // Not to_chars: its tables take 110 KiB of the daemon.
  const int length = std::snprintf(text.data(), text.size(), "%.2f", value);
  return length > 0 ? std::string(text.data()) : std::string("0.00");
}

}  // namespace

SystemTopics::SystemTopics(Instant started, std::string_view version) : started_(started) {
  static_assert(kLoadTopics.size() == kLoads && kWindowSeconds.size() == kWindows);
  values_.push_back({.topic = kVersionTopic, .value = "hedgerow version " + std::string(version)});
}

std::vector<SystemValue> SystemTopics::update(Instant now, const SystemTotals& totals) {
  std::vector<SystemValue> changed;
  if (!updated_) changed = values_;
  const auto uptime = std::chrono::duration_cast<std::chrono::seconds>(now - started_);
  set(kUptimeTopic, std::to_string(uptime.count()) + " seconds", changed);
  for (const TotalTopic& entry : kTotalTopics) set(entry.topic, std::to_string(totals.*entry.total), changed);
  set("$SYS/broker/clients/total", std::to_string(totals.clients_connected + totals.clients_disconnected), changed);
  clients_max_ = std::max(clients_max_, totals.clients_connected);
  set("$SYS/broker/clients/maximum", std::to_string(clients_max_), changed);
  if (totals.heap_bytes) {
    heap_bytes_max_ = std::max(heap_bytes_max_, *totals.heap_bytes);
    set("$SYS/broker/heap/current", std::to_string(*totals.heap_bytes), changed);
    set("$SYS/broker/heap/maximum", std::to_string(heap_bytes_max_), changed);
  }
  update_loads(now - updated_.value_or(started_), totals, changed);
  updated_ = now;
  totals_ = totals;
  return changed;
}

std::vector<SystemValue> SystemTopics::matching(std::string_view filter) const {
  std::vector<SystemValue> out;
  std::copy_if(values_.begin(), values_.end(), std::back_inserter(out),
               [&](const SystemValue& value) { return mqtt::matches(filter, value.topic); });
  return out;
}

void SystemTopics::set(std::string_view topic, std::string value, std::vector<SystemValue>& changed) {
  const auto known =
      std::find_if(values_.begin(), values_.end(), [&](const SystemValue& entry) { return entry.topic == topic; });
  if (known == values_.end()) {
    values_.push_back({.topic = topic, .value = std::move(value)});
    changed.push_back(values_.back());
  } else if (known->value != value) {
    known->value = std::move(value);
    changed.push_back(*known);
  }
}

void SystemTopics::update_loads(Duration passed, const SystemTotals& totals, std::vector<SystemValue>& changed) {
  const double passed_s = seconds_of(passed);
  for (std::size_t load = 0; load < kLoads; ++load) {
    const LoadTopics& entry = kLoadTopics[load];
    const std::uint64_t came = totals.*entry.total - totals_.*entry.total;
    for (std::size_t window = 0; window < kWindows; ++window) {
      double& average = loads_[load][window];
      if (passed_s > 0) {
        const double a_minute = static_cast<double>(came) * 60.0 / passed_s;
        average = a_minute + std::exp(-passed_s / kWindowSeconds[window]) * (average - a_minute);
      }
      set(entry.topics[window], two_decimals(average), changed);
    }
  }
}

}  // namespace hedgerow::node
