#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/node/system_topics.hpp"

using namespace hedgerow;
using namespace std::chrono_literals;
using node::SystemTotals;
using node::SystemValue;

namespace {

constexpr Instant kStart{std::chrono::hours{5}};

std::optional<std::string> value_of(const std::vector<SystemValue>& values, std::string_view topic) {
  const auto found =
      std::find_if(values.begin(), values.end(), [&](const SystemValue& value) { return value.topic == topic; });
  if (found == values.end()) return std::nullopt;
  return found->value;
}

struct Topics {
  node::SystemTopics topics{kStart, "1.2.3"};
  SystemTotals totals{};

  std::optional<std::string> operator[](std::string_view topic) const {
    return value_of(topics.matching(topic), topic);
  }
};

}  // namespace

TEST_CASE_METHOD(Topics, "the first update tells everything under the names of Mosquitto 2.0", "[node][sys]") {
  totals.heap_bytes = 1;
  std::set<std::string> names;
  for (const SystemValue& value : topics.update(kStart, totals)) names.insert(std::string(value.topic));
  std::set<std::string> expected;
  for (const char* name : {"version",
                           "uptime",
                           "clients/active",
                           "clients/connected",
                           "clients/disconnected",
                           "clients/expired",
                           "clients/inactive",
                           "clients/maximum",
                           "clients/total",
                           "bytes/received",
                           "bytes/sent",
                           "heap/current",
                           "heap/maximum",
                           "messages/received",
                           "messages/sent",
                           "messages/stored",
                           "publish/bytes/received",
                           "publish/bytes/sent",
                           "publish/messages/dropped",
                           "publish/messages/received",
                           "publish/messages/sent",
                           "retained messages/count",
                           "shared_subscriptions/count",
                           "store/messages/bytes",
                           "store/messages/count",
                           "subscriptions/count"}) {
    expected.insert(std::string("$SYS/broker/") + name);
  }
  for (const char* load : {"bytes/received", "bytes/sent", "connections", "messages/received", "messages/sent",
                           "publish/dropped", "publish/received", "publish/sent", "sockets"}) {
    for (const char* window : {"1min", "5min", "15min"}) {
      expected.insert(std::string("$SYS/broker/load/") + load + "/" + window);
    }
  }
  CHECK(names == expected);
}

TEST_CASE_METHOD(Topics, "an update tells only what changed", "[node][sys]") {
  static_cast<void>(topics.update(kStart, totals));
  totals.subscriptions = 3;
  const auto changed = topics.update(kStart + 10s, totals);
  CHECK(changed.size() == 2);
  CHECK(value_of(changed, "$SYS/broker/subscriptions/count") == "3");
  CHECK(value_of(changed, "$SYS/broker/uptime") == "10 seconds");
}

TEST_CASE_METHOD(Topics, "before the first update only the version is known", "[node][sys]") {
  CHECK(topics.matching("$SYS/#").size() == 1);
  CHECK((*this)["$SYS/broker/version"] == "hedgerow version 1.2.3");
}

TEST_CASE_METHOD(Topics, "each total has its topic", "[node][sys]") {
  totals = {.clients_connected = 1,
            .clients_disconnected = 2,
            .subscriptions = 3,
            .shared_subscriptions = 4,
            .retained_messages = 5,
            .stored_messages = 6,
            .stored_bytes = 7,
            .heap_bytes = 8,
            .clients_expired = 9,
            .packets_received = 10,
            .packets_sent = 11,
            .bytes_received = 12,
            .bytes_sent = 13,
            .publishes_received = 14,
            .publishes_sent = 15,
            .publishes_dropped = 16,
            .publish_bytes_received = 17,
            .publish_bytes_sent = 18};
  static_cast<void>(topics.update(kStart, totals));
  CHECK((*this)["$SYS/broker/clients/connected"] == "1");
  CHECK((*this)["$SYS/broker/clients/disconnected"] == "2");
  CHECK((*this)["$SYS/broker/clients/total"] == "3");
  CHECK((*this)["$SYS/broker/subscriptions/count"] == "3");
  CHECK((*this)["$SYS/broker/shared_subscriptions/count"] == "4");
  CHECK((*this)["$SYS/broker/retained messages/count"] == "5");
  CHECK((*this)["$SYS/broker/store/messages/count"] == "6");
  CHECK((*this)["$SYS/broker/store/messages/bytes"] == "7");
  CHECK((*this)["$SYS/broker/heap/current"] == "8");
  CHECK((*this)["$SYS/broker/clients/expired"] == "9");
  CHECK((*this)["$SYS/broker/messages/received"] == "10");
  CHECK((*this)["$SYS/broker/messages/sent"] == "11");
  CHECK((*this)["$SYS/broker/bytes/received"] == "12");
  CHECK((*this)["$SYS/broker/bytes/sent"] == "13");
  CHECK((*this)["$SYS/broker/publish/messages/received"] == "14");
  CHECK((*this)["$SYS/broker/publish/messages/sent"] == "15");
  CHECK((*this)["$SYS/broker/publish/messages/dropped"] == "16");
  CHECK((*this)["$SYS/broker/publish/bytes/received"] == "17");
  CHECK((*this)["$SYS/broker/publish/bytes/sent"] == "18");
}

