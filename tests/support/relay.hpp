// A TCP relay between two programs under test: it can be cut, resumed and stalled, it counts, and it looks for bytes
// that must not pass.
// Thread rule: one thread at a time; the relaying runs on a thread of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace hedgerow::test {

class Relay {
 public:
  // Listens on 127.0.0.1:`listen_port` (0: a free one) and connects each client to 127.0.0.1:`target_port`.
  explicit Relay(std::uint16_t target_port, std::uint16_t listen_port = 0);
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  ~Relay();

  [[nodiscard]] std::uint16_t port() const;
  // Ends all connections, and refuses new ones until resume().
  void cut();
  void resume();
  // Connections stay, nothing moves.
  void stall(bool stalled);

  // Remembers whether `marker` passes from now on, in either direction.
  void watch_for(std::string marker);
  [[nodiscard]] bool has_seen_marker() const;
  // Both directions together.
  [[nodiscard]] std::uint64_t bytes() const;
  // How many connections were accepted.
  [[nodiscard]] std::uint64_t connections() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hedgerow::test
