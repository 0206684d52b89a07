#include "daemon/websocket/websocket_channel.hpp"

#include <algorithm>
#include <cstring>
#include <gsl/assert>
#include <span>
#include <utility>

namespace hedgerow::websocket {
namespace {

constexpr std::uint8_t kFin = 0x80;
constexpr std::uint8_t kReserved = 0x70;
constexpr std::uint8_t kOpcode = 0x0F;
constexpr std::uint8_t kMask = 0x80;
constexpr std::uint8_t kLength = 0x7F;
constexpr std::uint8_t kLength16 = 126;
constexpr std::uint8_t kLength64 = 127;
constexpr std::size_t kKeyBytes = 4;
constexpr std::string_view kHeadEnd = "\r\n\r\n";

constexpr std::uint8_t kContinuation = 0;
constexpr std::uint8_t kText = 1;
constexpr std::uint8_t kBinary = 2;
constexpr std::uint8_t kClose = 8;
constexpr std::uint8_t kPing = 9;
constexpr std::uint8_t kPong = 10;

bool is_control(std::uint8_t opcode) { return opcode >= kClose; }

std::uint64_t read_big_endian(ByteView bytes) {
  std::uint64_t value = 0;
  for (const std::uint8_t byte : bytes) value = value << 8U | byte;
  return value;
}

void append_big_endian(Bytes& out, std::uint64_t value, unsigned bytes) {
  while (bytes > 0) out.push_back(static_cast<std::uint8_t>(value >> (8U * --bytes)));
}

void append_header(Bytes& out, std::uint8_t opcode, std::uint64_t length) {
  out.push_back(static_cast<std::uint8_t>(kFin | opcode));
  if (length < kLength16) {
    out.push_back(static_cast<std::uint8_t>(length));
  } else if (length <= 0xFFFF) {
    out.push_back(kLength16);
    append_big_endian(out, length, 2);
  } else {
    out.push_back(kLength64);
    append_big_endian(out, length, 8);
  }
}

// Eight bytes a step; `offset` is where in the key the first byte stands.
void unmask(std::span<std::uint8_t> bytes, ByteView key, std::size_t offset) {
  std::array<std::uint8_t, 8> wide{};
  for (std::size_t i = 0; i < wide.size(); ++i) wide[i] = key[(offset + i) % kKeyBytes];
  std::uint64_t mask = 0;
  std::memcpy(&mask, wide.data(), sizeof(mask));
  std::size_t i = 0;
  for (; i + sizeof(mask) <= bytes.size(); i += sizeof(mask)) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, sizeof(word));
    word ^= mask;
    std::memcpy(bytes.data() + i, &word, sizeof(word));
  }
  for (std::size_t k = 0; i < bytes.size(); ++i, ++k) bytes[i] ^= wide[k];
}

// Codes that may stand in a close frame (RFC 6455, 7.4; 1012 to 1014 by IANA's registry).
bool is_close_code(std::uint64_t code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

}  // namespace

Expected<void> WebSocketChannel::feed(ByteView bytes, Bytes& payload) {
  switch (state_) {
    case State::kUpgrading: return take_head(bytes, payload);
    case State::kOpen: return take_frames(bytes, payload);
    case State::kPeerClosed: return {};  // RFC 6455, 5.5.1: nothing counts after a close frame
    case State::kClosed:
    case State::kFailed: return fail(Category::kInvalidInput, "this WebSocket has ended");
  }
  return {};
}

Expected<void> WebSocketChannel::take_head(ByteView bytes, Bytes& payload) {
  const std::size_t searched = gathered_.size() - std::min(gathered_.size(), kHeadEnd.size() - 1);
  append(gathered_, bytes);
  std::string_view head = as_text(gathered_);
  const std::size_t end = head.find(kHeadEnd, searched);
  if (end != head.npos) head = head.substr(0, end + kHeadEnd.size());
  UpgradeAnswer answer = judge_beginning(head);
  if (answer.refusal.empty() && end == head.npos) return {};
  if (answer.refusal.empty()) answer = answer_upgrade(head, origins_, sha1_);
  append(outgoing_, as_bytes(answer.response));
  const Bytes held = std::exchange(gathered_, {});
  if (!answer.refusal.empty()) {
    state_ = State::kFailed;
    return fail(Category::kRefused, "no upgrade to WebSocket: " + answer.refusal);
  }
  state_ = State::kOpen;
  return take_frames(ByteView{held}.subspan(head.size()), payload);
}

Expected<void> WebSocketChannel::take_frames(ByteView bytes, Bytes& payload) {
  while (state_ == State::kOpen) {
    if (!in_frame_) {
      bytes = bytes.subspan(take_header(bytes));
      if (header_bytes_ < header_bytes_wanted()) return {};
      if (auto good = begin_frame(); !good) return good;
    }
    bytes = bytes.subspan(take_payload(bytes, payload));
    if (frame_left_ > 0) return {};
    if (auto good = end_frame(); !good) return good;
  }
  return {};
}

std::size_t WebSocketChannel::header_bytes_wanted() const {
  if (header_bytes_ < 2) return 2;
  const std::uint8_t length = header_[1] & kLength;
  const std::size_t extended = length == kLength16 ? 2 : length == kLength64 ? 8 : 0;
  return 2 + extended + ((header_[1] & kMask) != 0 ? kKeyBytes : 0);
}

std::size_t WebSocketChannel::take_header(ByteView bytes) {
  std::size_t taken = 0;
  while (taken < bytes.size() && header_bytes_ < header_bytes_wanted()) header_[header_bytes_++] = bytes[taken++];
  return taken;
}

