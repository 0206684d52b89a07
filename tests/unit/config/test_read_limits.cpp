#include <catch2/catch_test_macros.hpp>
#include <string>

#include "daemon/config/parse.hpp"

namespace hedgerow::config {
namespace {

Limits accepted(const std::string& members) {
  const auto config = parse("{\"mesh\":\"m\",\"limits\":{" + members + "}}");
  INFO((config ? std::string{} : format_problems("f", config.error())));
  REQUIRE(config);
  return config->limits;
}

std::string refused(const std::string& members) {
  const auto config = parse("{\"mesh\":\"m\",\"limits\":{\n" + members + "}}");
  return config ? "accepted" : format_problems("f", config.error());
}

TEST_CASE("without limits the defaults hold", "[config][G6]") {
  CHECK(accepted("") == Limits{});
  CHECK(parse(R"({"mesh":"m"})")->limits == Limits{});
}

TEST_CASE("every limit can be given", "[config][G6]") {
  const Limits limits = accepted(R"(
      "connections": 11, "connections_per_address": 10, "connect_timeout": "9s", "packet_bytes": "8KiB",
      "receive_maximum": 7, "in_flight": 6, "session_queue_bytes": "512KiB", "sessions": 5,
      "subscriptions_per_session": 4, "topic_levels": 3, "topic_aliases": 2, "will_bytes": 1024,
      "retained_messages": 12, "keep_alive_max": "10m", "maximum_qos": 1, "queue_bytes": "2MiB",
      "subscription_bytes": "3MiB", "unfinished_bytes": "4MiB")");
  CHECK(limits == Limits{.connections = 11,
                         .connections_per_address = 10,
                         .connect_timeout = std::chrono::seconds{9},
                         .packet_bytes = 8'192,
                         .receive_maximum = 7,
                         .in_flight = 6,
                         .session_queue_bytes = 524'288,
                         .subscriptions_per_session = 4,
                         .topic_levels = 3,
                         .topic_aliases = 2,
                         .will_bytes = 1'024,
                         .keep_alive_max = std::chrono::minutes{10},
                         .maximum_qos = 1,
                         .queue_bytes = 2'097'152,
                         .subscription_bytes = 3'145'728,
                         .unfinished_bytes = 4'194'304,
                         .sessions = 5,
                         .retained_messages = 12});
}

TEST_CASE("a keep alive is imposed unless never", "[config]") {
  CHECK(accepted(R"("keep_alive_max":"never")").keep_alive_max == std::chrono::seconds{0});
  CHECK(refused(R"("keep_alive_max":"1d")") ==
        "f:2:18: limits.keep_alive_max: found the text \"1d\", expected from 5s to 65535s, or \"never\"");
}

TEST_CASE("a count is a whole number in its range", "[config][G6]") {
  CHECK(refused("\"connections\":0") ==
        "f:2:15: limits.connections: found the number 0, expected a whole number from 1 to 1000000");
  CHECK(refused("\"connections\":-1") ==
        "f:2:15: limits.connections: found the number -1, expected a whole number from 1 to 1000000");
  CHECK(refused("\"in_flight\":1e3") ==
        "f:2:13: limits.in_flight: found the number 1e3, expected a whole number from 1 to 65535");
  CHECK(refused("\"in_flight\":65536") ==
        "f:2:13: limits.in_flight: found the number 65536, expected a whole number from 1 to 65535");
  CHECK(refused("\"maximum_qos\":\"2\"") ==
        "f:2:15: limits.maximum_qos: found the text \"2\", expected a whole number from 0 to 2");
  CHECK(refused("\"sessions\":99999999999999999999") ==
        "f:2:12: limits.sessions: found the number 99999999999999999999, expected a whole number from 0 to 1000000");
}

TEST_CASE("bytes are a size or a number of them", "[config][G6]") {
  CHECK(accepted("\"packet_bytes\":65536").packet_bytes == 65'536);
  CHECK(refused("\"packet_bytes\":\"64 KiB\"") ==
        "f:2:16: limits.packet_bytes: found the text \"64 KiB\", expected a size such as \"64MiB\" or \"512KiB\", or a "
        "number of bytes");
  CHECK(refused("\"packet_bytes\":\"2MiB\"") ==
        "f:2:16: limits.packet_bytes: found the text \"2MiB\", expected from 1KiB to 1MiB");
}

TEST_CASE("a limit within another cannot be the greater one", "[config][G6]") {
  CHECK(refused("\"connections\":100,\"connections_per_address\":101") ==
        "f:2:45: limits.connections_per_address: found 101, but \"connections\" is 100: lower the one or raise the "
        "other");
  CHECK(refused("\"packet_bytes\":\"4KiB\",\"will_bytes\":\"8KiB\"") ==
        "f:2:36: limits.will_bytes: found 8KiB, but \"packet_bytes\" is 4KiB: lower the one or raise the other");
  CHECK(refused("\"session_queue_bytes\":\"64MiB\"") ==
        "f:2:23: limits.session_queue_bytes: found 64MiB, but \"queue_bytes\" is 32MiB: lower the one or raise the "
        "other");
}

TEST_CASE("a limit that is not given follows the one that it lies within", "[config][G6]") {
  CHECK(accepted("\"connections\":100").connections_per_address == 100);
  CHECK(accepted("\"packet_bytes\":\"2KiB\"").will_bytes == 2'048);
  CHECK(accepted("\"queue_bytes\":\"1MiB\"").session_queue_bytes == 1'048'576);
}

TEST_CASE("a misspelt limit is refused with the one that was meant", "[config]") {
  CHECK(refused("\"recieve_maximum\":3") ==
        "f:2:1: limits.recieve_maximum: unknown key; did you mean \"receive_maximum\"?");
}

TEST_CASE("limits that are no object are refused once", "[config]") {
  const auto config = parse(R"({"mesh":"m","limits":[]})");
  REQUIRE_FALSE(config);
  CHECK(format_problems("f", config.error()) == "f:1:22: limits: found an array, expected an object { … }");
}

}  // namespace
}  // namespace hedgerow::config
