// Between a node and the simulated network. Thread rule: one simulation, one thread.
#pragma once

#include <cstddef>

#include "sync/base/bytes.hpp"
#include "sync/link/replicator.hpp"

namespace hedgerow::sim {

// What a node needs of the network.
class Wires {
 public:
  virtual ~Wires() = default;
  virtual void send(sync::LinkId link, Bytes message) = 0;
  virtual void close(sync::LinkId link) = 0;
  [[nodiscard]] virtual std::size_t queued_bytes(sync::LinkId link) const = 0;
};

// What the network tells a node. The events of a link are ignored while the node is down.
class LinkEnd {
 public:
  virtual ~LinkEnd() = default;
  [[nodiscard]] virtual bool is_up() const = 0;
  virtual void link_up(sync::LinkId link, bool dialled) = 0;
  virtual void link_down(sync::LinkId link) = 0;
  virtual void message(sync::LinkId link, ByteView bytes) = 0;
  // The link's queue is shorter.
  virtual void drained(sync::LinkId link) = 0;
};

}  // namespace hedgerow::sim