TEST_CASE_METHOD(Topics, "the deprecated names carry the same values", "[node][sys]") {
  totals = {.clients_connected = 1, .clients_disconnected = 2, .stored_messages = 6};
  static_cast<void>(topics.update(kStart, totals));
  CHECK((*this)["$SYS/broker/clients/active"] == "1");
  CHECK((*this)["$SYS/broker/clients/inactive"] == "2");
  CHECK((*this)["$SYS/broker/messages/stored"] == "6");
}

TEST_CASE_METHOD(Topics, "maxima stay", "[node][sys]") {
  totals.clients_connected = 7;
  totals.heap_bytes = 900;
  static_cast<void>(topics.update(kStart, totals));
  totals.clients_connected = 2;
  totals.heap_bytes = 100;
  static_cast<void>(topics.update(kStart + 10s, totals));
  CHECK((*this)["$SYS/broker/clients/connected"] == "2");
  CHECK((*this)["$SYS/broker/clients/maximum"] == "7");
  CHECK((*this)["$SYS/broker/heap/maximum"] == "900");
}

TEST_CASE_METHOD(Topics, "a heap that is not measured is not told", "[node][sys]") {
  static_cast<void>(topics.update(kStart, totals));
  CHECK(topics.matching("$SYS/broker/heap/#").empty());
}

// One client came with two packets of 27 bytes together: what Mosquitto 2.0.11 published 3 s after its start.
TEST_CASE_METHOD(Topics, "load averages are those that Mosquitto shows for the same traffic", "[node][sys]") {
  static_cast<void>(topics.update(kStart, totals));
  totals.bytes_received = 27;
  totals.connects_received = 1;
  totals.packets_received = 2;
  static_cast<void>(topics.update(kStart + 3s, totals));
  CHECK((*this)["$SYS/broker/load/bytes/received/1min"] == "26.34");
  CHECK((*this)["$SYS/broker/load/bytes/received/5min"] == "5.37");
  CHECK((*this)["$SYS/broker/load/bytes/received/15min"] == "1.80");
  CHECK((*this)["$SYS/broker/load/connections/1min"] == "0.98");
  CHECK((*this)["$SYS/broker/load/connections/5min"] == "0.20");
  CHECK((*this)["$SYS/broker/load/connections/15min"] == "0.07");
  CHECK((*this)["$SYS/broker/load/messages/received/1min"] == "1.95");
}

TEST_CASE_METHOD(Topics, "a steady load becomes its average, whatever the pauses", "[node][sys]") {
  Instant now = kStart;
  static_cast<void>(topics.update(now, totals));
  for (int i = 0; i < 2'000; ++i) {
    const std::chrono::seconds pause{1 + i % 20};
    now += pause;
    totals.publishes_received += 2 * static_cast<std::uint64_t>(pause.count());
    static_cast<void>(topics.update(now, totals));
  }
  CHECK((*this)["$SYS/broker/load/publish/received/1min"] == "120.00");
  CHECK((*this)["$SYS/broker/load/publish/received/15min"] == "120.00");
}

TEST_CASE_METHOD(Topics, "a load fades when nothing comes any more", "[node][sys]") {
  totals.sockets_opened = 60;
  static_cast<void>(topics.update(kStart + 60s, totals));
  CHECK((*this)["$SYS/broker/load/sockets/1min"] == "37.93");  // 60 × (1 - 1/e)
  static_cast<void>(topics.update(kStart + 120s, totals));
  CHECK((*this)["$SYS/broker/load/sockets/1min"] == "13.95");  // once more ÷ e
}

TEST_CASE_METHOD(Topics, "two updates at one moment divide by nothing", "[node][sys]") {
  static_cast<void>(topics.update(kStart, totals));
  totals.bytes_sent = 1;
  static_cast<void>(topics.update(kStart, totals));
  CHECK((*this)["$SYS/broker/load/bytes/sent/1min"] == "0.00");
}

TEST_CASE_METHOD(Topics, "a new subscription gets what its filter matches", "[node][sys]") {
  static_cast<void>(topics.update(kStart, totals));
  CHECK(topics.matching("$SYS/broker/clients/+").size() == 7);
  CHECK(topics.matching("$SYS/broker/load/+/1min").size() == 2);
  CHECK(topics.matching("$SYS/#").size() == 51);
  CHECK(topics.matching("#").empty());  // [MQTT-4.7.2-1]
  CHECK(topics.matching("+/broker/uptime").empty());
}
