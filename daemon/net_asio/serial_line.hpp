// SerialLine: messages to and from one microcontroller over a line of bytes, in the frames of firmware-shim/codec, or
// without any (raw_stream.hpp). What is lost or damaged on the way is lost; the protocol above sends it again.
// Thread rule: the loop thread, or before EventLoop::run(). Ownership: the loop must outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "daemon/net_asio/event_loop.hpp"
#include "sync/base/bytes.hpp"

namespace hedgerow::net_asio {

class SerialLine {
 public:
  using Handler = std::function<void(ByteView message)>;
  using Log = std::function<void(const std::string& line)>;

  SerialLine() = default;
  SerialLine(const SerialLine&) = delete;
  SerialLine& operator=(const SerialLine&) = delete;
  virtual ~SerialLine() = default;

  // As configured.
  [[nodiscard]] virtual const std::string& place() const = 0;
  // Never blocks. Dropped while the line is down, or when kSerialQueueBytesMax wait.
  virtual void send(ByteView message) = 0;
  // Frames that did not come whole, since the start.
  [[nodiscard]] virtual std::uint64_t damaged() const = 0;
};

// `place`: "/dev/ttyAMA0" (set to 115,200 baud, 8N1, raw), "tcp:ADDRESS:PORT", "unix:PATH"; with "raw:" before it
// messages have no frames. It is opened now, and again every kSerialReopen while it is not there: boards are plugged in
// and out. `log` is told when that changes.
[[nodiscard]] std::unique_ptr<SerialLine> open_serial_line(EventLoop& loop, std::string place,
                                                           SerialLine::Handler handler, SerialLine::Log log);

}  // namespace hedgerow::net_asio
