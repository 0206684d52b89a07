// WebSocketChannel: the server's side of one MQTT connection over WebSocket (RFC 6455) as a function of bytes: the
// upgrade from HTTP, then messages of binary frames, however cut [MQTT-6.0.0-1, -2]. Pings and closes are answered.
//
//   bytes arrived:    feed(them, payload)     then look at state(), payload and take_outgoing()
//   to send packets:  header_for(n)           before the n bytes of each, first_message_bytes()
//   to end:           close()                 then take_outgoing(), send that, end the connection beneath
//   on any error:     take_outgoing() holds the HTTP answer or the close frame that tells the peer why
//
//   frame := FIN RSV1..3(0) opcode(4) | MASK length(7) | [length(16) | length(64)] | key(32) | payload XOR key
//            the shortest length that fits; a client masks, a server does not; control frames are whole, ≤ 125 bytes
//
// Thread-compatible, pure. Never blocks. Memory is bounded: while upgrading a head of kUpgradeHeadBytesMax, then one
// control frame; of data nothing is gathered. At most one unsent pong is kept (RFC 6455, 5.5.3 asks for no more).
//
// Why no library: Boost.Beast made the daemon half a megabyte larger, wslay is not served as a static library and has
// rested since 2022. Without extensions, in the server's direction, this is what is left of the protocol.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/websocket/limits.hpp"
#include "daemon/websocket/upgrade.hpp"
#include "sync/base/bytes.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::websocket {

// RFC 6455, 7.4.1.
enum class CloseCode : std::uint16_t {
  kNormal = 1000,
  kProtocolError = 1002,
  kUnsupportedData = 1003,
  kTooBig = 1009,
};

class WebSocketChannel {
 public:
  enum class State : std::uint8_t {
    kUpgrading,
    kOpen,
    kPeerClosed,  // the peer said close, and the answer is in take_outgoing(): nothing more will come
    kClosed,      // close() was called
    kFailed,      // feed() returned an error
  };

  // What `origins` views must stay while the state is kUpgrading.
  WebSocketChannel(OriginPolicy origins, Sha1 sha1) : origins_(origins), sha1_(sha1) {}
  WebSocketChannel(const WebSocketChannel&) = delete;
  WebSocketChannel& operator=(const WebSocketChannel&) = delete;

  // Takes all of `bytes`; appends the MQTT bytes among them to `payload` (also before an error is found).
  // kRefused: no upgrade that is served here; kInvalidInput: against RFC 6455 or MQTT's use of it, or after an end. The
  // error's text names the reason.
  [[nodiscard]] Expected<void> feed(ByteView bytes, Bytes& payload);

  // The header of a binary message of that many bytes. REQUIRES: state() is kOpen
  [[nodiscard]] Bytes header_for(std::size_t payload_bytes) const;

  // How many bytes of `packets`, whole MQTT packets, are to be one message: the first packet. The standard lets several
  // stand in one [MQTT-6.0.0-2], but clients exist that notice only the first until more comes. What is no whole packet
  // goes as it is. REQUIRES: not empty
  [[nodiscard]] static std::size_t first_message_bytes(ByteView packets);

  // Hands over what the channel itself has to say, in order. `into` must be empty. True iff there is something.
  bool take_outgoing(Bytes& into);

  // Queues a close frame if the channel is open. No feed() or header_for() afterwards.
  void close();

  [[nodiscard]] State state() const { return state_; }

 private:
  Expected<void> take_head(ByteView bytes, Bytes& payload);
  Expected<void> take_frames(ByteView bytes, Bytes& payload);
  // Takes what is missing of a header; returns how many bytes that was.
  std::size_t take_header(ByteView bytes);
  [[nodiscard]] std::size_t header_bytes_wanted() const;
  Expected<void> begin_frame();
  std::size_t take_payload(ByteView bytes, Bytes& payload);
  Expected<void> end_frame();
  Expected<void> end_control_frame();
  tl::unexpected<Error> fail_with(CloseCode code, std::string_view what);
  void queue_close(ByteView payload);

  OriginPolicy origins_;
  Sha1 sha1_;
  Bytes gathered_;  // upgrading: the head; then the payload of a control frame
  Bytes outgoing_;
  Bytes pong_;                       // a whole frame, not yet taken
  std::uint64_t frame_left_ = 0;     // payload of the present frame that has not come
  std::uint64_t message_bytes_ = 0;  // of the present message, as announced
  std::array<std::uint8_t, 14> header_{};
  std::uint8_t header_bytes_ = 0;
  std::uint8_t key_offset_ = 0;
  State state_ = State::kUpgrading;
  bool in_frame_ = false;    // the header is complete, the frame is not
  bool in_message_ = false;  // a message has begun and its last frame has not
};

}  // namespace hedgerow::websocket
