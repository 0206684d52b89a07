#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <string>

#include "daemon/websocket/limits.hpp"
#include "daemon/websocket/upgrade.hpp"
#include "security/crypto_mbedtls/sha1.hpp"

namespace hedgerow::websocket {
namespace {

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;

// What MQTT.js sends, but for what a test puts in its place.
struct Head {
  std::string line = "GET /mqtt HTTP/1.1";
  std::string host = "Host: board.lan:9001";
  std::string upgrade = "Upgrade: websocket";
  std::string connection = "Connection: Upgrade";
  std::string version = "Sec-WebSocket-Version: 13";
  std::string key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
  std::string protocol = "Sec-WebSocket-Protocol: mqtt";
  std::string more = {};

  [[nodiscard]] std::string text() const {
    std::string out = line + "\r\n";
    for (const std::string& field : {host, upgrade, connection, version, key, protocol, more}) {
      if (!field.empty()) out += field + "\r\n";
    }
    return out + "\r\n";
  }
};

UpgradeAnswer answer(const Head& head, OriginPolicy origins = {}) {
  return answer_upgrade(head.text(), origins, security::sha1);
}

void check_refused(const Head& head, const std::string& status) {
  INFO(head.text());
  const UpgradeAnswer answered = answer(head);
  CHECK_THAT(answered.response, StartsWith("HTTP/1.1 " + status + " "));
  CHECK_FALSE(answered.refusal.empty());
  CHECK_THAT(answered.response, ContainsSubstring("\r\n\r\n" + answered.refusal + "\n"));
  CHECK_THAT(answered.response, ContainsSubstring("Content-Length: " + std::to_string(answered.refusal.size() + 1)));
}

}  // namespace

TEST_CASE("the accept value is that of RFC 6455, 1.3", "[websocket]") {
  CHECK(accept_value("dGhlIHNhbXBsZSBub25jZQ==", security::sha1) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST_CASE("a good request becomes WebSocket with the subprotocol mqtt", "[websocket][MQTT-6.0.0-4]") {
  const UpgradeAnswer answered = answer({});
  CHECK(answered.refusal.empty());
  CHECK(answered.response ==
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n");
}

TEST_CASE("names of fields and of the upgrade know no case", "[websocket]") {
  CHECK(answer({.host = "hOST:x", .upgrade = "UPGRADE:WebSocket", .connection = "connection:\tUPGRADE \t"})
            .refusal.empty());
}

TEST_CASE("lists are searched, over several fields too", "[websocket]") {
  CHECK(answer({.connection = "Connection: keep-alive, Upgrade"}).refusal.empty());
  CHECK(answer({.protocol = "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: mqttv3.1,mqtt"}).refusal.empty());
  CHECK(answer({.upgrade = "Upgrade: h2c , websocket"}).refusal.empty());
}

TEST_CASE("extensions that are offered are left aside", "[websocket]") {
  const UpgradeAnswer answered =
      answer({.more = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"});
  CHECK(answered.refusal.empty());
  CHECK_THAT(answered.response, !ContainsSubstring("Extensions"));
}

TEST_CASE("without the subprotocol mqtt there is no upgrade", "[websocket][MQTT-6.0.0-3]") {
  check_refused({.protocol = ""}, "400");
  check_refused({.protocol = "Sec-WebSocket-Protocol: MQTT"}, "400");
  check_refused({.protocol = "Sec-WebSocket-Protocol: mqttv3.1"}, "400");
}

TEST_CASE("a request for anything else learns that an upgrade is required", "[websocket]") {
  check_refused({.upgrade = ""}, "426");
  check_refused({.upgrade = "Upgrade: h2c"}, "426");
  check_refused({.connection = ""}, "426");
  check_refused({.connection = "Connection: keep-alive"}, "426");
  CHECK_THAT(answer({.upgrade = ""}).response, ContainsSubstring("\r\nUpgrade: websocket\r\n"));
}

TEST_CASE("another version of WebSocket learns which is spoken", "[websocket]") {
  check_refused({.version = ""}, "426");
  check_refused({.version = "Sec-WebSocket-Version: 8"}, "426");
  check_refused({.version = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13"}, "426");
  CHECK_THAT(answer({.version = ""}).response, ContainsSubstring("\r\nSec-WebSocket-Version: 13\r\n"));
}

TEST_CASE("other versions of HTTP are not supported", "[websocket]") {
  check_refused({.line = "GET / HTTP/1.0"}, "505");
  check_refused({.line = "GET / HTTP/2.0"}, "505");
}

TEST_CASE("the key is 16 bytes in base64, once", "[websocket]") {
  check_refused({.key = ""}, "400");
  check_refused({.key = "Sec-WebSocket-Key: "}, "400");
  check_refused({.key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"}, "400");
  check_refused({.key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!Q=="}, "400");
  check_refused({.key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="},
                "400");
}

TEST_CASE("a host is named, once", "[websocket]") {
  check_refused({.host = ""}, "400");
  check_refused({.host = "Host: a\r\nHost: b"}, "400");
}

TEST_CASE("a request for an upgrade has no body", "[websocket]") {
  check_refused({.more = "Content-Length: 5"}, "400");
  check_refused({.more = "Content-Length: 0\r\nContent-Length: 5"}, "400");
  check_refused({.more = "Transfer-Encoding: chunked"}, "400");
  CHECK(answer({.more = "Content-Length: 0"}).refusal.empty());
}

TEST_CASE("what is not HTTP is refused", "[websocket]") {
  for (const char* line : {"GET", "GET ", "GET /", "GET  HTTP/1.1", "GET / HTTP/1.1 ", "GET /a b HTTP/1.1",
                           "GET / http/1.1", "POST / HTTP/1.1", "get / HTTP/1.1", "GET /\x01 HTTP/1.1", ""}) {
    check_refused({.line = line}, "400");
  }
  for (const char* field :
       {"X", ": value", "X : value", " X: value", "X: a\x01", "X: \r\n folded", "X: a\nY: b", "\xC3: v", "X: \x7F"}) {
    check_refused({.more = field}, "400");
  }
}

TEST_CASE("a page of another origin is forbidden where origins count", "[websocket]") {
  const Head from_page{.more = "Origin: https://evil.example"};
  CHECK(answer(from_page).refusal.empty());
  const std::string refusal = answer(from_page, {.allowed = {}, .loopback = true}).response;
  CHECK_THAT(refusal, StartsWith("HTTP/1.1 403 "));
  CHECK(refusal.find("open the page from localhost") != std::string::npos);
  CHECK_THAT(answer({.more = "Origin: http://localhost\r\nOrigin: http://localhost"}, {.allowed = {}, .loopback = true})
                 .response,
             StartsWith("HTTP/1.1 403 "));
}

TEST_CASE("another protocol shows with its first byte", "[websocket]") {
  CHECK_FALSE(judge_beginning("\x10").refusal.empty());
  CHECK_FALSE(judge_beginning("\x16\x03\x01").refusal.empty());
  CHECK_FALSE(judge_beginning("PRI * HTTP/2.0\r\n\r\n").refusal.empty());
  for (const char* good : {"", "G", "GE", "GET", "GET ", "GET /"}) CHECK(judge_beginning(good).refusal.empty());
}

TEST_CASE("a head without end is too large", "[websocket][G6]") {
  const std::string head = "GET / HTTP/1.1\r\nX: " + std::string(kUpgradeHeadBytesMax, 'x');
  CHECK_THAT(judge_beginning(head).response, StartsWith("HTTP/1.1 431 "));
}

}  // namespace hedgerow::websocket
