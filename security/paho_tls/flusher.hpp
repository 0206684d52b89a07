// Flusher: sends what a session could not send at once, as soon as its socket takes it.
//
// Paho would do that itself, but only once per turn of its receive loop, which may be a second away, and with locks
// that all links share. So a session takes all that Paho writes, and this one thread of ours sends the rest. Thread
// rule: safe from any thread. One for the process, started with the first use and never destroyed.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace hedgerow::security {

class PahoSession;

class Flusher {
 public:
  static Flusher& get();

  // Calls session->flush_waiting() whenever the socket is writable, until that says that nothing waits.
  void watch(int socket, std::shared_ptr<PahoSession> session);
  // Before the socket is closed.
  void forget(int socket);

 private:
  struct Watched {
    explicit Watched(std::shared_ptr<PahoSession> who) : session(std::move(who)) {}
    std::shared_ptr<PahoSession> session;
    bool asked_again = false;  // since its last flush_waiting() began
  };

  Flusher();
  void run();

  const int wake_;  // an eventfd
  std::mutex mutex_;
  std::map<int, Watched> watched_;
};

}  // namespace hedgerow::security
