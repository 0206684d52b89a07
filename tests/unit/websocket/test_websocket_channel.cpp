#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <optional>
#include <string>

#include "daemon/websocket/websocket_channel.hpp"
#include "security/crypto_mbedtls/sha1.hpp"

namespace hedgerow::websocket {
namespace {

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;
using State = WebSocketChannel::State;

constexpr std::string_view kRequest =
    "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

constexpr int kContinuation = 0;
constexpr int kText = 1;
constexpr int kBinary = 2;
constexpr int kClose = 8;
constexpr int kPing = 9;
constexpr int kPong = 10;

struct FrameOptions {
  bool fin = true;
  bool masked = true;
  std::size_t length_bytes = 0;  // of the extended length; 0: the shortest that fits
};

std::string length_text(std::uint64_t length, std::size_t bytes) {
  std::string out;
  while (bytes > 0) out += static_cast<char>(length >> (8U * --bytes) & 0xFFU);
  return out;
}

std::string client_header(int opcode, std::uint64_t length, FrameOptions options = {}) {
  if (options.length_bytes == 0) options.length_bytes = length > 0xFFFF ? 8 : length > 125 ? 2 : 0;
  const std::uint64_t short_length = options.length_bytes == 8 ? 127 : options.length_bytes == 2 ? 126 : length;
  std::string out;
  out += static_cast<char>(opcode | (options.fin ? 0x80 : 0));
  out += static_cast<char>(short_length | (options.masked ? 0x80U : 0U));
  out += length_text(length, options.length_bytes);
  if (options.masked) out += "\x11\x22\x33\x44";
  return out;
}

std::string client_frame(int opcode, std::string payload, FrameOptions options = {}) {
  std::string out = client_header(opcode, payload.size(), options);
  for (std::size_t i = 0; options.masked && i < payload.size(); ++i) {
    payload[i] = static_cast<char>(payload[i] ^ "\x11\x22\x33\x44"[i % 4]);
  }
  return out + payload;
}

std::string close_payload(int code, const std::string& reason = {}) {
  return length_text(static_cast<std::uint64_t>(code), 2) + reason;
}

std::string server_frame(int opcode, const std::string& payload) {
  return client_frame(opcode, payload, {.masked = false});
}

struct Fixture {
  // Fed in pieces of `step` bytes; stops at an error.
  void feed(std::string_view text, std::size_t step = std::string_view::npos) {
    while (!text.empty() && !error) {
      const std::string_view piece = text.substr(0, step);
      text.remove_prefix(piece.size());
      if (auto fed = channel.feed(as_bytes(piece), payload); !fed) error = fed.error();
    }
  }
  std::string sent() {
    Bytes out;
    const bool any = channel.take_outgoing(out);
    CHECK(any == !out.empty());
    return std::string(as_text(out));
  }
  [[nodiscard]] std::string received() const { return std::string(as_text(payload)); }

