// Both ends of a sealed line in memory; the test is what lies between them. Thread rule: one test, one thread.
#pragma once

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "firmware-shim/client/sealed.h"
#include "firmware-shim/seal_mbedtls/seal_mbedtls.h"
#include "firmware-shim/gateway/sealed_line.hpp"
#include "security/things/thing_keys.hpp"
#include "tests/support/seeded_random.hpp"

namespace hedgerow::test {

inline security::ThingEntry sealed_thing(const std::string& name, std::uint8_t fill) {
  security::ThingEntry out{.name = name};
  out.id.fill(fill);
  out.key.fill(static_cast<std::uint8_t>(fill ^ 0x5AU));
  return out;
}

// The microcontroller's end.
class SealedThing {
 public:
  explicit SealedThing(const security::ThingEntry& thing) {
    std::copy(thing.id.begin(), thing.id.end(), std::begin(key_.id));
    std::copy(thing.key.begin(), thing.key.end(), std::begin(key_.key));
    wire_.context = this;
    wire_.send = [](void* self, const std::uint8_t* bytes, std::size_t size) {
      static_cast<SealedThing*>(self)->sent.push_back(to_bytes(ByteView{bytes, size}));
    };
    wire_.receive = [](void* self, std::uint8_t* buffer, std::size_t capacity) {
      return static_cast<SealedThing*>(self)->take({buffer, capacity});
    };
    wire_.time_ms = [](void* self) { return static_cast<SealedThing*>(self)->now_ms; };
    // The worst that there is: always the same. What is unique must come from elsewhere.
    wire_.random = [](void*, std::uint8_t* out, std::size_t size) { std::fill_n(out, size, std::uint8_t{7}); };
    wire_.nonvolatile = [](void* self, hr_shim_nonvolatile operation, std::uint8_t* bytes) {
      auto& flash = static_cast<SealedThing*>(self)->kept;
      if (operation == HR_SHIM_LOAD) std::copy(flash.begin(), flash.end(), bytes);
      if (operation == HR_SHIM_SAVE) std::copy_n(bytes, flash.size(), flash.begin());
      return !static_cast<SealedThing*>(self)->flash_is_broken;
    };
    reset();
  }
  SealedThing(const SealedThing&) = delete;
  SealedThing& operator=(const SealedThing&) = delete;

  // The board starts again: all but `kept` is gone.
  bool reset() { return hr_sealed_init(&sealed, &key_, &hr_seal_mbedtls, &wire_); }
  void say(std::string_view text) {
    const ByteView bytes = as_bytes(text);
    hr_sealed_port(&sealed)->send(hr_sealed_port(&sealed)->context, bytes.data(), bytes.size());
  }
  // The next message that came; empty: none.
  std::string heard() {
    std::array<std::uint8_t, HR_SHIM_FRAME_MAX> buffer{};
    const hr_shim_port* port = hr_sealed_port(&sealed);
    const std::size_t size = port->receive(port->context, buffer.data(), buffer.size());
    return std::string(as_text(ByteView{buffer}.first(size)));
  }

  hr_sealed sealed{};
  std::deque<Bytes> sent;                                                           // frames that left
  std::deque<Bytes> coming;                                                         // frames on the way here
  std::array<std::uint8_t, HR_SHIM_NONVOLATILE_SIZE> kept{0xFF, 0xFF, 0xFF, 0xFF};  // as flash is when it is new
  std::uint32_t now_ms = 0xFFFF'FF00U;                                              // it wraps in every test
  bool flash_is_broken = false;

 private:
  std::size_t take(std::span<std::uint8_t> buffer) {
    if (coming.empty()) return 0;
    const Bytes frame = std::move(coming.front());
    coming.pop_front();
    if (frame.size() > buffer.size()) return 0;
    std::copy(frame.begin(), frame.end(), buffer.begin());
    return frame.size();
  }

  hr_sealed_key key_{};
  hr_shim_port wire_{};
};

// The gateway's end.
class SealedGateway {
 public:
  SealedGateway() { restart(); }
  SealedGateway(const SealedGateway&) = delete;
  SealedGateway& operator=(const SealedGateway&) = delete;

  void restart() {
    line.emplace(gateway::SealedLine::Ports{.crypto = hr_seal_mbedtls,
                                            .random =
                                                [this](std::span<std::uint8_t> out) {
                                                  for (std::uint8_t& byte : out)
                                                    byte = static_cast<std::uint8_t>(random_.next());
                                                  return true;
                                                },
                                            .find = [this](const security::ThingId& id) { return things.find_id(id); },
                                            .send = [this](ByteView frame) { sent.push_back(to_bytes(frame)); },
                                            .on_stranger = [this](const std::string& id) { strangers += id + " "; }});
  }
  // "NAME: TEXT", or nothing.
  std::string take(ByteView frame) {
    const auto message = line->on_frame(now, frame);
    return message ? message->thing + ": " + std::string(as_text(message->bytes)) : std::string{};
  }

  security::ThingKeys things;
  std::optional<gateway::SealedLine> line;
  std::deque<Bytes> sent;
  std::string strangers;
  Instant now{};

 private:
  SeededRandom random_{4711};  // any; nothing is drawn from it that a test looks at
};

// Carries frames both ways until all is still; what the gateway heard, a line each.
inline std::string carry(SealedThing& thing, SealedGateway& gateway) {
  std::string heard;
  while (!thing.sent.empty() || !gateway.sent.empty() || !thing.coming.empty()) {
    while (!thing.sent.empty()) {
      const Bytes frame = std::move(thing.sent.front());
      thing.sent.pop_front();
      const std::string message = gateway.take(frame);
      if (!message.empty()) heard += message + "\n";
    }
    while (!gateway.sent.empty()) {
      thing.coming.push_back(std::move(gateway.sent.front()));
      gateway.sent.pop_front();
    }
    if (!thing.coming.empty()) static_cast<void>(thing.heard());
  }
  return heard;
}

}  // namespace hedgerow::test
