// What a stranger sends to a WebSocket listener: the request for the upgrade, then frames. daemon/websocket.
//
//   input := step:u8 bytes      bit 7 of step: a good request goes ahead, so that the bytes are frames
//                               the rest: how many bytes a second channel is fed at a time, 0 as 128
//
// However the bytes are cut, the channel reads the same and says the same; what it says is HTTP or whole frames.
#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "daemon/websocket/websocket_channel.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using hedgerow::Bytes;
using hedgerow::ByteView;
using hedgerow::fuzz::require;
using hedgerow::websocket::WebSocketChannel;
namespace websocket = hedgerow::websocket;

constexpr std::string_view kGoodRequest =
    "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

std::array<std::uint8_t, 20> any_digest(ByteView) { return {}; }

struct Heard {
  Bytes payload;
  Bytes sent;
  WebSocketChannel::State state;
  bool failed;
};

Heard converse(bool upgraded, ByteView bytes, std::size_t step) {
  WebSocketChannel channel({.allowed = {}, .loopback = true}, any_digest);
  Heard heard{};
  if (upgraded) {
    require(channel.feed(hedgerow::as_bytes(kGoodRequest), heard.payload).has_value(), "a good request is good");
    channel.take_outgoing(heard.sent);
    heard.sent.clear();
  }
  while (!bytes.empty() && !heard.failed) {
    const std::size_t count = std::min(step, bytes.size());
    heard.failed = !channel.feed(bytes.first(count), heard.payload);
    bytes = bytes.subspan(count);
  }
  channel.take_outgoing(heard.sent);
  heard.state = channel.state();
  require(heard.failed == (heard.state == WebSocketChannel::State::kFailed), "an error is a state");
  return heard;
}

// Frames of a server: whole, final, known, unmasked; nothing after a close.
void check_frames(ByteView sent) {
  bool closed = false;
  while (!sent.empty()) {
    require(!closed, "nothing follows a close frame");
    require(sent.size() >= 2, "a header is whole");
    require(sent[0] == 0x88 || sent[0] == 0x8A, "of itself a channel says close or pong");
    require(sent[1] <= 125 && sent.size() >= 2U + sent[1], "a control frame is short and whole");
    closed = sent[0] == 0x88;
    sent = sent.subspan(2U + sent[1]);
  }
}

// Whatever is to be sent is cut into messages, none empty, that make it again.
void check_messages(ByteView packets) {
  while (!packets.empty()) {
    const std::size_t first = WebSocketChannel::first_message_bytes(packets);
    require(first > 0 && first <= packets.size(), "a message is some of what is to be sent");
    packets = packets.subspan(first);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const bool upgraded = (data[0] & 0x80U) != 0;
  const std::size_t step = (data[0] & 0x7FU) == 0 ? 128 : data[0] & 0x7FU;
  const ByteView bytes{data + 1, size - 1};
  check_messages(bytes);
  const Heard whole = converse(upgraded, bytes, bytes.size());
  const Heard cut = converse(upgraded, bytes, step);
  require(whole.payload == cut.payload, "the cut of the bytes does not change what is read");
  require(whole.state == cut.state, "the cut of the bytes does not change how it ends");
  require(whole.payload.size() <= bytes.size(), "payload is never more than what came");
  if (upgraded) {
    require(whole.sent == cut.sent, "the cut of the bytes does not change what is said");
    check_frames(whole.sent);
    return 0;
  }
  const std::string_view said = hedgerow::as_text(whole.sent);
  require(said.empty() || said.starts_with("HTTP/1.1 "), "before the upgrade HTTP is spoken");
  if (said.starts_with("HTTP/1.1 101 ")) check_frames(ByteView{whole.sent}.subspan(said.find("\r\n\r\n") + 4));
  return 0;
}
