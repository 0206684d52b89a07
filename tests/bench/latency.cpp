#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <vector>

#include "tests/bench/loads.hpp"
#include "tests/bench/stream.hpp"

namespace hedgerow::bench {
namespace {

constexpr std::string_view kTopic = "bench/latency";
constexpr std::size_t kPayloadBytes = 64;
constexpr std::chrono::seconds kProbePatience{30};
constexpr std::chrono::milliseconds kProbeInterval{20};
constexpr std::chrono::milliseconds kQuiet{300};  // for what probes left on the way
constexpr std::chrono::seconds kStragglers{5};

// The first bytes of a payload, both sides being this process.
struct Mark {
  std::uint64_t number = 0;
  Clock::time_point sent = {};
};
constexpr std::uint64_t kProbe = UINT64_MAX;

// Publisher and subscriber in one thread, which sleeps until a message arrives or the next one is due. The publisher
// never waits for the broker: a slow answer does not thin out the load that shows it.
class Loop {
 public:
  explicit Loop(const LatencyLoad& load)
      : qos_(load.qos),
        publisher_(connect_client(load.from, fresh_client_id())),
        subscriber_(connect_client(load.to, fresh_client_id())),
        poller_(::epoll_create1(EPOLL_CLOEXEC)),
        timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) {
    if (poller_ < 0 || timer_ < 0) throw std::runtime_error("no epoll or no timer: too many open files?");
    subscribe(subscriber_, kTopic, qos_);
    for (const int fd : {publisher_.fd(), subscriber_.fd(), timer_}) {
      epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
      ::epoll_ctl(poller_, EPOLL_CTL_ADD, fd, &event);
    }
  }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop() {
    ::close(timer_);
    ::close(poller_);
  }

  void publish(std::uint64_t number) {
    std::array<std::uint8_t, kPayloadBytes> payload{};
    packet_id_ = packet_id_ == 0xFFFFU ? std::uint16_t{1} : static_cast<std::uint16_t>(packet_id_ + 1U);
    const Mark mark{.number = number, .sent = Clock::now()};
    std::memcpy(payload.data(), &mark, sizeof(mark));
    publisher_.append(encode_publish(kTopic, payload, qos_, packet_id_));
    publisher_.flush();
  }

  void set_interval(std::chrono::nanoseconds interval) {
    const timespec each{.tv_sec = interval.count() / 1'000'000'000, .tv_nsec = interval.count() % 1'000'000'000};
    const itimerspec setting{.it_interval = each, .it_value = each};
    ::timerfd_settime(timer_, 0, &setting, nullptr);
  }

  // Waits for one thing at most until the deadline. Returns how many publishes have become due. Calls
  // on_message(Mark, now) for each message that arrived.
  template <class OnMessage>
  std::uint64_t turn(Clock::time_point deadline, OnMessage&& on_message) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    std::array<epoll_event, 4> events{};
    const int ready = ::epoll_wait(poller_, events.data(), static_cast<int>(events.size()),
                                   static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1000)));
    std::uint64_t due = 0;
    for (int i = 0; i < ready; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == timer_) {
        if (::read(timer_, &due, sizeof(due)) != sizeof(due)) due = 0;
      } else if (fd == publisher_.fd()) {
        if (!publisher_.receive([](const Packet&) {})) throw std::runtime_error("the publisher's broker closed");
      } else {
        receive(on_message);
      }
    }
    return due;
  }

 private:
  template <class OnMessage>
  void receive(OnMessage&& on_message) {
    const bool is_open = subscriber_.receive([&](const Packet& packet) {
      const auto now = Clock::now();
      if (packet.type() != kPublish) return;
      const std::size_t at = payload_at(packet);
      if (packet.body.size() != at + kPayloadBytes) throw std::runtime_error("a message arrived changed");
      Mark mark;
      std::memcpy(&mark, packet.body.data() + at, sizeof(mark));
      if (packet.qos() > 0) subscriber_.append_puback(u16_at(packet.body, at - 2));
      on_message(mark, now);
    });
    if (!is_open) throw std::runtime_error("the subscriber's broker closed");
    subscriber_.flush();
  }

  unsigned qos_;
  Stream publisher_;
  Stream subscriber_;
  int poller_;
  int timer_;
  std::uint16_t packet_id_ = 0;
};

// Until the way is open: links need a moment, and a node learns of a subscriber at another one.
std::chrono::milliseconds open_way(Loop& loop) {
  const auto start = Clock::now();
  const auto deadline = start + kProbePatience;
  loop.set_interval(kProbeInterval);
  bool has_arrived = false;
  while (!has_arrived) {
    if (Clock::now() > deadline) throw std::runtime_error("no message came through within 30 s; look at the logs");
    if (loop.turn(deadline, [&](const Mark&, Clock::time_point) { has_arrived = true; }) > 0) loop.publish(kProbe);
  }
  loop.set_interval({});
  return std::chrono::ceil<std::chrono::milliseconds>(Clock::now() - start);
}

double percentile(const std::vector<double>& sorted, double share) {
  const auto at = static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1));
  return sorted[at];
}

}  // namespace

std::chrono::milliseconds probe(const LatencyLoad& load) {
  Loop loop(load);
  return open_way(loop);
}

LatencyResult run_latency(const LatencyLoad& load) {
  Loop loop(load);
  open_way(loop);
  for (auto end = Clock::now() + kQuiet; Clock::now() < end;) loop.turn(end, [](const Mark&, Clock::time_point) {});

  const std::uint64_t warm_up = load.rate;  // one second
  const std::uint64_t total = warm_up + load.rate * static_cast<std::uint64_t>(load.duration.count());
  std::vector<std::optional<double>> latency_us(total);
  LatencyResult result{.sent = total - warm_up};
  std::uint64_t sent = 0;
  std::uint64_t arrived = 0;
  const auto on_message = [&](const Mark& mark, Clock::time_point now) {
    if (mark.number == kProbe) return;
    if (mark.number >= sent) throw std::runtime_error("a message arrived that was never sent");
    if (latency_us[mark.number]) {
      ++result.duplicates;
      return;
    }
    latency_us[mark.number] = std::chrono::duration<double, std::micro>(now - mark.sent).count();
    ++arrived;
  };
  loop.set_interval(std::chrono::nanoseconds{1'000'000'000 / static_cast<std::int64_t>(load.rate)});
  auto deadline = Clock::now() + load.duration * 2 + kStragglers;
  while (sent < total && Clock::now() < deadline) {
    const std::uint64_t due = loop.turn(deadline, on_message);
    for (std::uint64_t i = 0; i < due && sent < total; ++i) loop.publish(sent++);
  }
  if (sent < total) throw std::runtime_error("this machine is too busy to publish at that rate");
  loop.set_interval({});
  deadline = Clock::now() + kStragglers;
  while (arrived < total && Clock::now() < deadline) loop.turn(deadline, on_message);

  std::vector<double> sorted;
  for (std::size_t i = warm_up; i < total; ++i) {
    if (latency_us[i]) sorted.push_back(*latency_us[i]);
  }
  if (sorted.empty()) throw std::runtime_error("no message arrived");
  std::sort(sorted.begin(), sorted.end());
  result.lost = result.sent - sorted.size();
  result.p50_us = percentile(sorted, 0.5);
  result.p99_us = percentile(sorted, 0.99);
  result.max_us = sorted.back();
  return result;
}

}  // namespace hedgerow::bench
