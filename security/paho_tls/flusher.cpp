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
    if (!sessions_.emplace(socket, std::move(session)).second) return;
  }
  const std::uint64_t one = 1;
  // A full counter wakes as well.
  static_cast<void>(::write(wake_, &one, sizeof one) == sizeof one);
}

void Flusher::forget(int socket) {
  const std::lock_guard lock(mutex_);
  sessions_.erase(socket);
}

void Flusher::run() {
  std::vector<pollfd> polled;
  for (;;) {
    polled.assign(1, {.fd = wake_, .events = POLLIN, .revents = 0});
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [socket, session] : sessions_) polled.push_back({.fd = socket, .events = POLLOUT, .revents = 0});
    }
    if (::poll(polled.data(), polled.size(), -1) < 0) continue;
    std::uint64_t count = 0;
    if (polled.front().revents != 0) static_cast<void>(::read(wake_, &count, sizeof count) == sizeof count);
    for (const pollfd& entry : polled) {
      if (entry.fd == wake_ || entry.revents == 0) continue;
      std::shared_ptr<PahoSession> session;
      {
        const std::lock_guard lock(mutex_);
        const auto found = sessions_.find(entry.fd);
        if (found == sessions_.end()) continue;
        session = found->second;
      }
      // A session that was closed meanwhile touches its socket no more.
      if (session->flush_waiting()) continue;
      const std::lock_guard lock(mutex_);
      const auto found = sessions_.find(entry.fd);
      if (found != sessions_.end() && found->second == session && !session->is_writing()) sessions_.erase(found);
    }
  }
}

}  // namespace hedgerow::security
