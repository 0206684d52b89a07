#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "daemon/cli/command.hpp"

namespace hedgerow::cli {
namespace {

using Line = std::vector<std::string_view>;

Command accepted(const Line& line, std::optional<std::string_view> environment = std::nullopt) {
  const Expected<Command> command = parse_command(line, environment);
  INFO((command ? std::string{} : command.error().what));
  REQUIRE(command);
  return *command;
}

std::string refused(const Line& line) {
  const Expected<Command> command = parse_command(line, std::nullopt);
  return command ? "accepted" : command.error().what;
}

TEST_CASE("status takes --json", "[cli]") {
  CHECK(accepted({"status"}).verb == Verb::kStatus);
  CHECK_FALSE(accepted({"status"}).json);
  CHECK(accepted({"--json", "status"}).json);
}

TEST_CASE("mesh init takes the name of the mesh", "[cli]") {
  const Command command = accepted({"mesh", "init", "orchard"});
  CHECK(command.verb == Verb::kMeshInit);
  CHECK(command.name == "orchard");
}

TEST_CASE("node add puts the identity beside the authority unless told otherwise", "[cli]") {
  const Command command = accepted({"--data", "/srv/orchard", "node", "add", "gw-barn"});
  CHECK(command.verb == Verb::kNodeAdd);
  CHECK(command.name == "gw-barn");
  CHECK(command.out == "/srv/orchard/nodes/gw-barn");
  CHECK(accepted({"node", "add", "gw-barn", "--out", "x"}).out == "x");
}

TEST_CASE("the data directory comes from --data, the environment, or the default", "[cli]") {
  CHECK(accepted({"status", "--data", "a"}, "b").data == "a");
  CHECK(accepted({"status"}, "b").data == "b");
  CHECK(accepted({"status"}, "").data == "/var/lib/hedgerow");
  CHECK(accepted({"status"}).data == "/var/lib/hedgerow");
}

TEST_CASE("help and version need no verb", "[cli]") {
  CHECK(accepted({"--help"}).verb == Verb::kHelp);
  CHECK(accepted({"status", "-h"}).verb == Verb::kHelp);
  CHECK(accepted({"--version"}).verb == Verb::kVersion);
}

TEST_CASE("a misspelt verb is answered with the one that was meant", "[cli]") {
  CHECK(refused({"staus"}) == "unknown verb \"staus\"; did you mean status?");
  CHECK(refused({"mesh", "int", "x"}) == "unknown verb \"mesh int\"; did you mean mesh init?");
  CHECK(refused({"node"}) == "node needs another word: node add, node list or node remove");
  CHECK(refused({"frobnicate"}) == "unknown verb \"frobnicate\"; hedgerow --help lists them");
  CHECK(refused({"user"}) == "user needs another word: user add, user remove or user list");
  CHECK(refused({"user", "ad", "x"}) == "unknown verb \"user ad\"; did you mean user add?");
  CHECK(refused({"user", "frobnicate"}) ==
        "unknown verb \"user frobnicate\", expected user add, user remove or user list");
  CHECK(refused({}) == "a verb is missing, such as status; hedgerow --help lists them");
}

TEST_CASE("channel apply takes a file, and channel list nothing", "[cli]") {
  CHECK(accepted({"channel", "apply", "orchard.json"}).file == "orchard.json");
  CHECK(accepted({"channel", "apply", "orchard.json"}).verb == Verb::kChannelApply);
  CHECK(accepted({"channel", "list", "--json"}).verb == Verb::kChannelList);
  CHECK(refused({"channel", "apply"}) == "channel apply needs a file: hedgerow channel apply FILE");
}

TEST_CASE("node remove takes a name, and node list nothing", "[cli]") {
  CHECK(accepted({"node", "remove", "gw-shed"}).name == "gw-shed");
  CHECK(accepted({"node", "remove", "gw-shed"}).verb == Verb::kNodeRemove);
  CHECK(accepted({"node", "list", "--json"}).verb == Verb::kNodeList);
  CHECK(refused({"node", "remove"}) == "node remove needs a name: hedgerow node remove NAME");
  CHECK(refused({"node", "remove", "a/b"}) == "the name \"a/b\" has \"/\" at position 2: use only a-z 0-9 - _ .");
}

TEST_CASE("a verb of a later version is refused as such", "[cli]") {
  CHECK(refused({"doctor"}) == "the verb \"doctor\" is not in this version");
  CHECK(parse_command(Line{"invite"}, std::nullopt).error().category == Category::kNotInVersion);
}

TEST_CASE("operands are counted", "[cli]") {
  CHECK(refused({"mesh", "init"}) == "mesh init needs a name: hedgerow mesh init NAME");
  CHECK(refused({"node", "add", "a", "b"}) == "unexpected \"b\" after node add");
  CHECK(refused({"status", "now"}) == "unexpected \"now\" after status");
}

TEST_CASE("options go with their verb", "[cli]") {
  CHECK(refused({"mesh", "init", "a", "--json"}) ==
        "--json goes with status, get, set, watch, history, gaps, channel list, node list, user list, thing "
        "add or thing list");
  CHECK(refused({"get", "a", "--since", "24h"}) == "--since goes with history");
  CHECK(refused({"history", "a", "--count", "3"}) == "--count goes with watch");
  CHECK(refused({"watch", "a", "--limit", "3"}) == "--limit goes with history");
  CHECK(refused({"get", "a", "--delete"}) == "--delete goes with set");
  CHECK(refused({"status", "--out", "x"}) == "--out goes with node add");
  CHECK(refused({"user", "add", "a", "--role", "app"}) == "--role goes with node add");
  CHECK(refused({"user", "remove", "a", "--password-file", "f"}) == "--password-file goes with user add");
}

TEST_CASE("a thing is added by a name that can stand in a topic, and its key comes in one form", "[cli][things]") {
  CHECK(accepted({"thing", "add", "pump-1"}).verb == Verb::kThingAdd);
  CHECK(accepted({"thing", "add", "pump-1", "--hex"}).hex);
  CHECK(accepted({"thing", "revoke", "pump-1"}).name == "pump-1");
  CHECK(accepted({"thing", "list", "--json"}).json);
  CHECK(refused({"thing", "add", "Pump"}) == "the thing name has \"P\" at position 1: use only a-z 0-9 - _ .");
  CHECK(refused({"thing", "add", "a", "--hex", "--json"}) == "--hex and --json exclude each other");
  CHECK(refused({"thing", "revoke", "a", "--hex"}) == "--hex goes with thing add");
}

TEST_CASE("node add takes a role, node without one", "[cli]") {
  CHECK(accepted({"node", "add", "a"}).role == security::Role::kNode);
  CHECK(accepted({"node", "add", "a", "--role", "app"}).role == security::Role::kApp);
  CHECK(accepted({"node", "add", "a", "--role=admin"}).role == security::Role::kAdmin);
  CHECK(refused({"node", "add", "a", "--role", "monitr"}) ==
        "unknown role \"monitr\", expected node, app, monitor or admin; did you mean monitor?");
}

TEST_CASE("node add takes the addresses under which clients reach the board", "[cli]") {
  CHECK(accepted({"node", "add", "a"}).addresses.empty());
  const Command command =
      accepted({"node", "add", "a", "--address", "a.lan", "--address=192.168.1.20", "--address", "fd00::20"});
  REQUIRE(command.addresses.size() == 3);
  CHECK(command.addresses[0] == security::HostAddress{security::HostAddress::Kind::kName, "a.lan"});
  CHECK(command.addresses[1] == security::HostAddress{security::HostAddress::Kind::kIp, "\xC0\xA8\x01\x14"});
  CHECK(command.addresses[2].kind == security::HostAddress::Kind::kIp);
  CHECK(refused({"mesh", "init", "a", "--address", "b"}) == "--address goes with node add");
}

TEST_CASE("an address that is none is named with the remedy", "[cli]") {
  CHECK(refused({"node", "add", "a", "--address", "gw:8443"}) ==
        "--address \"gw:8443\" is neither a host name nor an IP address: give it alone, without scheme, port or "
        "brackets, such as gw-barn.lan, 192.168.1.20 or fd00::20");
  CHECK(refused({"node", "add", "a", "--address", "0.0.0.0"}) ==
        "--address \"0.0.0.0\" stands for every address of a board: give the ones that clients dial");
  CHECK(refused({"node", "add", "a", "--address"}) == "--address needs a value: --address HOST");
}

TEST_CASE("a program, which nobody dials, has no address", "[cli]") {
  CHECK(refused({"node", "add", "a", "--role", "monitor", "--address", "a.lan"}) ==
        "--address goes with role node: nobody dials a program");
}

TEST_CASE("a board has at most 16 addresses beside its name", "[cli]") {
  Line line = {"node", "add", "a"};
  for (int count = 0; count < 16; ++count) line.insert(line.end(), {"--address", "b.lan"});
  CHECK(accepted(line).addresses.size() == 16);
  line.insert(line.end(), {"--address", "c.lan"});
  CHECK(refused(line) == "--address \"c.lan\" is one too many: give at most 16");
}

TEST_CASE("only what may repeat may stand twice", "[cli]") {
  CHECK(refused({"node", "add", "a", "--role", "app", "--role", "app"}) == "--role stands twice: give it once");
}

TEST_CASE("users are added, removed and listed", "[cli]") {
  const Command add = accepted({"user", "add", "Alice", "--password-file", "secret.txt"});
  CHECK(add.verb == Verb::kUserAdd);
  CHECK(add.name == "Alice");
  CHECK(add.password_file == "secret.txt");
  CHECK(accepted({"user", "add", "a"}).password_file.empty());
  CHECK(accepted({"user", "remove", "a"}).verb == Verb::kUserRemove);
  CHECK(accepted({"user", "list", "--json"}).verb == Verb::kUserList);
  CHECK(accepted({"user", "list", "--json"}).json);
}

TEST_CASE("a user's name is judged as such", "[cli]") {
  CHECK(refused({"user", "add", "a:b"}) ==
        "the user name has a character at position 2 that is not allowed: use A-Z a-z 0-9 - _ . @, first a letter or "
        "digit");
}

TEST_CASE("get, watch and history take a topic or a filter", "[cli]") {
  CHECK(accepted({"get", "a/b"}).topic == "a/b");
  CHECK(accepted({"watch", "a/+"}).verb == Verb::kWatch);
  CHECK(accepted({"watch", "#", "--count", "3", "--json"}).most == 3);
  const Command history = accepted({"history", "a", "--since", "24h", "--limit=10"});
  CHECK(history.verb == Verb::kHistory);
  CHECK(history.since == "24h");
  CHECK(history.most == 10);
  CHECK(refused({"get"}) == "get needs a topic: hedgerow get TOPIC|FILTER");
  CHECK(refused({"get", "a", "b"}) == "unexpected \"b\" after get");
  CHECK(refused({"get", ""}) == "a topic is not empty");
  CHECK(refused({"get", "a#"}) ==
        "\"a#\" is no topic and no filter: + stands alone in its level, # alone in the last one, as in "
        "sensors/+/state or sensors/#");
  CHECK(refused({"history", "a", "--since", "soon"}) ==
        "\"soon\" is neither a duration nor a time: give a duration such as 90s, 15m, 24h or 7d, or a time such as "
        "2026-11-22T03:00:00Z");
}

TEST_CASE("numbers of messages are bounded", "[cli][G6]") {
  for (const std::string_view count : {"0", "-1", "1x", "100001", "99999999999999999999"}) {
    CHECK(refused({"watch", "a", "--count", count}) ==
          "--count \"" + std::string(count) + "\" is no whole number from 1 to 100000");
  }
}

TEST_CASE("gaps takes a topic, or nothing for everything", "[cli]") {
  CHECK(accepted({"gaps"}).topic.empty());
  CHECK(accepted({"gaps", "a/#"}).topic == "a/#");
  CHECK(refused({"gaps", "a", "b"}) == "unexpected \"b\" after gaps");
}

TEST_CASE("set takes its value from the line, or from standard input", "[cli]") {
  const Command set = accepted({"set", "a", "42"});
  CHECK(set.topic == "a");
  CHECK(set.value == "42");
  CHECK(set.retain);
  CHECK_FALSE(accepted({"set", "a", "-"}).value);
  CHECK_FALSE(accepted({"set", "a"}).value);
  CHECK(accepted({"set", "a", "-18.5"}).value == "-18.5");
  CHECK(accepted({"set", "a", "--", "--x"}).value == "--x");
  CHECK_FALSE(accepted({"set", "a", "on", "--no-retain"}).retain);
  CHECK(accepted({"set", "a", "", "--no-retain"}).value == "");
  CHECK(refused({"set", "a/+", "1"}) ==
        "\"a/+\" is no topic to publish to: + and # and control characters are not allowed");
}

TEST_CASE("nothing is deleted by accident", "[cli]") {
  CHECK(accepted({"set", "a", "--delete"}).deletes);
  CHECK(refused({"set", "a", ""}) == "an empty retained message deletes the one that is there: say set --delete");
  CHECK(refused({"set", "a", "1", "--delete"}) == "set --delete takes no value: it deletes the retained message");
  CHECK(refused({"set", "a", "--delete", "--no-retain"}) == "--delete and --no-retain exclude each other");
}

TEST_CASE("reload takes nothing", "[cli]") {
  CHECK(accepted({"reload"}).verb == Verb::kReload);
  CHECK(refused({"reload", "now"}) == "unexpected \"now\" after reload");
}

TEST_CASE("a name that cannot stand in a certificate is refused before anything is written", "[cli]") {
  CHECK(refused({"mesh", "init", "Orchard"}) == "the name \"Orchard\" has \"O\" at position 1: use only a-z 0-9 - _ .");
  CHECK(refused({"node", "add", "../x"}) == "the name \"../x\" has \"/\" at position 3: use only a-z 0-9 - _ .");
}

}  // namespace
}  // namespace hedgerow::cli
