// Loopback ports that stay ours for as long as the test runs, also while nobody listens on them: a daemon that is
// restarted finds its port again.
//
// They lie below the range from which the kernel gives ports to outgoing connections; a lock file each keeps tests that
// run at the same time apart.
// Thread rule: safe from any thread.
#pragma once

#include <cstdint>

namespace hedgerow::test {

class PortLease {
 public:
  // Throws when none of several thousand ports is free.
  PortLease();
  PortLease(PortLease&& other) noexcept;
  PortLease& operator=(PortLease&& other) noexcept;
  ~PortLease();

  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  std::uint16_t port_ = 0;
  int lock_ = -1;
};

}  // namespace hedgerow::test
