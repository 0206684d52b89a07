#include <catch2/catch_test_macros.hpp>
#include <string>

#include "daemon/mqtt/topic.hpp"

using namespace hedgerow::mqtt;
using namespace std::string_view_literals;

TEST_CASE("text of one to four byte sequences is valid UTF-8", "[mqtt][MQTT-1.5.4-3]") {
  CHECK(is_valid_utf8(""));
  CHECK(is_valid_utf8("plain ascii of more than eight bytes"));
  CHECK(is_valid_utf8("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x8C\xB3"));
  CHECK(is_valid_utf8("\xEF\xBB\xBFwith a byte order mark"));  // [MQTT-1.5.4-3]
  CHECK(is_valid_utf8("\xF4\x8F\xBF\xBD"));
}

TEST_CASE("ill-formed sequences are refused wherever they stand", "[mqtt][MQTT-1.5.4-1]") {
  for (const std::string_view bad : {"\x80"sv, "\xC3"sv, "\xC0\xAF"sv, "\xC1\xBF"sv, "\xE0\x9F\xBF"sv, "\xE2\x82"sv,
                                     "\xF0\x8F\xBF\xBF"sv, "\xF4\x90\x80\x80"sv, "\xF5\x80\x80\x80"sv, "\xFF"sv}) {
    for (const std::size_t before : {0U, 3U, 7U, 8U, 9U}) {
      CHECK_FALSE(is_valid_utf8(std::string(before, 'x') + std::string(bad)));
      CHECK_FALSE(is_valid_utf8(std::string(before, 'x') + std::string(bad) + "tail of the text"));
    }
  }
}

TEST_CASE("surrogates are refused", "[mqtt][MQTT-1.5.4-1]") {
  CHECK(is_valid_utf8("\xED\x9F\xBF"));
  CHECK_FALSE(is_valid_utf8("\xED\xA0\x80"));
  CHECK_FALSE(is_valid_utf8("\xED\xBF\xBF"));
  CHECK(is_valid_utf8("\xEE\x80\x80"));
}

TEST_CASE("U+0000 is refused wherever it stands", "[mqtt][MQTT-1.5.4-2]") {
  for (std::size_t at = 0; at < 20; ++at) {
    std::string text(20, 'x');
    text[at] = '\0';
    CHECK_FALSE(is_valid_utf8(text));
  }
}

TEST_CASE("control characters and non-characters are refused", "[mqtt][MQTT-1.5.4-2]") {
  for (const std::string_view bad : {"\x01"sv, "\x1F"sv, "\x7F"sv, "\xC2\x80"sv, "\xC2\x9F"sv, "\xEF\xBF\xBE"sv,
                                     "\xEF\xBF\xBF"sv, "\xEF\xB7\x90"sv, "\xEF\xB7\xAF"sv, "\xF0\x9F\xBF\xBF"sv}) {
    CHECK_FALSE(is_valid_utf8(bad));
    CHECK_FALSE(is_valid_utf8("seven b" + std::string(bad) + "more than eight"));
  }
  for (const std::string_view good :
       {" "sv, "~"sv, "\xC2\xA0"sv, "\xEF\xBF\xBD"sv, "\xEF\xB7\x8F"sv, "\xEF\xB7\xB0"sv}) {
    CHECK(is_valid_utf8(good));
    CHECK(is_valid_utf8("seven b" + std::string(good) + "more than eight"));
  }
}

TEST_CASE("the fast test of eight bytes agrees with the slow one", "[mqtt]") {
  for (unsigned value = 0; value < 256; ++value) {
    for (std::size_t at = 0; at < 8; ++at) {
      std::string text(8, 'x');
      text[at] = static_cast<char>(value);
      CHECK(is_valid_utf8(text) == (value >= 0x20 && value < 0x7F));
    }
  }
}

