#include <catch2/catch_test_macros.hpp>
#include <string>

#include "daemon/control/document.hpp"
#include "tests/support/mqtt_packets.hpp"

using namespace hedgerow;
using namespace hedgerow::control;

namespace {

sync::Message message(std::string payload, Bytes properties = {}) {
  return {.topic = "a/b", .properties = std::move(properties), .payload = to_bytes(payload), .expiry_s = {}};
}

std::string part(const sync::Message& message, std::string_view from, std::string_view to) {
  const std::string json = message_json({.message = message});
  const std::size_t begin = json.find(from);
  return begin == std::string::npos ? std::string{} : json.substr(begin, json.find(to, begin) - begin);
}

}  // namespace

TEST_CASE("a message says when it was written, how far that can be trusted, and by whom", "[control][G10]") {
  const sync::Message said = message("21.5");
  CHECK(
      message_json({.message = said,
                    .qos = 1,
                    .retain = true,
                    .time = {.unix_ms = 1'800'000'000'123, .quality = ClockQuality::kSynchronised},
                    .node = "gw-barn",
                    .replica = sync::ReplicaId{0xAB},
                    .channel = "default",
                    .expiry = {.left_s = 7}}) ==
      R"({"topic":"a/b","payload":"21.5","qos":1,"retain":true,"time":"2027-01-15T08:00:00.123Z",)"
      R"("clock":"synchronised","node":"gw-barn","replica":"00000000000000ab","channel":"default","expires_in_s":7})");
  CHECK(message_json({.message = said}) ==
        R"({"topic":"a/b","payload":"21.5","qos":0,"retain":false,"time":"1970-01-01T00:00:00.000Z",)"
        R"("clock":"unsynchronised","node":null,"replica":null,"channel":null})");
}

TEST_CASE("a payload that is no plain text comes in base64", "[control]") {
  CHECK(part(message("a\tb\r\n\"\\ ä"), "\"payload", ",\"qos") == R"("payload":"a\tb\r\n\"\\ ä")");
  CHECK(part(message(""), "\"payload", ",\"qos") == R"("payload":"")");
  CHECK(part(message("\xFF"), "\"payload", ",\"qos") == R"("payload_base64":"/w==")");
  CHECK(part(message(std::string(1, '\0')), "\"payload", ",\"qos") == R"("payload_base64":"AA==")");
  CHECK(part(message("\x1B[2J"), "\"payload", ",\"qos") == R"("payload_base64":"G1sySg==")");
}

TEST_CASE("what an application put beside its message is shown", "[control]") {
  using namespace hedgerow::test;
  const Bytes properties =
      concat(property(0x01, u8(1)), property(0x03, text("text/plain")), property(0x08, text("r/1")),
             property(0x09, text("\x01\x02")), user_property("k", "1"), user_property("k", "2"));
  CHECK(part(message("x", properties), "\"channel\":null", "}x") ==
        R"("channel":null,"content_type":"text/plain","response_topic":"r/1","correlation_data_base64":"AQI=",)"
        R"("user_properties":[{"name":"k","value":"1"},{"name":"k","value":"2"}]})");
}

TEST_CASE("properties that are damaged end where the damage begins", "[control]") {
  using namespace hedgerow::test;
  const Bytes cut = concat(property(0x03, text("text/plain")), Bytes{0x26, 0x00, 0x09, 'k'});
  CHECK(part(message("x", cut), "\"content_type", "}x") == R"("content_type":"text/plain"})");
  CHECK(part(message("x", Bytes{0x99, 0x99, 0x99}), "\"channel", "}x") == R"("channel":null})");
}

TEST_CASE("a gap says what is missing, and why", "[control][G6]") {
  const sync::Gap gap{.replica = sync::ReplicaId{1}, .first = 5, .last = 9, .reason = sync::GapReason::kAge};
  CHECK(gap_json("default", "gw-barn", gap) ==
        R"({"channel":"default","node":"gw-barn","replica":"0000000000000001","first":5,"last":9,"count":5,)"
        R"("reason":"age","why":"they were older than this node keeps messages of the channel"})");
  CHECK(gap_json("default", "", gap).find(R"("node":null)") != std::string::npos);
}

TEST_CASE("times are shown in UTC, to the millisecond", "[control]") {
  CHECK(format_time(0) == "1970-01-01T00:00:00.000Z");
  CHECK(format_time(951'782'400'001) == "2000-02-29T00:00:00.001Z");
  CHECK(format_time(253'402'300'799'999) == "9999-12-31T23:59:59.999Z");
  CHECK(format_time(~std::uint64_t{0}) == "9999-12-31T23:59:59.999Z");
}