// The header is complete.
Expected<void> WebSocketChannel::begin_frame() {
  const bool fin = (header_[0] & kFin) != 0;
  const std::uint8_t opcode = header_[0] & kOpcode;
  if ((header_[0] & kReserved) != 0) return fail_with(CloseCode::kProtocolError, "a reserved bit is set");
  if ((header_[1] & kMask) == 0) return fail_with(CloseCode::kProtocolError, "a client's frame must be masked");
  const std::uint8_t short_length = header_[1] & kLength;
  const std::size_t key_at = header_bytes_ - kKeyBytes;
  frame_left_ = key_at > 2 ? read_big_endian(ByteView{header_}.subspan(2, key_at - 2)) : short_length;
  const std::uint64_t shortest = short_length == kLength64 ? 0x10000 : short_length == kLength16 ? kLength16 : 0;
  if (frame_left_ < shortest) return fail_with(CloseCode::kProtocolError, "a length is longer than it need be");
  switch (opcode) {
    case kContinuation:
      if (!in_message_) return fail_with(CloseCode::kProtocolError, "a continuation of no message");
      break;
    case kBinary:
      if (in_message_) return fail_with(CloseCode::kProtocolError, "a message within a message");
      message_bytes_ = 0;
      break;
    case kText: return fail_with(CloseCode::kUnsupportedData, "MQTT wants binary frames, and this is text");
    case kClose:
    case kPing:
    case kPong:
      if (!fin || frame_left_ > kControlBytesMax) {
        return fail_with(CloseCode::kProtocolError, "a control frame must be whole, and of 125 bytes at most");
      }
      break;
    default: return fail_with(CloseCode::kProtocolError, "an unknown opcode");
  }
  if (!is_control(opcode)) {
    if (frame_left_ > kMessageBytesMax - message_bytes_) {
      return fail_with(CloseCode::kTooBig, "a message of more than 512 MiB");
    }
    message_bytes_ += frame_left_;
    in_message_ = !fin;
  }
  key_offset_ = 0;
  in_frame_ = true;
  return {};
}

std::size_t WebSocketChannel::take_payload(ByteView bytes, Bytes& payload) {
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(frame_left_, bytes.size()));
  Bytes& out = is_control(header_[0] & kOpcode) ? gathered_ : payload;
  const std::size_t before = out.size();
  append(out, bytes.first(count));
  const ByteView key = ByteView{header_}.subspan(header_bytes_ - kKeyBytes, kKeyBytes);
  unmask(std::span{out}.subspan(before), key, key_offset_);
  key_offset_ = static_cast<std::uint8_t>((key_offset_ + count) % kKeyBytes);
  frame_left_ -= count;
  return count;
}

Expected<void> WebSocketChannel::end_frame() {
  in_frame_ = false;
  header_bytes_ = 0;
  return is_control(header_[0] & kOpcode) ? end_control_frame() : Expected<void>{};
}

Expected<void> WebSocketChannel::end_control_frame() {
  const Bytes payload = std::exchange(gathered_, {});
  switch (header_[0] & kOpcode) {
    case kPing:
      pong_.clear();
      append_header(pong_, kPong, payload.size());
      append(pong_, payload);
      return {};
    case kClose:
      if (payload.size() == 1 || (payload.size() > 1 && !is_close_code(read_big_endian(ByteView{payload}.first(2))))) {
        return fail_with(CloseCode::kProtocolError, "a close frame with a code that none may have");
      }
      state_ = State::kPeerClosed;
      queue_close(ByteView{payload}.first(std::min<std::size_t>(payload.size(), 2)));
      return {};
    default: return {};  // a pong that nobody asked for
  }
}

tl::unexpected<Error> WebSocketChannel::fail_with(CloseCode code, std::string_view what) {
  state_ = State::kFailed;
  gathered_ = {};
  Bytes payload;
  append_big_endian(payload, static_cast<std::uint16_t>(code), 2);
  append(payload, as_bytes(what));
  queue_close(payload);
  return fail(Category::kInvalidInput, "WebSocket: " + std::string(what));
}

void WebSocketChannel::queue_close(ByteView payload) {
  append(outgoing_, std::exchange(pong_, {}));  // nothing may follow a close frame
  append_header(outgoing_, kClose, payload.size());
  append(outgoing_, payload);
}

Bytes WebSocketChannel::header_for(std::size_t payload_bytes) const {
  Expects(state_ == State::kOpen);
  Bytes header;
  append_header(header, kBinary, payload_bytes);
  return header;
}

std::size_t WebSocketChannel::first_message_bytes(ByteView packets) {
  constexpr std::size_t kLengthBytesMax = 4;  // section 2.1.4
  std::size_t length = 0;
  for (std::size_t at = 1; at < packets.size() && at <= kLengthBytesMax; ++at) {
    length |= std::size_t{packets[at] & 0x7FU} << (7 * (at - 1));
    if ((packets[at] & 0x80U) == 0) return std::min(packets.size(), 1 + at + length);
  }
  return packets.size();
}

bool WebSocketChannel::take_outgoing(Bytes& into) {
  Expects(into.empty());
  append(outgoing_, std::exchange(pong_, {}));
  into = std::exchange(outgoing_, {});
  return !into.empty();
}

void WebSocketChannel::close() {
  if (state_ == State::kOpen) {
    Bytes payload;
    append_big_endian(payload, static_cast<std::uint16_t>(CloseCode::kNormal), 2);
    queue_close(payload);
  }
  if (state_ == State::kOpen || state_ == State::kUpgrading) state_ = State::kClosed;
}

}  // namespace hedgerow::websocket
