// The client's side of WebSocket for tests, made of bytes alone, so that the other end is not the code under test.
// Thread rule: free functions without state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hedgerow::test {

inline constexpr int kContinuationFrame = 0;
inline constexpr int kTextFrame = 1;
inline constexpr int kBinaryFrame = 2;
inline constexpr int kCloseFrame = 8;
inline constexpr int kPingFrame = 9;
inline constexpr int kPongFrame = 10;

// More header fields each with their line end.
inline std::string upgrade_request(std::string_view more = {}) {
  return "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
         "Sec-WebSocket-Protocol: mqtt\r\n" +
         std::string(more) + "\r\n";
}

inline std::string client_frame(int opcode, std::string_view payload, bool fin = true) {
  constexpr std::string_view kKey = "\x5A\x01\xFE\x33";
  std::string out{static_cast<char>(opcode | (fin ? 0x80 : 0))};
  const std::size_t extended = payload.size() > 0xFFFF ? 8 : payload.size() > 125 ? 2 : 0;
  out += static_cast<char>(0x80U | (extended == 8 ? 127U : extended == 2 ? 126U : payload.size()));
  for (std::size_t i = extended; i > 0; --i) {
    out += static_cast<char>(std::uint64_t{payload.size()} >> (8U * (i - 1)) & 0xFFU);
  }
  out += kKey;
  for (std::size_t i = 0; i < payload.size(); ++i) out += static_cast<char>(payload[i] ^ kKey[i % 4]);
  return out;
}

struct ServerFrame {
  int opcode = 0;
  std::string payload;
};

// Takes the first frame off `bytes`; nothing while it is not whole. What a server sends is final and unmasked.
inline std::optional<ServerFrame> take_server_frame(std::string_view& bytes) {
  if (bytes.size() < 2) return std::nullopt;
  const auto byte = [&bytes](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
  std::size_t header = 2;
  std::uint64_t length = byte(1);
  if (length >= 126) {
    header += length == 126 ? 2 : 8;
    if (bytes.size() < header) return std::nullopt;
    length = 0;
    for (std::size_t i = 2; i < header; ++i) length = length << 8U | byte(i);
  }
  if (bytes.size() - header < length) return std::nullopt;
  ServerFrame frame{.opcode = byte(0) & 0x0F,
                    .payload = std::string(bytes.substr(header, static_cast<std::size_t>(length)))};
  bytes.remove_prefix(header + static_cast<std::size_t>(length));
  return frame;
}

}  // namespace hedgerow::test
