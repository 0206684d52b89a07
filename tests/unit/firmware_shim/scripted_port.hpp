// A shim's hardware in memory: the test is the wire, the clock and the gateway. Thread rule: one test, one thread.
#pragma once

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "firmware-shim/client/shim.h"
#include "sync/base/bytes.hpp"

namespace hedgerow {

// A message with its own bytes.
struct SnMessage {
  hr_sn_message fields{};
  Bytes tail;
};

class ScriptedPort {
 public:
  ScriptedPort() {
    port_.context = this;
    port_.send = [](void* self, const std::uint8_t* bytes, std::size_t size) {
      static_cast<ScriptedPort*>(self)->note({bytes, size});
    };
    port_.receive = [](void* self, std::uint8_t* buffer, std::size_t capacity) {
      return static_cast<ScriptedPort*>(self)->take({buffer, capacity});
    };
    port_.time_ms = [](void* self) { return static_cast<ScriptedPort*>(self)->now_ms; };
    port_.random = [](void*, std::uint8_t* out, std::size_t size) { std::fill_n(out, size, std::uint8_t{0}); };
  }
  ScriptedPort(const ScriptedPort&) = delete;
  ScriptedPort& operator=(const ScriptedPort&) = delete;

  [[nodiscard]] const hr_shim_port* get() const { return &port_; }

  // What the shim sent and nobody looked at yet; fails if there is nothing.
  SnMessage sent() {
    REQUIRE(!sent_.empty());
    SnMessage first = std::move(sent_.front());
    sent_.pop_front();
    return first;
  }
  [[nodiscard]] bool quiet() const { return sent_.empty(); }

  // What the gateway says next.
  void say(const hr_sn_message& message) {
    Bytes bytes(HR_SHIM_FRAME_MAX);
    std::size_t size = 0;
    REQUIRE(hr_sn_encode(&message, bytes.data(), bytes.size(), &size) == HR_SN_OK);
    bytes.resize(size);
    said_.push_back(std::move(bytes));
  }
  void say(hr_sn_type type, std::uint16_t msg_id = 0, std::uint16_t topic_id = 0, std::uint8_t code = 0) {
    hr_sn_message message{};
    message.type = type;
    message.msg_id = msg_id;
    message.topic_id = topic_id;
    message.code = code;
    say(message);
  }
  void say_raw(Bytes bytes) { said_.push_back(std::move(bytes)); }

  std::uint32_t now_ms = 0xFFFF'FF00U;  // it wraps in every test

 private:
  void note(ByteView bytes) {
    SnMessage message;
    REQUIRE(hr_sn_decode(bytes.data(), bytes.size(), &message.fields, nullptr) == HR_SN_OK);
    if (message.fields.tail.size != 0) {
      message.tail.assign(message.fields.tail.data, message.fields.tail.data + message.fields.tail.size);
    }
    message.fields.tail = {};
    sent_.push_back(std::move(message));
  }
  std::size_t take(std::span<std::uint8_t> buffer) {
    if (said_.empty()) return 0;
    const Bytes bytes = std::move(said_.front());
    said_.pop_front();
    if (bytes.size() > buffer.size()) return 0;
    std::copy(bytes.begin(), bytes.end(), buffer.begin());
    return bytes.size();
  }

  hr_shim_port port_{};
  std::deque<SnMessage> sent_;
  std::deque<Bytes> said_;
};

}  // namespace hedgerow
