#include <poll.h>

#include <array>
#include <cstdio>
#include <vector>

#include "tests/bench/loads.hpp"
#include "tests/bench/stream.hpp"

namespace hedgerow::bench {
namespace {

constexpr std::uint64_t kSensors = 50;
constexpr int kSilence_ms = 10'000;

// splitmix64: the same readings in every run.
class Draw {
 public:
  std::uint64_t below(std::uint64_t bound) {
    state_ += 0x9E3779B97F4A7C15U;
    std::uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30U)) * 0xBF58476D1CE4E5B9U;
    mixed = (mixed ^ (mixed >> 27U)) * 0x94D049BB133111EBU;
    return (mixed ^ (mixed >> 31U)) % bound;
  }
  // From -bound to bound.
  std::int64_t around(std::int64_t bound) {
    return static_cast<std::int64_t>(below(2 * static_cast<std::uint64_t>(bound) + 1)) - bound;
  }

 private:
  std::uint64_t state_ = 2026;
};

// What fifty sensors say, each in its own time: about 100 B of JSON with wandering values.
class Telemetry {
 public:
  Telemetry() {
    for (Sensor& sensor : sensors_) {
      sensor = {.centidegrees = 1500 + draw_.around(900),
                .decipercent = 550 + draw_.around(250),
                .millivolt = 3300 + draw_.around(200),
                .signal_dbm = -70 + draw_.around(15)};
    }
  }

  // The topic, and the payload, of the next reading. Valid until the next call.
  struct Reading {
    std::string_view topic;
    std::string_view payload;
  };
  Reading next() {
    const std::uint64_t index = draw_.below(kSensors);
    Sensor& sensor = sensors_[index];
    sensor.centidegrees += draw_.around(12);
    sensor.decipercent += draw_.around(4);
    sensor.millivolt += draw_.around(2);
    sensor.signal_dbm += draw_.around(1);
    now_ms_ += 1 + draw_.below(7);
    const int topic_bytes = std::snprintf(topic_.data(), topic_.size(), "bench/load/barn/sensor-%02u/telemetry",
                                          static_cast<unsigned>(index));
    const int payload_bytes =
        std::snprintf(payload_.data(), payload_.size(),
                      R"({"ts":%llu,"id":"sensor-%02u","temp_c":%.2f,"humidity":%.1f,"battery_v":%.3f,"rssi":%d})",
                      static_cast<unsigned long long>(now_ms_), static_cast<unsigned>(index),
                      static_cast<double>(sensor.centidegrees) / 100, static_cast<double>(sensor.decipercent) / 10,
                      static_cast<double>(sensor.millivolt) / 1000, static_cast<int>(sensor.signal_dbm));
    return {.topic = {topic_.data(), static_cast<std::size_t>(topic_bytes)},
            .payload = {payload_.data(), static_cast<std::size_t>(payload_bytes)}};
  }

 private:
  struct Sensor {
    std::int64_t centidegrees = 0;
    std::int64_t decipercent = 0;
    std::int64_t millivolt = 0;
    std::int64_t signal_dbm = 0;
  };
  Draw draw_;
  std::array<Sensor, kSensors> sensors_{};
  std::uint64_t now_ms_ = 1'763'800'000'000;
  std::array<char, 64> topic_{};
  std::array<char, 192> payload_{};
};

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

void wait_readable(const Stream& stream, const char* what) {
  pollfd entry{.fd = stream.fd(), .events = POLLIN, .revents = 0};
  if (::poll(&entry, 1, kSilence_ms) != 1) throw std::runtime_error(std::string("no ") + what + " for 10 s");
}

}  // namespace

FillResult run_fill(const FillLoad& load) {
  Stream stream = connect_client(load.port, fresh_client_id());
  Telemetry telemetry;
  FillResult result;
  const auto start = Clock::now();
  const std::uint64_t total = load.count + 2;  // the markers
  std::uint64_t sent = 0;
  std::uint64_t acked = 0;
  while (acked < total) {
    for (; sent < total && sent - acked < load.window; ++sent) {
      const auto id = static_cast<std::uint16_t>(sent % 60'000 + 1);
      if (sent == 0 || sent + 1 == total) {
        stream.append(encode_publish(kMarkerTopic, bytes_of(sent == 0 ? "first" : "last"), 1, id));
        continue;
      }
      const auto [topic, payload] = telemetry.next();
      result.payload_bytes += payload.size();
      stream.append(encode_publish(topic, bytes_of(payload), 1, id));
    }
    stream.flush();
    wait_readable(stream, "acknowledgement");
    if (!stream.receive([&](const Packet& packet) { acked += packet.type() == kPuback ? 1U : 0U; })) {
      throw std::runtime_error("the broker closed the publisher");
    }
  }
  result.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return result;
}

CollectResult run_collect(const CollectLoad& load) {
  Stream stream = connect_client(load.port, fresh_client_id(), {}, /*clean_session=*/false);
  subscribe(stream, load.filter, 1);
  std::printf("subscribed\n");
  std::fflush(stdout);
  CollectResult result;
  auto first = Clock::now();
  const auto deadline = first + load.limit;
  while (result.messages < load.count) {
    pollfd entry{.fd = stream.fd(), .events = POLLIN, .revents = 0};
    if (Clock::now() > deadline) {
      throw std::runtime_error("only " + std::to_string(result.messages) + " of " + std::to_string(load.count) +
                               " messages came in time");
    }
    if (::poll(&entry, 1, 1000) != 1) continue;
    const bool is_open = stream.receive([&](const Packet& packet) {
      if (packet.type() != kPublish) return;
      if (result.messages++ == 0) first = Clock::now();
      if (packet.qos() > 0) stream.append_puback(u16_at(packet.body, payload_at(packet) - 2));
    });
    if (!is_open) throw std::runtime_error("the broker closed the subscriber");
    stream.flush();
  }
  result.seconds = std::chrono::duration<double>(Clock::now() - first).count();
  return result;
}

}  // namespace hedgerow::bench
