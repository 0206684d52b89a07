// hedgerowd: see --help, and daemon/README.md for how it is built.
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>

#include "daemon/app/daemon.hpp"
#include "daemon/app/log.hpp"
#include "daemon/cli/daemon_arguments.hpp"
#include "daemon/config/load.hpp"
#include "licenses.hpp"

namespace hedgerow::app {

namespace {

void print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

Expected<config::Config> configuration(const cli::DaemonArguments& arguments) {
  if (!arguments.listen) return config::load(arguments.config_file);
  auto config = config::listen_only(*arguments.listen, arguments.data);
  if (config) config->things.udp = arguments.things_udp;
  return config;
}

int run(int argc, const char* const* argv) {
  const auto words = cli::arguments_of(argc, argv);
  const auto arguments = cli::parse_daemon_arguments(words);
  if (!arguments) {
    log_line("hedgerowd: " + arguments.error().what);
    return cli::kExitUsage;
  }
  switch (arguments->action) {
    case cli::DaemonAction::kHelp: print(cli::daemon_help()); return cli::kExitDone;
    case cli::DaemonAction::kVersion: print("hedgerowd " + std::string(version()) + "\n"); return cli::kExitDone;
    case cli::DaemonAction::kLicenses: print(licenses()); return cli::kExitDone;
    case cli::DaemonAction::kCheck:
    case cli::DaemonAction::kRun: break;
  }
  auto config = configuration(*arguments);
  if (!config) {
    log_line(config.error().what);
    return cli::kExitUsage;
  }
  if (arguments->action == cli::DaemonAction::kCheck) {
    print(config::describe(*config));
    return cli::kExitDone;
  }
  auto daemon = Daemon::create(std::move(*config), [&arguments] { return configuration(*arguments); });
  if (!daemon) {
    log_line("hedgerowd: " + daemon.error().what);
    return daemon.error().category == Category::kInvalidInput ? cli::kExitUsage : cli::kExitFailed;
  }
  if (const auto ended = (*daemon)->run(); !ended) {
    log_line("hedgerowd: " + ended.error().what);
    return cli::kExitFailed;
  }
  return cli::kExitDone;
}

}  // namespace

}  // namespace hedgerow::app

int main(int argc, char** argv) {
  try {
    return hedgerow::app::run(argc, argv);
  } catch (const std::exception& error) {
    // Nothing is expected to come here; what does is a fault of ours, or memory has run out.
    hedgerow::app::log_line(std::string("hedgerowd: ended by an unexpected fault: ") + error.what());
    return 1;
  }
}
