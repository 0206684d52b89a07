// One dial: a Paho client that connects once, subscribes, carries messages, and ends. The dialler makes a new one for
// each attempt, so that nothing of an old link can leak into the next.
//
// Thread rule: made, used and destroyed by one thread (the dialler's worker); ConnectionEvents arrive on Paho's
// threads, none after the destructor has returned. Third-party exceptions end in the .cpp.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "daemon/link_paho/dialler.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::link_paho {

// Called on Paho's threads while Paho holds its locks: implementations hand over and return.
class ConnectionEvents {
 public:
  ConnectionEvents() = default;
  ConnectionEvents(const ConnectionEvents&) = delete;
  ConnectionEvents& operator=(const ConnectionEvents&) = delete;
  virtual ~ConnectionEvents() = default;

  // Connected and subscribed. Comes before every on_message().
  virtual void on_subscribed(const security::PeerIdentity& peer) = 0;
  virtual void on_arrived(std::string topic, Bytes payload) = 0;
  // A message of that size left Paho, or never will.
  virtual void on_left(std::size_t bytes) = 0;
  // So many bytes of ciphertext wait for the socket now.
  virtual void on_unsent(std::size_t bytes) = 0;
  // The end, or the failure of the attempt. May come more than once; the first reason is the best.
  virtual void on_ended(std::string reason) = 0;
};

class Connection {
 public:
  // Starts to dial `address`, numeric and with its port. Failures arrive as on_ended().
  Connection(const DialSettings& settings, const std::string& address, ConnectionEvents& events);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  // Says goodbye as far as that needs no waiting, and frees everything.
  ~Connection();

  // False: Paho took nothing; on_left() will not come for it.
  [[nodiscard]] bool publish(const std::string& topic, const Bytes& message);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hedgerow::link_paho
