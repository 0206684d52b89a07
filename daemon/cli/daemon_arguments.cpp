#include "daemon/cli/daemon_arguments.hpp"

#include <array>
#include <string>

#include "sync/base/utf8.hpp"

namespace hedgerow::cli {

namespace {

constexpr std::array kOptions = {Option{"--config", "FILE"},
                                 Option{"--listen", "ADDR:PORT"},
                                 Option{"--things-udp", "ADDR:PORT"},
                                 Option{"--data", "DIR"},
                                 Option{"--check", ""},
                                 Option{"--licenses", ""},
                                 Option{"--version", ""},
                                 Option{"--help", ""},
                                 Option{"-h", ""}};

constexpr std::string_view kHelp =
    R"(hedgerowd - MQTT for many boards: publish locally, every node sees it, now or when the link returns.

usage: hedgerowd [--config FILE] [--check]
       hedgerowd --listen ADDR:PORT --data DIR [--things-udp ADDR:PORT] [--check]
       hedgerowd --licenses | --version | --help

  --config FILE       the configuration (default /etc/hedgerow/hedgerow.json)
  --listen ADDR:PORT  run without a configuration: anonymous, this board only (127.0.0.1:1883; port 0: any free one)
  --things-udp ADDR:PORT  with --listen: microcontrollers of this board by MQTT-SN over UDP
  --data DIR          where the messages are kept, with --listen
  --check             read the configuration, show what it sets up or every mistake in it, and end
  --licenses          the licences of everything inside this program
  --version           the version of this program

Once it serves, it writes one line for each listener to standard error: listening NAME ADDR:PORT
Exit status: 0 done, 1 failed, 2 a mistake in the command line or in the configuration.
)";

tl::unexpected<Error> misuse(std::string what) { return fail(Category::kInvalidInput, std::move(what)); }

Expected<config::HostPort> parse_listen(std::string_view option, std::string_view text) {
  const Expected<config::HostPort> address = config::parse_host_port(text);
  const std::string given = std::string{option} + " " + std::string{text} + ": ";
  if (!address) return misuse(given + address.error().what + ", expected ADDR:PORT such as 127.0.0.1:1883");
  if (!config::is_loopback(*address)) {
    return misuse(given + "without a configuration nobody is authenticated, so only this board may connect: use " +
                  "127.0.0.1:PORT or [::1]:PORT, or write a configuration");
  }
  return address;
}

}  // namespace

Expected<DaemonArguments> parse_daemon_arguments(std::span<const std::string_view> arguments) {
  ArgumentReader reader{arguments, kOptions};
  DaemonArguments result;
  bool has_config = false;
  bool has_data = false;
  while (true) {
    const Expected<std::optional<Argument>> next = reader.next();
    if (!next) return tl::unexpected<Error>(next.error());
    if (!*next) break;
    const auto [option, value] = **next;
    if (option.empty()) return misuse("unexpected " + quote_text(value) + ": hedgerowd takes options only");
    if (option == "--config") {
      result.config_file = value;
      has_config = true;
    } else if (option == "--data") {
      result.data = value;
      has_data = true;
    } else if (option == "--listen" || option == "--things-udp") {
      const Expected<config::HostPort> address = parse_listen(option, value);
      if (!address) return tl::unexpected<Error>(address.error());
      (option == "--listen" ? result.listen : result.things_udp) = *address;
    } else {
      const DaemonAction action = option == "--check"      ? DaemonAction::kCheck
                                  : option == "--licenses" ? DaemonAction::kLicenses
                                  : option == "--version"  ? DaemonAction::kVersion
                                                           : DaemonAction::kHelp;
      if (result.action != DaemonAction::kRun) return misuse("give one of --check --licenses --version --help");
      result.action = action;
    }
  }
  if (has_config && result.listen) return misuse("--config and --listen exclude each other: give one of them");
  if (result.listen && !has_data) return misuse("--listen needs --data DIR, where the messages are kept");
  if (result.things_udp && !result.listen) {
    return misuse("--things-udp goes with --listen; in a configuration it is the key \"things\"");
  }
  if (has_data && !result.listen) return misuse("--data goes with --listen; in a configuration it is the key \"data\"");
  return result;
}

std::string_view daemon_help() { return kHelp; }

}  // namespace hedgerow::cli
