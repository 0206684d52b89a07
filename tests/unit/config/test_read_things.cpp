#include <catch2/catch_test_macros.hpp>
#include <string>

#include "daemon/config/parse.hpp"

namespace hedgerow::config {
namespace {

tl::expected<Config, Problems> with(const std::string& things, const std::string& more = {}) {
  return parse("{\"mesh\":\"m\",\n\"things\":{" + things + "}" + more + "}");
}

Things accepted(const std::string& things) {
  const auto config = with(things);
  INFO((config ? std::string{} : format_problems("f", config.error())));
  REQUIRE(config);
  return config->things;
}

std::string refused(const std::string& things, const std::string& more = {}) {
  const auto config = with(things, more);
  return config ? "accepted" : format_problems("f", config.error());
}

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST_CASE("things come by UDP and by serial lines, with topics that both sides know", "[config][things]") {
  const Things things = accepted(R"(
    "udp": "0.0.0.0:10000", "plaintext": "accepted",
    "serial": ["/dev/ttyAMA0", "tcp:192.0.2.7:4000", "unix:/run/board.sock"],
    "topics": [{ "id": 1, "topic": "barn/door" }, { "id": 65534, "topic": "hb" }])");
  CHECK(things.udp == HostPort{.host = "0.0.0.0", .port = 10000});
  CHECK(things.serial.size() == 3);
  CHECK(things.topics.at(1) == "barn/door");
  CHECK(things.topics.at(65534) == "hb");
  CHECK(accepted(R"("udp": "127.0.0.1:0")").udp->port == 0);
}

TEST_CASE("what leaves the board unencrypted is declared", "[config][things][G7]") {
  CHECK(says(refused(R"("udp": "0.0.0.0:10000")"), "f:2:18: things.udp: what things say here"));
  CHECK(refused(R"("serial": ["/dev/ttyAMA0"])") == "accepted");  // sealed
  CHECK(refused(R"("dtls": "0.0.0.0:5684")") == "accepted");
}

TEST_CASE("things come by DTLS, on a port of its own", "[config][things][G7]") {
  CHECK(accepted(R"("dtls": "[::]:5684")").dtls == HostPort{.host = "::", .port = 5684});
  CHECK(says(refused(R"("dtls": "gw.lan:5684")"), "expected an IP address of this board"));
  CHECK(says(refused(R"("dtls": 5684)"), "expected an IP address of this board"));
  CHECK(says(refused(R"("udp": "127.0.0.1:10000", "dtls": "127.0.0.1:10000")"), "\"udp\" has this port too"));
  CHECK(refused(R"("udp": "127.0.0.1:0", "dtls": "127.0.0.1:0")") == "accepted");
  CHECK(says(describe(*with(R"("dtls": "0.0.0.0:5684")")), "things dtls 0.0.0.0:5684\n"));
}

TEST_CASE("rules speak of certificates where things come by DTLS", "[config][things][acl]") {
  const std::string rule = R"(,"access":[{"name":"pump-*","listener":"things","publish":["barn/#"]}])";
  CHECK(refused(R"("dtls": "0.0.0.0:5684")", rule) == "accepted");
  CHECK(says(refused(R"("udp": "127.0.0.1:0")", rule), "only things that come by \"dtls\" show certificates"));
}

TEST_CASE("lines and topics that cannot be are refused where they stand", "[config][things]") {
  CHECK(says(refused(R"("plaintext": "accepted", "serial": ["ttyAMA0"])"), "expected a serial line"));
  CHECK(says(refused(R"("plaintext": "accepted", "serial": ["tcp:gw.lan:1"])"), "expected a serial line"));
  CHECK(says(refused(R"("plaintext": "accepted", "serial": ["/dev/a", "/dev/a"])"), "stands twice"));
  CHECK(says(refused(R"("plaintext": "accepted", "serial": ["raw:raw:/dev/a"])"), "expected a serial line"));
  CHECK(says(refused(R"("serial": ["raw:/dev/a"])"), "messages without frames cannot be sealed"));
  CHECK(refused(R"("plaintext": "accepted", "serial": ["raw:/dev/a", "raw:tcp:192.0.2.7:1"])") == "accepted");
  CHECK(says(refused(R"("udp": "gw.lan:1")"), "expected an IP address of this board"));
  CHECK(says(refused(R"("topics": [{ "id": 0, "topic": "a" }])"), "expected a number from 1 to 65534"));
  CHECK(says(refused(R"("topics": [{ "id": 1, "topic": "a/#" }])"), "expected a topic name"));
  CHECK(says(refused(R"("topics": [{ "id": 1, "topic": "a" }, { "id": 1, "topic": "b" }])"), "stands here already"));
}

TEST_CASE("rules speak of things by their names, and as the clients of a listener named so", "[config][things][acl]") {
  const std::string rule = R"(,"access":[{"anonymous":true,"listener":"things","publish":["barn/#"]}])";
  CHECK(refused(R"("udp": "127.0.0.1:0")", rule) == "accepted");
  CHECK(says(refused(R"("topics": [])", rule), "there is no listener"));
  const std::string by_name = R"(,"access":[{"thing":"pump-*","listener":"things","publish":["barn/%n/#"]}])";
  CHECK(refused(R"("udp": "127.0.0.1:0")", by_name) == "accepted");
  const std::string elsewhere = R"(,"access":[{"thing":"pump-*","listener":"listener-1","publish":["barn/%n/#"]}])";
  CHECK(says(refused(R"("udp": "127.0.0.1:0")", elsewhere), "no thing comes by the listener \"listener-1\""));
  const std::string user = R"(,"access":[{"user":"a","listener":"things","publish":["barn/#"]}])";
  CHECK(says(refused(R"("udp": "127.0.0.1:0")", user), "things have no passwords"));
}

}  // namespace
}  // namespace hedgerow::config
