#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "daemon/cli/daemon_arguments.hpp"

namespace hedgerow::cli {
namespace {

using Line = std::vector<std::string_view>;

DaemonArguments accepted(const Line& line) {
  const Expected<DaemonArguments> arguments = parse_daemon_arguments(line);
  INFO((arguments ? std::string{} : arguments.error().what));
  REQUIRE(arguments);
  return *arguments;
}

std::string refused(const Line& line) {
  const Expected<DaemonArguments> arguments = parse_daemon_arguments(line);
  return arguments ? "accepted" : arguments.error().what;
}

TEST_CASE("without arguments the daemon runs with the default file", "[cli]") {
  const DaemonArguments arguments = accepted({});
  CHECK(arguments.action == DaemonAction::kRun);
  CHECK(arguments.config_file == "/etc/hedgerow/hedgerow.json");
  CHECK_FALSE(arguments.listen);
}

TEST_CASE("a file is named as two words or as one", "[cli]") {
  CHECK(accepted({"--config", "a.json"}).config_file == "a.json");
  CHECK(accepted({"--config=a.json"}).config_file == "a.json");
  CHECK(accepted({"--config=a=b"}).config_file == "a=b");
  CHECK(accepted({"--config", "-"}).config_file == "-");
}

TEST_CASE("a loopback address and a directory do without a file", "[cli]") {
  const DaemonArguments arguments = accepted({"--listen", "127.0.0.1:0", "--data", "/tmp/data"});
  CHECK(arguments.listen == config::HostPort{"127.0.0.1", 0});
  CHECK(arguments.data == "/tmp/data");
  CHECK(accepted({"--data=d", "--listen=[::1]:1883"}).listen == config::HostPort{"::1", 1883});
}

TEST_CASE("the option --check goes with either way", "[cli]") {
  CHECK(accepted({"--check", "--config", "a.json"}).action == DaemonAction::kCheck);
  CHECK(accepted({"--listen", "127.0.0.1:0", "--data", "d", "--check"}).action == DaemonAction::kCheck);
}

TEST_CASE("what only shows something is an action of its own", "[cli]") {
  CHECK(accepted({"--licenses"}).action == DaemonAction::kLicenses);
  CHECK(accepted({"--version"}).action == DaemonAction::kVersion);
  CHECK(accepted({"--help"}).action == DaemonAction::kHelp);
  CHECK(accepted({"-h"}).action == DaemonAction::kHelp);
  CHECK(refused({"--check", "--version"}) == "give one of --check --licenses --version --help");
}

TEST_CASE("mistakes of usage are explained", "[cli]") {
  CHECK(refused({"--confg", "x"}) == "unknown option \"--confg\"; did you mean --config?");
  CHECK(refused({"--verbose"}) == "unknown option \"--verbose\"");
  CHECK(refused({"-x"}) == "unknown option \"-x\"");
  CHECK(refused({"--config"}) == "--config needs a value: --config FILE");
  CHECK(refused({"--config="}) == "--config needs a value: --config FILE");
  CHECK(refused({"--config", "--check"}) == "--config needs a value: --config FILE");
  CHECK(refused({"--config", "a", "--config", "b"}) == "--config stands twice: give it once");
  CHECK(refused({"--check=yes"}) == "--check takes no value");
  CHECK(refused({"a.json"}) == "unexpected \"a.json\": hedgerowd takes options only");
  CHECK(refused({"--", "--check"}) == "unexpected \"--check\": hedgerowd takes options only");
}

TEST_CASE("the two ways to configure exclude each other", "[cli]") {
  CHECK(refused({"--config", "a", "--listen", "127.0.0.1:0", "--data", "d"}) ==
        "--config and --listen exclude each other: give one of them");
  CHECK(refused({"--listen", "127.0.0.1:0"}) == "--listen needs --data DIR, where the messages are kept");
  CHECK(refused({"--data", "d"}) == "--data goes with --listen; in a configuration it is the key \"data\"");
}

TEST_CASE("without a file only loopback is served", "[cli][G7]") {
  CHECK(refused({"--listen", "0.0.0.0:1883", "--data", "d"}) ==
        "--listen 0.0.0.0:1883: without a configuration nobody is authenticated, so only this board may connect: use "
        "127.0.0.1:PORT or [::1]:PORT, or write a configuration");
  CHECK(refused({"--listen", "localhost:1883", "--data", "d"}).find("use 127.0.0.1:PORT") != std::string::npos);
  CHECK(refused({"--listen", "1883", "--data", "d"}) ==
        "--listen 1883: the port is missing, expected ADDR:PORT such as 127.0.0.1:1883");
}

TEST_CASE("the program's name is no argument", "[cli]") {
  const char* const argv[] = {"hedgerowd", "--check"};
  CHECK(arguments_of(2, argv) == Line{"--check"});
  CHECK(arguments_of(0, argv).empty());
}

TEST_CASE("the help names every option", "[cli]") {
  for (const std::string_view option : {"--config", "--listen", "--data", "--check", "--licenses", "--version"}) {
    CHECK(daemon_help().find(option) != std::string_view::npos);
  }
}

}  // namespace
}  // namespace hedgerow::cli
