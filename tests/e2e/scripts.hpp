// Clients in other languages: scripts beside this file, each a program with scenarios.
// Thread rule: one thread at a time.
#pragma once

#include <string>
#include <vector>

#include "tests/support/process.hpp"

namespace hedgerow::test {

// node SCRIPT ARGUMENT..., with MQTT.js from HEDGEROW_NODE_MODULES (tests/run.sh sets it). Throws without it.
[[nodiscard]] Process start_node_script(const std::string& script, const std::vector<std::string>& arguments);
// Debian's python3 SCRIPT ARGUMENT..., which has Paho from the package python3-paho-mqtt.
[[nodiscard]] Process start_python_script(const std::string& script, const std::vector<std::string>& arguments);

// paho-c-scenarios ARGUMENT..., of this build.
[[nodiscard]] Process start_paho_c(const std::vector<std::string>& arguments);

// Waits for the end, and fails the test with what the script said unless it ended with 0.
void must_pass(Process& script, const std::string& daemon_log);

}  // namespace hedgerow::test
