#include <catch2/catch_test_macros.hpp>

#include "security/acl/access_rules.hpp"

namespace hedgerow::security {
namespace {

using Kind = Principal::Kind;

constexpr bool kLoopback = true;

Principal anonymous(bool loopback = false) { return {.listener = "lan", .client_id = "c1", .loopback = loopback}; }
Principal user(std::string name, bool loopback = false) {
  return {.kind = Kind::kUser, .name = std::move(name), .listener = "lan", .client_id = "c1", .loopback = loopback};
}
Principal certificate(Role role, std::string name = "pump-1", bool loopback = false) {
  return {.kind = Kind::kCertificate,
          .name = std::move(name),
          .role = role,
          .listener = "lan",
          .client_id = "c1",
          .loopback = loopback};
}

// One rule that lets the subject do everything that a single filter says, in both directions.
AccessRules granting(AccessRule subject, const std::string& filter) {
  subject.publish = {filter};
  subject.subscribe = {filter};
  return AccessRules{{std::move(subject)}};
}

TEST_CASE("without rules, whoever comes by loopback may do everything", "[acl]") {
  const AccessRules rules;
  for (const Principal& who : {anonymous(kLoopback), user("a", kLoopback), certificate(Role::kApp, "a", kLoopback)}) {
    CHECK(rules.may_publish(who, "a/b"));
    CHECK(rules.may_subscribe(who, "#"));
    CHECK(rules.may_subscribe(who, "$SYS/#"));
  }
}

TEST_CASE("without rules, strangers, users and apps from elsewhere may do nothing", "[acl]") {
  const AccessRules rules;
  for (const Principal& who : {anonymous(), user("a"), certificate(Role::kApp)}) {
    CHECK_FALSE(rules.may_publish(who, "a"));
    CHECK_FALSE(rules.may_subscribe(who, "a"));
  }
}

TEST_CASE("nodes and admins may do everything, with and without rules", "[acl]") {
  for (const AccessRules& rules : {AccessRules{}, granting({.role = Role::kApp}, "x")}) {
    for (const Role role : {Role::kNode, Role::kAdmin}) {
      CHECK(rules.may_publish(certificate(role), "a/b"));
      CHECK(rules.may_subscribe(certificate(role), "#"));
    }
  }
}

TEST_CASE("without rules, monitors may read everything and write nothing", "[acl]") {
  const AccessRules rules;
  CHECK(rules.may_subscribe(certificate(Role::kMonitor), "#"));
  CHECK_FALSE(rules.may_publish(certificate(Role::kMonitor), "a"));
}

TEST_CASE("with rules, monitors may do what the rules say", "[acl]") {
  const AccessRules rules = granting({.role = Role::kMonitor}, "status/#");
  CHECK(rules.may_subscribe(certificate(Role::kMonitor), "status/+"));
  CHECK_FALSE(rules.may_subscribe(certificate(Role::kMonitor), "a"));
}

TEST_CASE("a user of the name of a node is no node", "[acl]") {
  Principal who = user("gw-barn");
  who.role = Role::kAdmin;  // would be a fault of the caller; a user has none
  CHECK_FALSE(AccessRules{}.may_publish(who, "a"));
}

TEST_CASE("strangers on loopback keep everything until a rule speaks of them there", "[acl]") {
  CHECK(granting({.role = Role::kApp}, "x").may_publish(anonymous(kLoopback), "a"));
  CHECK(granting({.anonymous = true, .listener = "other"}, "x").may_publish(anonymous(kLoopback), "a"));
  for (const AccessRules& rules :
       {granting({.anonymous = true}, "x"), granting({.anonymous = true, .listener = "lan"}, "x")}) {
    CHECK_FALSE(rules.may_publish(anonymous(kLoopback), "a"));
    CHECK(rules.may_publish(anonymous(kLoopback), "x"));
  }
}

TEST_CASE("with rules, users and certificates on loopback may do what the rules say", "[acl]") {
  const AccessRules rules = granting({.user = "alice"}, "x");
  CHECK(rules.may_publish(user("alice", kLoopback), "x"));
  CHECK_FALSE(rules.may_publish(user("alice", kLoopback), "y"));
  CHECK_FALSE(rules.may_publish(user("bob", kLoopback), "x"));
  CHECK_FALSE(rules.may_publish(certificate(Role::kApp, "alice", kLoopback), "x"));
}

TEST_CASE("a rule fits the kind of client that it speaks of", "[acl]") {
  CHECK_FALSE(granting({.name = "*"}, "#").may_publish(user("a"), "a"));
  CHECK_FALSE(granting({.user = "*"}, "#").may_publish(certificate(Role::kApp), "a"));
  CHECK_FALSE(granting({.anonymous = true}, "#").may_publish(user("a"), "a"));
  CHECK_FALSE(granting({.role = Role::kApp}, "#").may_publish(certificate(Role::kMonitor), "a"));
  CHECK(granting({.role = Role::kApp}, "#").may_publish(certificate(Role::kApp), "a"));
  CHECK(granting({.name = "pump-*"}, "#").may_publish(certificate(Role::kApp, "pump-7"), "a"));
  CHECK_FALSE(granting({.name = "pump-*"}, "#").may_publish(certificate(Role::kApp, "fan-7"), "a"));
}

TEST_CASE("a rule for a listener holds there only", "[acl]") {
  CHECK(granting({.user = "a", .listener = "lan"}, "#").may_publish(user("a"), "x"));
  CHECK_FALSE(granting({.user = "a", .listener = "web"}, "#").may_publish(user("a"), "x"));
}

TEST_CASE("what several rules grant adds up, each filter for itself", "[acl]") {
  const AccessRules rules{{{.user = "*", .subscribe = {"a/b"}}, {.user = "alice", .subscribe = {"a/c", "d/#"}}}};
  CHECK(rules.may_subscribe(user("alice"), "a/b"));
  CHECK(rules.may_subscribe(user("alice"), "a/c"));
  CHECK(rules.may_subscribe(user("alice"), "d/e/f"));
  CHECK_FALSE(rules.may_subscribe(user("alice"), "a/+"));
  CHECK_FALSE(rules.may_subscribe(user("bob"), "a/c"));
}

TEST_CASE("to publish and to subscribe are two grants", "[acl]") {
  const AccessRules rules{{{.user = "a", .publish = {"in/#"}, .subscribe = {"out/#"}}}};
  CHECK(rules.may_publish(user("a"), "in/x"));
  CHECK_FALSE(rules.may_subscribe(user("a"), "in/x"));
  CHECK(rules.may_subscribe(user("a"), "out/+"));
  CHECK_FALSE(rules.may_publish(user("a"), "out/x"));
}

TEST_CASE("the placeholder %n is the client's name, %c its identifier", "[acl]") {
  const AccessRules rules = granting({.user = "*"}, "u/%n/%c/#");
  CHECK(rules.may_publish(user("alice"), "u/alice/c1/x"));
  CHECK_FALSE(rules.may_publish(user("alice"), "u/bob/c1/x"));
  CHECK_FALSE(rules.may_publish(user("alice"), "u/alice/c2/x"));
  CHECK(rules.may_subscribe(user("alice"), "u/alice/c1/#"));
  CHECK_FALSE(rules.may_subscribe(user("alice"), "u/+/c1/#"));
  const AccessRules within = granting({.user = "*"}, "dev-%n-%c.x");
  CHECK(within.may_publish(user("a"), "dev-a-c1.x"));
  CHECK_FALSE(within.may_publish(user("a"), "dev-a-c1"));
  CHECK_FALSE(within.may_publish(user("a"), "dev-a-c1.xy"));
}

TEST_CASE("a client cannot name itself into more than was meant", "[acl]") {
  const AccessRules rules = granting({.user = "*"}, "%c/x");
  for (const char* const id : {"+", "#", "a/b", "a+", "#a", "/", "", "$SYS"}) {
    Principal who = user("alice");
    who.client_id = id;
    CHECK_FALSE(rules.may_subscribe(who, std::string{id} + "/x"));
    CHECK_FALSE(rules.may_subscribe(who, "a/x"));
    CHECK_FALSE(rules.may_publish(who, std::string{id} + "/x"));
  }
}

TEST_CASE("a stranger has no name to stand for", "[acl]") {
  const AccessRules rules = granting({.anonymous = true}, "u/%n");
  CHECK_FALSE(rules.may_publish(anonymous(), "u/"));
  CHECK_FALSE(rules.may_publish(anonymous(), "u/%n"));
}

TEST_CASE("other percent signs are ordinary characters", "[acl]") {
  CHECK(granting({.user = "*"}, "load/100%").may_publish(user("a"), "load/100%"));
  CHECK(granting({.user = "*"}, "%x/%").may_publish(user("a"), "%x/%"));
}

TEST_CASE("a filter covers those whose every topic it matches", "[acl]") {
  CHECK(covers("a/#", "a/+/b"));
  CHECK(covers("a/#", "a"));
  CHECK(covers("a/#", "a/#"));
  CHECK(covers("a/+", "a/b"));
  CHECK(covers("+/+", "a/+"));
  CHECK(covers("#", "+/#"));
  CHECK(covers("+/#", "#"));
  CHECK(covers("/+/#", "/#"));
  CHECK(covers("/+", "/a"));
  CHECK_FALSE(covers("a/+", "a/#"));
  CHECK_FALSE(covers("a/+", "a"));
  CHECK_FALSE(covers("a/+/#", "a/#"));
  CHECK_FALSE(covers("a/b", "a/+"));
  CHECK_FALSE(covers("a", "a/b"));
  CHECK_FALSE(covers("+", "/a"));
}

TEST_CASE("wildcards in the first level do not cover topics that begin with a dollar", "[acl]") {
  CHECK_FALSE(covers("#", "$SYS/#"));
  CHECK_FALSE(covers("+/#", "$SYS/broker"));
  CHECK(covers("$SYS/#", "$SYS/broker/+"));
  CHECK(covers("a/#", "a/$SYS"));
}

TEST_CASE("in a pattern * stands for any characters", "[acl]") {
  CHECK(matches_pattern("*", ""));
  CHECK(matches_pattern("pump-*", "pump-"));
  CHECK(matches_pattern("*-north", "pump-north"));
  CHECK(matches_pattern("a*b*c", "aXbbYc"));
  CHECK(matches_pattern("a**", "a"));
  CHECK_FALSE(matches_pattern("", "a"));
  CHECK_FALSE(matches_pattern("pump-*", "pump"));
  CHECK_FALSE(matches_pattern("a*b", "abc"));
}

TEST_CASE("a rule for things fits those that have proved their key, by name", "[acl][things]") {
  const AccessRules rules = granting({.thing = "pump-*"}, "pump/%n/#");
  const Principal pump{.kind = Kind::kThing, .name = "pump-1", .listener = "things", .client_id = "c1"};
  Principal door = pump;
  door.name = "door-1";
  CHECK(rules.may_publish(pump, "pump/pump-1/state"));
  CHECK_FALSE(rules.may_publish(pump, "pump/pump-2/state"));
  CHECK_FALSE(rules.may_publish(door, "pump/door-1/state"));
  CHECK_FALSE(rules.may_publish(user("pump-1"), "pump/pump-1/state"));
  CHECK_FALSE(rules.may_publish(certificate(Role::kApp, "pump-1"), "pump/pump-1/state"));
}

}  // namespace
}  // namespace hedgerow::security