  WebSocketChannel channel{OriginPolicy{}, security::sha1};
  Bytes payload;
  std::optional<Error> error;
};

struct OpenChannel : Fixture {
  OpenChannel() {
    feed(kRequest);
    REQUIRE_THAT(sent(), StartsWith("HTTP/1.1 101 "));
    REQUIRE(channel.state() == State::kOpen);
  }
  void check_failed(int code, const std::string& what) {
    REQUIRE(error);
    CHECK(error->category == Category::kInvalidInput);
    CHECK_THAT(error->what, ContainsSubstring(what));
    CHECK(channel.state() == State::kFailed);
    const std::string frame = sent();
    REQUIRE(frame.size() >= 4);
    CHECK(frame.substr(0, 1) == "\x88");
    CHECK(frame.substr(2, 2) == close_payload(code));
    CHECK(frame.size() == 2U + static_cast<unsigned char>(frame[1]));
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "the upgrade may come one byte at a time, and frames right behind it", "[websocket]") {
  feed(std::string(kRequest) + client_frame(kBinary, "hello"), 1);
  CHECK_FALSE(error);
  CHECK(channel.state() == State::kOpen);
  CHECK(received() == "hello");
  CHECK_THAT(sent(), StartsWith("HTTP/1.1 101 "));
}

TEST_CASE_METHOD(Fixture, "MQTT without WebSocket is answered by HTTP at its first byte", "[websocket]") {
  feed("\x10");
  REQUIRE(error);
  CHECK(error->category == Category::kRefused);
  CHECK(channel.state() == State::kFailed);
  CHECK_THAT(sent(), StartsWith("HTTP/1.1 400 "));
}

TEST_CASE_METHOD(Fixture, "a head without end is cut off at its limit", "[websocket][G6]") {
  feed("GET / HTTP/1.1\r\n");
  for (int i = 0; i < 1000 && !error; ++i) feed("X-Field: 0123456789\r\n");
  REQUIRE(error);
  CHECK_THAT(sent(), StartsWith("HTTP/1.1 431 "));
}

TEST_CASE_METHOD(OpenChannel, "payload is unmasked, whatever the cut of the bytes", "[websocket]") {
  std::string text;
  for (int i = 0; i < 300; ++i) text += static_cast<char>(i * 7);
  const std::string wire = client_frame(kBinary, text) + client_frame(kBinary, "") + client_frame(kBinary, "end");
  for (const std::size_t step : {1U, 2U, 3U, 5U, 7U, 8U, 9U, 13U, 64U, 1000U}) {
    payload.clear();
    feed(wire, step);
    INFO("step " << step);
    CHECK(received() == text + "end");
  }
}

TEST_CASE_METHOD(OpenChannel, "a packet may lie across messages and frames", "[websocket][MQTT-6.0.0-2]") {
  feed(client_frame(kBinary, "ab", {.fin = false}) + client_frame(kContinuation, "", {.fin = false}) +
       client_frame(kContinuation, "cd") + client_frame(kBinary, "ef"));
  CHECK(received() == "abcdef");
}

TEST_CASE_METHOD(OpenChannel, "long frames have long lengths", "[websocket]") {
  const std::string medium(126, 'm');
  const std::string large(70'000, 'l');
  feed(client_frame(kBinary, medium) + client_frame(kBinary, large));
  CHECK(received() == medium + large);
}

TEST_CASE_METHOD(OpenChannel, "what is sent gets the shortest header", "[websocket]") {
  CHECK(as_text(channel.header_for(0)) == std::string_view("\x82\x00", 2));
  CHECK(as_text(channel.header_for(125)) == "\x82\x7D");
  CHECK(as_text(channel.header_for(126)) == std::string_view("\x82\x7E\x00\x7E", 4));
  CHECK(as_text(channel.header_for(0xFFFF)) == "\x82\x7E\xFF\xFF");
  CHECK(as_text(channel.header_for(0x10000)) == std::string_view("\x82\x7F\0\0\0\0\0\x01\0\0", 10));
}

TEST_CASE("each packet that is sent is a message of its own", "[websocket]") {
  const auto first = [](const Bytes& packets) { return WebSocketChannel::first_message_bytes(packets); };
  CHECK(first({0xD0, 0}) == 2);
  CHECK(first({0x40, 2, 0, 1, 0x30, 3, 0, 1, 'a'}) == 4);
  Bytes long_one = {0x30, 0x80, 0x01};
  long_one.resize(3 + 128);
  append(long_one, Bytes{0xD0, 0});
  CHECK(first(long_one) == 3 + 128);
  CHECK(first({0x30}) == 1);
  CHECK(first({0x30, 5, 0}) == 3);
  CHECK(first({0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0}) == 7);
}

TEST_CASE_METHOD(OpenChannel, "a ping is answered with its payload, also inside a message", "[websocket]") {
  feed(client_frame(kBinary, "ab", {.fin = false}) + client_frame(kPing, "are you there?") +
       client_frame(kContinuation, "cd"));
  CHECK(received() == "abcd");
  CHECK(sent() == server_frame(kPong, "are you there?"));
}

TEST_CASE_METHOD(OpenChannel, "of many pings the last one is answered", "[websocket][G6]") {
  std::string flood;
  for (int i = 0; i < 10'000; ++i) flood += client_frame(kPing, std::to_string(i));
  feed(flood, 4096);
  CHECK(sent() == server_frame(kPong, "9999"));
}

TEST_CASE_METHOD(OpenChannel, "a pong that nobody asked for is nothing", "[websocket]") {
  feed(client_frame(kPong, "") + client_frame(kPong, "x"));
  CHECK_FALSE(error);
  CHECK(sent().empty());
}

TEST_CASE_METHOD(OpenChannel, "text is no MQTT", "[websocket][MQTT-6.0.0-1]") {
  feed(client_frame(kBinary, "good") + client_frame(kText, "bad"));
  check_failed(1003, "text");
  CHECK(received() == "good");
}

TEST_CASE_METHOD(OpenChannel, "a frame without mask ends the connection", "[websocket]") {
  feed(client_frame(kBinary, "x", {.masked = false}));
  check_failed(1002, "masked");
}

TEST_CASE_METHOD(OpenChannel, "reserved bits end the connection", "[websocket]") {
  std::string frame = client_frame(kBinary, "x");
  frame[0] = static_cast<char>(frame[0] | 0x40);
  feed(frame);
  check_failed(1002, "reserved");
}

TEST_CASE_METHOD(OpenChannel, "unknown opcodes end the connection", "[websocket]") {
  feed(client_frame(11, ""));
  check_failed(1002, "opcode");
}

TEST_CASE_METHOD(OpenChannel, "a continuation needs a message", "[websocket]") {
  feed(client_frame(kContinuation, "x"));
  check_failed(1002, "continuation");
}

TEST_CASE_METHOD(OpenChannel, "a message must end before the next begins", "[websocket]") {
  feed(client_frame(kBinary, "x", {.fin = false}) + client_frame(kBinary, "y"));
  check_failed(1002, "within");
}

TEST_CASE_METHOD(OpenChannel, "control frames are never fragmented", "[websocket]") {
  feed(client_frame(kPing, "x", {.fin = false}));
  check_failed(1002, "control");
}

TEST_CASE_METHOD(OpenChannel, "control frames have 125 bytes at most, and are refused by their header",
                 "[websocket][G6]") {
  feed(client_header(kPing, 126));
  check_failed(1002, "control");
}

TEST_CASE_METHOD(OpenChannel, "a control frame of 125 bytes passes", "[websocket]") {
  feed(client_frame(kPing, std::string(125, 'p')), 1);
  CHECK(sent() == server_frame(kPong, std::string(125, 'p')));
}

TEST_CASE_METHOD(OpenChannel, "lengths are written as short as they can be", "[websocket]") {
  feed(client_frame(kBinary, "x", {.length_bytes = 2}));
  check_failed(1002, "length");
}

TEST_CASE_METHOD(OpenChannel, "what fits into 16 bits needs no 64", "[websocket]") {
  feed(client_header(kBinary, 0xFFFF, {.length_bytes = 8}));
  check_failed(1002, "length");
}

TEST_CASE_METHOD(OpenChannel, "a giant is refused when it announces itself", "[websocket][G6]") {
  feed(client_header(kBinary, kMessageBytesMax + 1));
  check_failed(1009, "512 MiB");
}

TEST_CASE_METHOD(OpenChannel, "a length with its top bit set is a giant", "[websocket][G6]") {
  feed(client_header(kBinary, ~std::uint64_t{0}));
  check_failed(1009, "512 MiB");
}

TEST_CASE_METHOD(OpenChannel, "fragments make a giant together", "[websocket][G6]") {
  feed(client_frame(kBinary, "x", {.fin = false}) + client_header(kContinuation, kMessageBytesMax));
  check_failed(1009, "512 MiB");
}

TEST_CASE_METHOD(OpenChannel, "a close is answered with its code, and nothing counts after it", "[websocket]") {
  feed(client_frame(kBinary, "last") + client_frame(kClose, close_payload(1001, "going")) + client_frame(kText, "x"));
  CHECK_FALSE(error);
  CHECK(channel.state() == State::kPeerClosed);
  CHECK(received() == "last");
  CHECK(sent() == server_frame(kClose, close_payload(1001)));
  feed("anything");
  CHECK_FALSE(error);
}

TEST_CASE_METHOD(OpenChannel, "a close without code is answered without code", "[websocket]") {
  feed(client_frame(kClose, ""));
  CHECK(sent() == server_frame(kClose, ""));
}

TEST_CASE_METHOD(OpenChannel, "nothing follows our close frame", "[websocket]") {
  feed(client_frame(kPing, "p") + client_frame(kClose, ""));
  CHECK(sent() == server_frame(kPong, "p") + server_frame(kClose, ""));
}

TEST_CASE_METHOD(OpenChannel, "a close of one byte is malformed", "[websocket]") {
  feed(client_frame(kClose, "x"));
  check_failed(1002, "close");
}

TEST_CASE("codes that no close frame may have", "[websocket]") {
  for (const int code : {0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535}) {
    INFO(code);
    OpenChannel open;
    open.feed(client_frame(kClose, close_payload(code)));
    open.check_failed(1002, "close");
  }
}

TEST_CASE_METHOD(OpenChannel, "our own close says that all is well", "[websocket]") {
  channel.close();
  CHECK(channel.state() == State::kClosed);
  CHECK(sent() == server_frame(kClose, close_payload(1000)));
  channel.close();
  CHECK(sent().empty());
  feed(client_frame(kBinary, "x"));
  CHECK(error);
}

TEST_CASE_METHOD(Fixture, "closing before the upgrade says nothing", "[websocket]") {
  channel.close();
  CHECK(sent().empty());
}

}  // namespace hedgerow::websocket
