#include "security/paho_tls/flusher.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <gsl/gsl>
#include <thread>
#include <utility>
#include <vector>

#include "security/paho_tls/session.hpp"

namespace hedgerow::security {

Flusher& Flusher::get() {
  static auto* const instance = new Flusher;
  return *instance;
}

Flusher::Flusher() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  Expects(wake_ >= 0);
  std::thread([this] { run(); }).detach();
}

void Flusher::watch(int socket, std::shared_ptr<PahoSession> session) {
  {
    const std::lock_guard lock(mutex_);
    const auto [watched, is_new] = watched_.try_emplace(socket, std::move(session));
    watched->second.asked_again = true;
    if (!is_new) return;
  }
  const std::uint64_t one = 1;
  // A full counter wakes as well.
  static_cast<void>(::write(wake_, &one, sizeof one) == sizeof one);
}

void Flusher::forget(int socket) {
  const std::lock_guard lock(mutex_);
  watched_.erase(socket);
}

void Flusher::run() {
  std::vector<pollfd> polled;
  for (;;) {
    polled.assign(1, {.fd = wake_, .events = POLLIN, .revents = 0});
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [socket, watched] : watched_) polled.push_back({.fd = socket, .events = POLLOUT, .revents = 0});
    }
    if (::poll(polled.data(), polled.size(), -1) < 0) continue;
    std::uint64_t count = 0;
    if (polled.front().revents != 0) static_cast<void>(::read(wake_, &count, sizeof count) == sizeof count);
    for (const pollfd& entry : polled) {
      if (entry.fd == wake_ || entry.revents == 0) continue;
      std::shared_ptr<PahoSession> session;
      {
        const std::lock_guard lock(mutex_);
        const auto found = watched_.find(entry.fd);
        if (found == watched_.end()) continue;
        session = found->second.session;
        found->second.asked_again = false;
      }
      // Without our lock: a session that writes holds its own when it asks to be watched.
      // One that was closed meanwhile touches its socket no more.
      if (session->flush_waiting()) continue;
      const std::lock_guard lock(mutex_);
      const auto found = watched_.find(entry.fd);
      if (found == watched_.end() || found->second.session != session) continue;
      if (!found->second.asked_again) watched_.erase(found);
    }
  }
}

}  // namespace hedgerow::security
