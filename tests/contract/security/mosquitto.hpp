// A real broker with mutual TLS by OpenSSL, as a child process.
// Thread rule: one thread. Ownership: the process ends with the object.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

namespace hedgerow::test {

// A port of 127.0.0.1 that was free a moment ago.
[[nodiscard]] int free_port();

class Mosquitto {
 public:
  // `identity` holds node.crt, node.key, authority.crt; `scratch` takes the configuration and the log.
  Mosquitto(int port, const std::filesystem::path& identity, const std::filesystem::path& scratch);
  ~Mosquitto();
  Mosquitto(const Mosquitto&) = delete;
  Mosquitto& operator=(const Mosquitto&) = delete;

  // SIGKILL; returns when the process is gone.
  void kill();

 private:
  void wait_until_it_serves(int port) const;
  pid_t child_ = -1;
};

}  // namespace hedgerow::test
