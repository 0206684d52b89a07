// Mosquitto's command line clients, as the end-to-end tests use them.
// Thread rule: one thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/process.hpp"

namespace hedgerow::test {

// Publishes, and fails the test unless mosquitto_pub exits with 0: at QoS 1 that is after the acknowledgement.
void mosquitto_pub(std::uint16_t port, const std::string& topic, const std::string& payload,
                   const std::vector<std::string>& options = {});

// mosquitto_sub with a granted subscription. A line of its output is "message QOS RETAIN TOPIC PAYLOAD".
class MosquittoSub {
 public:
  MosquittoSub(std::uint16_t port, const std::vector<std::string>& filters,
               const std::vector<std::string>& options = {});

  // The next message as that line without "message "; empty when none comes.
  std::string next(std::chrono::milliseconds patience = kPatience);
  [[nodiscard]] Process& process() { return process_; }

 private:
  Process process_;
};

// Makes a persistent session with that subscription, and leaves.
void make_session(std::uint16_t port, const std::string& client_id, const std::string& filter,
                  const std::vector<std::string>& options = {});

}  // namespace hedgerow::test
