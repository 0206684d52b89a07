#include <catch2/catch_test_macros.hpp>
#include <string>

#include "daemon/config/parse.hpp"

namespace hedgerow::config {
namespace {

using security::AccessRule;
using security::Role;

const std::string kListeners = R"({"mesh":"m","listeners":[
  {"name":"local","address":"127.0.0.1:1883","tls":false},{"name":"mesh","address":"0.0.0.0:8883"},
  {"name":"lan","address":"0.0.0.0:8884","auth":"password"},{"name":"web","address":"0.0.0.0:8885","auth":"anonymous"}],
)";

std::vector<AccessRule> accepted(const std::string& rules) {
  const auto config = parse(kListeners + "\"access\":[" + rules + "]}");
  INFO((config ? std::string{} : format_problems("f", config.error())));
  REQUIRE(config);
  return config->access;
}

std::string refused(const std::string& rules) {
  const auto config = parse(kListeners + "\"access\":[\n" + rules + "]}");
  return config ? "accepted" : format_problems("f", config.error());
}

TEST_CASE("rules speak of roles, names, users and strangers", "[config][acl]") {
  const std::vector<AccessRule> rules = accepted(R"(
    { "role": "app", "publish": ["pump/#"], "subscribe": ["pump/#", "set/+"] },
    { "name": "pump-*", "listener": "mesh", "publish": ["pump/%n/#"] },
    { "user": "alice", "subscribe": ["$SYS/#", "hedgerow/#"] },
    { "anonymous": true, "listener": "web", "publish": [], "subscribe": ["public/%c"] })");
  REQUIRE(rules.size() == 4);
  CHECK(rules[0] == AccessRule{.role = Role::kApp, .publish = {"pump/#"}, .subscribe = {"pump/#", "set/+"}});
  CHECK(rules[1] == AccessRule{.name = "pump-*", .listener = "mesh", .publish = {"pump/%n/#"}});
  CHECK(rules[2] == AccessRule{.user = "alice", .subscribe = {"$SYS/#", "hedgerow/#"}});
  CHECK(rules[3] == AccessRule{.anonymous = true, .listener = "web", .subscribe = {"public/%c"}});
}

TEST_CASE("no rule at all is a list without members, or none", "[config][acl]") {
  CHECK(accepted("").empty());
  CHECK(parse(R"({"mesh":"m"})")->access.empty());
}

TEST_CASE("a rule may name a listener that has no name of its own", "[config][acl]") {
  CHECK(parse(R"({"mesh":"m","access":[{"anonymous":true,"listener":"listener-1","publish":["a"]}]})"));
}

TEST_CASE("a rule has one subject", "[config][acl]") {
  CHECK(refused(R"({"publish":["a"]})") ==
        "f:5:1: access[0]: this rule has none of the keys \"role\", \"name\", \"user\", \"thing\" or \"anonymous\", "
        "expected one: "
        "write a rule for each");
  CHECK(refused(R"({"role":"app","user":"a","publish":["a"]})") ==
        "f:5:1: access[0]: this rule has several of the keys \"role\", \"name\", \"user\", \"thing\" or \"anonymous\", "
        "expected "
        "one: write a rule for each");
  CHECK(refused(R"({"anonymous":false,"publish":["a"]})") ==
        "f:5:14: access[0].anonymous: found false, expected true, or no such key");
}

TEST_CASE("a rule grants something, or says that it grants nothing", "[config][acl]") {
  CHECK(refused(R"({"role":"app"})") ==
        "f:5:1: access[0]: this rule grants nothing, expected \"publish\", \"subscribe\" or both");
  CHECK(accepted(R"({"anonymous":true,"listener":"local","publish":[]})").size() == 1);
}

TEST_CASE("a rule whose lists are empty is refused, but for anonymous clients, whom it bars", "[config][acl]") {
  constexpr std::string_view kSays = "f:5:1: access[0]: this rule grants nothing, since its lists are empty: ";
  CHECK(refused(R"({"user":"a","publish":[]})").starts_with(kSays));
  CHECK(refused(R"({"role":"app","publish":[],"subscribe":[]})").starts_with(kSays));
  CHECK(accepted(R"({"user":"a","publish":[],"subscribe":["b"]})").size() == 1);
  CHECK(accepted(R"({"anonymous":true,"publish":[],"subscribe":[]})").size() == 1);
}

TEST_CASE("a placeholder that is misspelt is refused with what it may be", "[config][acl]") {
  for (const std::string wrong : {"%N", "%name", "%client", "%{n}", "%1", "%n1"}) {
    CHECK(refused(R"({"user":"a","subscribe":["u/)" + wrong + R"("]})")
              .find("but \"" + wrong + "\" means nothing here") != std::string::npos);
  }
  for (const std::string fine : {"u/%n", "%c/x", "u/%n-%c/#", "humidity/%", "50%-mark/x"}) {
    CHECK(accepted(R"({"user":"a","subscribe":[")" + fine + R"("]})").size() == 1);
  }
}

