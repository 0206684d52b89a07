// MQTT clients that are not ours: Paho MQTT C++ over plain TCP, one for load and one that collects.
// Thread rule: one thread at a time; Paho's threads stay inside.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/process.hpp"

namespace hedgerow::test {

// A number of a publisher's sequence and what it writes: "MARKER 0000000042".
[[nodiscard]] std::string numbered_payload(std::string_view marker, std::uint64_t number);
// The inverse; throws on anything else.
[[nodiscard]] std::uint64_t payload_number(std::string_view payload);

// Publishes numbered payloads at QoS 1 with a window of unacknowledged ones, as fast as they are acknowledged.
class LoadPublisher {
 public:
  struct Options {
    std::uint16_t port = 0;
    std::string client_id = "load";
    std::string topic = "load";
    std::string marker = "reading";
    std::uint64_t first = 0;  // number of the first payload
    std::uint64_t count = 0;
    std::size_t window = 100;
  };

  // Connects, and begins on a thread of its own. Throws when the connection is refused.
  explicit LoadPublisher(const Options& options);
  LoadPublisher(const LoadPublisher&) = delete;
  LoadPublisher& operator=(const LoadPublisher&) = delete;
  ~LoadPublisher();

  // Waits until so many are acknowledged; false: the connection was lost first, or the time was over.
  bool wait_for_acknowledged(std::uint64_t count, std::chrono::milliseconds patience = kPatience);
  // Waits for the last acknowledgement or the loss of the connection, then disconnects. The numbers that were
  // acknowledged with success, in ascending order.
  std::vector<std::uint64_t> finish(std::chrono::milliseconds patience = kPatience);
  // Why it stopped before its time, for messages of failed tests. Empty: it did not.
  [[nodiscard]] std::string trouble() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Subscribes at QoS 1 over MQTT 5 and keeps every payload in order of arrival. Its session is kept by the broker, and
// resumed by resume() after a loss.
class Collector {
 public:
  struct Options {
    std::uint16_t port = 0;
    std::string client_id = "collector";
    std::string filter = "load";
    std::uint16_t receive_maximum = 100;
    bool clean_start = true;  // of the first connection
  };

  // Connects and subscribes. Throws when that is refused.
  explicit Collector(Options options);
  Collector(const Collector&) = delete;
  Collector& operator=(const Collector&) = delete;
  ~Collector();

  // After a loss or disconnect(): connects anew, as often as it takes, with the session that is there. False: there was
  // none, or time was over.
  bool resume(std::chrono::milliseconds patience = kPatience);
  bool wait_until_lost(std::chrono::milliseconds patience = kPatience);
  void disconnect();

  bool wait_for(std::uint64_t payloads, std::chrono::milliseconds patience = kPatience);
  bool wait_for_payload(const std::string& payload, std::chrono::milliseconds patience = kPatience);
  [[nodiscard]] std::vector<std::string> payloads() const;
  [[nodiscard]] std::uint64_t count() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// What is wrong with a sequence of numbers that should be a superset of 0 … count-1 in order.
struct Sequence {
  std::uint64_t missing = 0;     // numbers that never came
  std::uint64_t duplicates = 0;  // copies beyond the first
  std::uint64_t disorder = 0;    // first copies that came after a higher first copy
};

// `expected` ascending. Numbers beside them count for order only: what was sent and not acknowledged may be there.
[[nodiscard]] Sequence inspect(const std::vector<std::string>& payloads, const std::vector<std::uint64_t>& expected);
[[nodiscard]] std::vector<std::uint64_t> numbers_up_to(std::uint64_t count);

}  // namespace hedgerow::test
