// DatagramSocket: a bound UDP address. What carries MQTT-SN of things that have an IP stack.
// Thread rule: the loop thread, or before EventLoop::run(). Ownership: the loop must outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "daemon/net_asio/event_loop.hpp"
#include "sync/base/bytes.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::net_asio {

class DatagramSocket {
 public:
  // `remote`: "192.0.2.7:4000", "[fe80::1]:4000"; `bytes` are valid during the call.
  using Handler = std::function<void(const std::string& remote, ByteView bytes)>;

  DatagramSocket() = default;
  DatagramSocket(const DatagramSocket&) = delete;
  DatagramSocket& operator=(const DatagramSocket&) = delete;
  virtual ~DatagramSocket() = default;

  // With the real port.
  [[nodiscard]] virtual std::string address() const = 0;
  // Never blocks; what the kernel has no room for is lost, as datagrams are.
  virtual void send(const std::string& remote, ByteView bytes) = 0;
};

struct DatagramSettings {
  std::string name;  // for errors
  std::string host;  // an IPv4 or IPv6 address, without brackets
  std::uint16_t port = 0;
};

// Errors (kUnavailable, kRefused, kInvalidInput, kIo) name the address, and what to do.
[[nodiscard]] Expected<std::unique_ptr<DatagramSocket>> bind_datagrams(EventLoop& loop, DatagramSettings settings,
                                                                       DatagramSocket::Handler handler);

}  // namespace hedgerow::net_asio
