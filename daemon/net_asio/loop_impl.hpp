// What the files of this folder share inside one EventLoop. Not for others: includes asio.
// Thread rule: the loop thread.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "daemon/net_asio/event_loop.hpp"
#include "daemon/net_asio/limits.hpp"
#include "sync/base/bytes.hpp"

namespace hedgerow::net_asio {

namespace asio = boost::asio;

class Connection;

[[nodiscard]] inline std::chrono::steady_clock::time_point to_steady(Instant when) {
  return std::chrono::steady_clock::time_point{
      std::chrono::duration_cast<std::chrono::steady_clock::duration>(when.time_since_epoch())};
}

struct EventLoop::Impl {
  Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl();

  // Why a connection that was just accepted must go; empty: it may stay.
  [[nodiscard]] std::string refusal(const asio::ip::address& remote, const Limits& limits) const;
  // Leaves some of the process's file descriptors to others: the database must not run out because of connections.
  void measure_descriptors();
  void add(const std::shared_ptr<Connection>& connection);
  void remove(const std::shared_ptr<Connection>& connection);

  // Has connection->flush() called once the present events are through.
  void flush_later(const std::shared_ptr<Connection>& connection);
  // Has connection->read_on() called after what waits to be flushed; false: nothing waits.
  [[nodiscard]] bool read_on_later(const std::shared_ptr<Connection>& connection);

  void wait_for_signal();

  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
  asio::steady_timer timer{context};
  std::optional<asio::signal_set> signals;
  std::function<void(Signal)> signal_handler;

  // Connections that the process has file descriptors for.
  std::size_t descriptors = std::numeric_limits<std::size_t>::max();

  std::unordered_set<std::shared_ptr<Connection>> connections;
  std::map<asio::ip::address, std::size_t> connections_by_address;
  std::vector<std::shared_ptr<Connection>> to_flush;
  std::vector<std::shared_ptr<Connection>> to_read_on;
  bool flush_posted = false;

  std::optional<asio::steady_timer> closing_timer;
  std::function<void()> all_closed;

  Bytes read_buffer;             // lent to one connection for the time of one read
  Bytes plaintext;               // likewise, what TLS made of it
  Bytes payload;                 // and what WebSocket made of that
  std::vector<ByteView> pieces;  // scratch of WriteQueue::gather
  std::vector<asio::const_buffer> buffers;
};

}  // namespace hedgerow::net_asio
