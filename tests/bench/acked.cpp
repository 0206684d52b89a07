#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "tests/bench/loads.hpp"
#include "tests/bench/stream.hpp"

namespace hedgerow::bench {
namespace {

constexpr std::string_view kTopic = "bench/acked";
constexpr std::size_t kPayloadBytes = 64;
constexpr int kSilence_ms = 10'000;

// One client with its window. Identifiers go up, and acknowledgements must come in that order.
class Publisher {
 public:
  Publisher(std::uint16_t port, std::uint64_t window, std::uint64_t count)
      : stream_(connect_client(port, fresh_client_id())), window_(window), left_(count) {
    const std::array<std::uint8_t, kPayloadBytes> payload{};
    packet_ = encode_publish(kTopic, payload, 1, 0);
  }

  [[nodiscard]] int fd() const { return stream_.fd(); }

  // Returns how many were acknowledged.
  std::uint64_t receive() {
    std::uint64_t acked = 0;
    const bool is_open = stream_.receive([&](const Packet& packet) {
      if (packet.type() != kPuback) return;
      if (u16_at(packet.body, 0) != next_acked_) throw std::runtime_error("an acknowledgement came out of order");
      next_acked_ = following(next_acked_);
      ++acked;
    });
    if (!is_open) throw std::runtime_error("the broker closed the connection of a publisher; look at its log");
    in_flight_ -= acked;
    return acked;
  }

  void fill() {
    const std::size_t at = packet_id_at(kTopic);
    for (; in_flight_ < window_ && left_ > 0; ++in_flight_, --left_) {
      packet_[at] = static_cast<std::uint8_t>(next_id_ >> 8U);
      packet_[at + 1] = static_cast<std::uint8_t>(next_id_);
      stream_.append(packet_);
      next_id_ = following(next_id_);
    }
    stream_.flush();
  }

 private:
  static std::uint16_t following(std::uint16_t id) {
    return id == 0xFFFFU ? std::uint16_t{1} : static_cast<std::uint16_t>(id + 1U);
  }

  Stream stream_;
  std::vector<std::uint8_t> packet_;
  std::uint64_t window_;
  std::uint64_t left_;
  std::uint64_t in_flight_ = 0;
  std::uint16_t next_id_ = 1;
  std::uint16_t next_acked_ = 1;
};

double thread_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         1e-6 * static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

}  // namespace

AckedResult run_acked(const AckedLoad& load) {
  std::vector<Publisher> publishers;
  publishers.reserve(load.clients);
  const int poller = ::epoll_create1(EPOLL_CLOEXEC);
  for (std::uint64_t i = 0; i < load.clients; ++i) {
    publishers.emplace_back(load.port, load.window, load.count / load.clients);
    epoll_event event{.events = EPOLLIN, .data = {.u64 = i}};
    ::epoll_ctl(poller, EPOLL_CTL_ADD, publishers.back().fd(), &event);
  }
  const std::uint64_t total = load.count / load.clients * load.clients;

  AckedResult result;
  const double busy_before = thread_seconds();
  const auto start = Clock::now();
  const auto deadline = start + load.limit;
  for (Publisher& publisher : publishers) publisher.fill();
  auto now = start;
  std::array<epoll_event, 64> events{};
  while (result.acked < total && now < deadline) {
    const int ready = ::epoll_wait(poller, events.data(), static_cast<int>(events.size()), kSilence_ms);
    if (ready == 0) throw std::runtime_error("no acknowledgement for 10 s");
    for (int i = 0; i < ready; ++i) {
      Publisher& publisher = publishers[events[static_cast<std::size_t>(i)].data.u64];
      result.acked += publisher.receive();
      publisher.fill();
    }
    now = Clock::now();
  }
  ::close(poller);
  result.seconds = std::chrono::duration<double>(now - start).count();
  result.client_busy = (thread_seconds() - busy_before) / result.seconds;
  return result;
}

}  // namespace hedgerow::bench
