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
  CHECK(refused({"node"}) == "unknown verb \"node\"; did you mean node add?");
  CHECK(refused({"frobnicate"}) == "unknown verb \"frobnicate\"; hedgerow --help lists them");
  CHECK(refused({"user"}) == "user needs another word: user add, user remove or user list");
  CHECK(refused({"user", "ad", "x"}) == "unknown verb \"user ad\"; did you mean user add?");
  CHECK(refused({"user", "frobnicate"}) ==
        "unknown verb \"user frobnicate\", expected user add, user remove or user list");
  CHECK(refused({}) == "a verb is missing, such as status; hedgerow --help lists them");
}

TEST_CASE("a verb of a later version is refused as such", "[cli]") {
  CHECK(refused({"watch", "#"}) == "the verb \"watch\" is not in this version");
  CHECK(parse_command(Line{"invite"}, std::nullopt).error().category == Category::kNotInVersion);
}

TEST_CASE("operands are counted", "[cli]") {
  CHECK(refused({"mesh", "init"}) == "mesh init needs a name: hedgerow mesh init NAME");
  CHECK(refused({"node", "add", "a", "b"}) == "unexpected \"b\" after node add");
  CHECK(refused({"status", "now"}) == "unexpected \"now\" after status");
}

TEST_CASE("options go with their verb", "[cli]") {
  CHECK(refused({"mesh", "init", "a", "--json"}) == "--json goes with status or user list");
  CHECK(refused({"status", "--out", "x"}) == "--out goes with node add");
  CHECK(refused({"user", "add", "a", "--role", "app"}) == "--role goes with node add");
  CHECK(refused({"user", "remove", "a", "--password-file", "f"}) == "--password-file goes with user add");
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