TEST_CASE("a string has at most 65,535 bytes", "[mqtt][MQTT-4.7.3-3][G6]") {
  CHECK(is_valid_utf8(std::string(65'535, 'x')));
  CHECK_FALSE(is_valid_utf8(std::string(65'536, 'x')));
}

TEST_CASE("a topic name is not empty and has no wildcard", "[mqtt][MQTT-4.7.3-1][MQTT-4.7.3-2]") {
  CHECK(is_valid_topic_name("sport/tennis"));
  CHECK(is_valid_topic_name("/"));
  CHECK(is_valid_topic_name("$SYS/uptime"));
  CHECK_FALSE(is_valid_topic_name(""));
  CHECK_FALSE(is_valid_topic_name("a/+"));
  CHECK_FALSE(is_valid_topic_name("a#"));
  CHECK_FALSE(is_valid_topic_name("a\0b"sv));
}

TEST_CASE("wildcards stand alone in their level, and # in the last", "[mqtt][MQTT-4.7.1-1][MQTT-4.7.1-2]") {
  for (const char* good : {"a", "/", "#", "+", "a/#", "+/+", "a/+/b", "/+", "+/#", "$SYS/#"}) {
    CAPTURE(good);
    CHECK(is_valid_topic_filter(good));
  }
  for (const char* bad : {"", "a#", "a+", "+a", "#/a", "a/#/b", "a/b+/c", "##", "a/#b", "++"}) {
    CAPTURE(bad);
    CHECK_FALSE(is_valid_topic_filter(bad));
  }
}

TEST_CASE("a shared filter has a group without wildcards, and a filter", "[mqtt][MQTT-4.8.2-1][MQTT-4.8.2-2]") {
  CHECK(is_valid_topic_filter("$share/group/a/+"));
  CHECK(is_valid_topic_filter("$share"));
  for (const char* bad :
       {"$share/", "$share/g", "$share/g/", "$share//a", "$share/g+/a", "$share/#/a", "$share/g/a#"}) {
    CAPTURE(bad);
    CHECK_FALSE(is_valid_topic_filter(bad));
    CHECK(is_shared_filter(bad));
  }
}

TEST_CASE("literal levels match exactly", "[mqtt][MQTT-4.7.3-4]") {
  CHECK(matches("a/b", "a/b"));
  CHECK_FALSE(matches("a/b", "a/B"));
  CHECK_FALSE(matches("a/b", "a"));
  CHECK_FALSE(matches("a", "a/b"));
  CHECK_FALSE(matches("a", "a/"));
  CHECK_FALSE(matches("/a", "a"));
  CHECK_FALSE(matches("\xC3\xA9", "e\xCC\x81"));  // one letter, composed and not
  CHECK_FALSE(matches("a/b", "a//b"));
  CHECK_FALSE(matches("a/../b", "b"));
}

TEST_CASE("+ matches one level, also an empty one", "[mqtt][MQTT-4.7.1-2]") {
  CHECK(matches("+", "a"));
  CHECK(matches("a/+", "a/"));
  CHECK(matches("+/+", "/a"));
  CHECK(matches("/+", "/a"));
  CHECK_FALSE(matches("+", "/a"));
  CHECK_FALSE(matches("a/+", "a"));
  CHECK_FALSE(matches("a/+", "a/b/c"));
}

TEST_CASE("# matches the level before it and everything below", "[mqtt][MQTT-4.7.1-1]") {
  CHECK(matches("#", "a/b/c"));
  CHECK(matches("a/#", "a"));
  CHECK(matches("a/#", "a/"));
  CHECK(matches("a/#", "a/b/c"));
  CHECK(matches("+/#", "a"));
  CHECK_FALSE(matches("a/#", "ab"));
  CHECK_FALSE(matches("a/b/#", "a"));
}

TEST_CASE("wildcards in the first level do not match names that begin with $", "[mqtt][MQTT-4.7.2-1]") {
  CHECK_FALSE(matches("#", "$SYS/x"));
  CHECK_FALSE(matches("+/x", "$SYS/x"));
  CHECK(matches("$SYS/#", "$SYS/x"));
  CHECK(matches("$SYS/+", "$SYS/x"));
  CHECK(matches("a/+", "a/$x"));
}
