#include "tests/e2e/scripts.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <utility>

#include "tests/support/daemon.hpp"

namespace hedgerow::test {
namespace {

Process start(const std::string& interpreter, const std::string& script, const std::vector<std::string>& arguments,
              std::map<std::string, std::string> environment) {
  std::vector<std::string> all = {interpreter, HEDGEROW_SOURCE_DIR "/tests/e2e/" + script};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return Process({.arguments = std::move(all), .environment = std::move(environment), .input = {}});
}

}  // namespace

Process start_node_script(const std::string& script, const std::vector<std::string>& arguments) {
  const char* modules = std::getenv("HEDGEROW_NODE_MODULES");
  if (modules == nullptr) {
    throw std::runtime_error(
        "HEDGEROW_NODE_MODULES names no directory: set it to what sh tests/e2e/install-clients.sh prints; tests/run.sh "
        "does that");
  }
  return start("node", script, arguments, {{"NODE_PATH", modules}});
}

Process start_python_script(const std::string& script, const std::vector<std::string>& arguments) {
  return start("/usr/bin/python3", script, arguments, {{"PYTHONDONTWRITEBYTECODE", "1"}, {"PYTHONUNBUFFERED", "1"}});
}

Process start_paho_c(const std::vector<std::string>& arguments) {
  return Process(
      {.arguments = Programs::native().command("paho-c-scenarios", arguments), .environment = {}, .input = {}});
}

void must_pass(Process& script, const std::string& daemon_log) {
  const auto status = script.wait();
  INFO(script.text(Output::kStandard) << script.text(Output::kError) << daemon_log);
  CHECK(status == ExitStatus{.code = 0, .signal = 0});
}

}  // namespace hedgerow::test