TEST_CASE("what nodes and admins may do cannot be ruled", "[config][acl]") {
  CHECK(refused(R"({"role":"admin","publish":["a"]})") ==
        "f:5:9: access[0].role: nodes and admins may do everything without a rule: remove this one");
  CHECK(refused(R"({"role":"apps","publish":["a"]})") ==
        "f:5:9: access[0].role: found the text \"apps\", expected \"app\", \"monitor\", \"node\" or \"admin\"; did you "
        "mean \"app\"?");
}

TEST_CASE("a rule for a listener that is not there is refused with the one that was meant", "[config][acl]") {
  CHECK(refused(R"({"user":"a","listener":"lann","publish":["a"]})") ==
        "f:5:24: access[0].listener: there is no listener \"lann\"; did you mean \"lan\"?");
  CHECK(refused(R"({"user":"a","listener":"garden","publish":["a"]})") ==
        "f:5:24: access[0].listener: there is no listener \"garden\": give one of them this name, or remove this key");
}

TEST_CASE("a rule that fits nobody on its listener is refused", "[config][acl]") {
  CHECK(refused(R"({"user":"a","listener":"mesh","publish":["a"]})") ==
        "f:5:24: access[0].listener: the listener \"mesh\" has \"auth\": \"certificate\", so this rule, which needs "
        "\"password\", fits nobody there");
  CHECK(refused(R"({"anonymous":true,"listener":"lan","publish":["a"]})") ==
        "f:5:30: access[0].listener: the listener \"lan\" has \"auth\": \"password\", so this rule, which needs "
        "\"anonymous\", fits nobody there");
  CHECK(refused(R"({"name":"x","listener":"web","publish":["a"]})") ==
        "f:5:24: access[0].listener: the listener \"web\" has \"auth\": \"anonymous\", so this rule, which needs "
        "\"certificate\", fits nobody there");
}

TEST_CASE("granted filters follow the rules of MQTT", "[config][acl]") {
  CHECK(refused(R"({"user":"a","publish":["a#"]})") ==
        "f:5:24: access[0].publish[0]: found the text \"a#\", expected an MQTT topic filter, such as \"sensors/#\": + "
        "stands alone in its level, # alone in the last one");
  CHECK(refused(R"({"user":"a","subscribe":["%n#"]})").starts_with("f:5:26: access[0].subscribe[0]: found the text"));
  CHECK(refused(R"({"user":"a","subscribe":["$share/g/a"]})") ==
        "f:5:26: access[0].subscribe[0]: found \"$share/g/a\", but a rule covers shared subscriptions too: write the "
        "filter without $share/GROUP/");
  CHECK(
      refused(R"({"user":"a","subscribe":["u/%u"]})") ==
      "f:5:26: access[0].subscribe[0]: found \"u/%u\", but \"%u\" means nothing here: %n stands for the client's name, "
      "%c for its client identifier, and no letter or digit may follow them");
}

TEST_CASE("nobody is granted to publish what the node writes", "[config][acl]") {
  CHECK(refused(R"({"user":"a","publish":["hedgerow/x"]})") ==
        "f:5:24: access[0].publish[0]: found \"hedgerow/x\", but topics under hedgerow/ and $ are written by the node "
        "alone: remove it");
  CHECK(refused(R"({"user":"a","publish":["$SYS/#"]})").starts_with("f:5:24: access[0].publish[0]: found \"$SYS/#\","));
}

TEST_CASE("a name that nobody can have is refused", "[config][acl]") {
  CHECK(refused(R"({"user":"a b","publish":["a"]})") ==
        "f:5:9: access[0].user: found the text \"a b\", expected a name, or a pattern such as \"pump-*\" of at most 64 "
        "characters");
  CHECK(refused(R"({"name":"","publish":["a"]})").starts_with("f:5:9: access[0].name: found the text \"\","));
}

TEST_CASE("rules and their filters are bounded", "[config][acl][G6]") {
  std::string rules;
  for (int at = 0; at < 257; ++at) rules += R"({"user":"a","publish":[]},)";
  CHECK(refused(rules) == "f:4:10: access: found 257 members, expected at most 256");
  std::string filters;
  for (int at = 0; at < 65; ++at) filters += "\"a\",";
  CHECK(refused(R"({"user":"a","publish":[)" + filters + "]}") ==
        "f:5:23: access[0].publish: found 65 members, expected at most 64");
}

}  // namespace
}  // namespace hedgerow::config
