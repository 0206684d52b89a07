#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include "tests/bench/loads.hpp"
#include "tests/bench/stream.hpp"

namespace hedgerow::bench {
namespace {

// What one subscriber's queue in a broker may hold at most: below what brokers drop at.
constexpr std::size_t kQueueBytes = 512 * 1024;
constexpr std::uint64_t kWindowMax = 200;
constexpr std::chrono::seconds kQuiet{1};
constexpr std::chrono::seconds kSilence{10};

// The first bytes of a payload.
struct Mark {
  std::uint64_t publisher = 0;
  std::uint64_t number = 0;
};

double thread_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         1e-6 * static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

struct Publisher {
  Stream stream;
  std::string topic;
  std::uint64_t sent = 0;
  std::uint64_t done = 0;           // that all subscribers have; without gaps
  std::vector<std::uint32_t> seen;  // by number modulo the window: how many subscribers have it
};

class Flow {
 public:
  explicit Flow(const FlowLoad& load)
      : load_(load),
        window_(std::clamp<std::uint64_t>(kQueueBytes / load.payload_bytes / load.publishers, 2, kWindowMax)),
        payload_(load.payload_bytes),
        poller_(::epoll_create1(EPOLL_CLOEXEC)) {
    for (std::uint64_t i = 0; i < load.subscribers; ++i) {
      subscribers_.push_back(connect_client(load.port, fresh_client_id(), load.authority_file));
      subscribe(subscribers_.back(), "bench/flow/#", load.qos);
      watch(subscribers_.back().fd(), i);
    }
    for (std::uint64_t i = 0; i < load.publishers; ++i) {
      publishers_.push_back({.stream = connect_client(load.port, fresh_client_id(), load.authority_file),
                             .topic = "bench/flow/" + std::to_string(i),
                             .seen = std::vector<std::uint32_t>(window_)});
      watch(publishers_.back().stream.fd(), load.subscribers + i);
    }
  }
  Flow(const Flow&) = delete;
  Flow& operator=(const Flow&) = delete;
  ~Flow() { ::close(poller_); }

  FlowResult run() {
    FlowResult result;
    const double busy_before = thread_seconds();
    const auto start = Clock::now();
    auto progress = start;
    auto now = start;
    std::array<epoll_event, 64> events{};
    while (now < start + load_.duration) {
      for (std::uint64_t i = 0; i < publishers_.size(); ++i) fill(i);
      const int ready = ::epoll_wait(poller_, events.data(), static_cast<int>(events.size()), 100);
      for (int i = 0; i < ready; ++i) receive(events[static_cast<std::size_t>(i)].data.u64);
      now = Clock::now();
      if (ready > 0) progress = now;
      if (load_.qos == 0 && now - progress > kQuiet) {
        result.lost += give_up();
        progress = now;
      }
      if (now - progress > kSilence) throw std::runtime_error("nothing came for 10 s");
    }
    std::uint64_t done = 0;
    for (const Publisher& publisher : publishers_) done += publisher.done;
    const double seconds = std::chrono::duration<double>(now - start).count();
    result.published_per_s = static_cast<double>(done - result.lost) / seconds;
    result.client_busy = (thread_seconds() - busy_before) / seconds;
    return result;
  }

 private:
  void watch(int fd, std::uint64_t number) {
    epoll_event event{.events = EPOLLIN, .data = {.u64 = number}};
    ::epoll_ctl(poller_, EPOLL_CTL_ADD, fd, &event);
  }

  void fill(std::uint64_t index) {
    Publisher& publisher = publishers_[index];
    if (publisher.sent == publisher.done + window_) return;
    for (; publisher.sent < publisher.done + window_; ++publisher.sent) {
      const Mark mark{.publisher = index, .number = publisher.sent};
      std::memcpy(payload_.data(), &mark, sizeof(mark));
      const auto id = static_cast<std::uint16_t>(publisher.sent % 60'000 + 1);
      publisher.stream.append(encode_publish(publisher.topic, payload_, load_.qos, id));
    }
    publisher.stream.flush();
  }

  void receive(std::uint64_t number) {
    if (number >= subscribers_.size()) {
      Stream& stream = publishers_[number - subscribers_.size()].stream;
      if (!stream.receive([](const Packet&) {})) throw std::runtime_error("the broker closed a publisher");
      return;
    }
    Stream& stream = subscribers_[number];
    const bool is_open = stream.receive([&](const Packet& packet) {
      if (packet.type() != kPublish) return;
      const std::size_t at = payload_at(packet);
      if (packet.body.size() != at + load_.payload_bytes) throw std::runtime_error("a message arrived changed");
      Mark mark;
      std::memcpy(&mark, packet.body.data() + at, sizeof(mark));
      if (packet.qos() > 0) stream.append_puback(u16_at(packet.body, at - 2));
      count(mark);
    });
    if (!is_open) throw std::runtime_error("the broker closed a subscriber");
    stream.flush();
  }

  void count(const Mark& mark) {
    Publisher& publisher = publishers_.at(mark.publisher);
    if (mark.number < publisher.done) return;  // given up before
    publisher.seen[mark.number % window_] += 1;
    while (publisher.done < publisher.sent && publisher.seen[publisher.done % window_] >= subscribers_.size()) {
      publisher.seen[publisher.done % window_] = 0;
      publisher.done += 1;
    }
  }

  // What will not come any more is lost. Returns how many messages some subscriber does not have.
  std::uint64_t give_up() {
    std::uint64_t lost = 0;
    for (Publisher& publisher : publishers_) {
      lost += publisher.sent - publisher.done;
      publisher.done = publisher.sent;
      std::fill(publisher.seen.begin(), publisher.seen.end(), 0U);
    }
    return lost;
  }

  const FlowLoad load_;
  const std::uint64_t window_;
  std::vector<std::uint8_t> payload_;
  std::vector<Stream> subscribers_;
  std::vector<Publisher> publishers_;
  int poller_;
};

}  // namespace

FlowResult run_flow(const FlowLoad& load) { return Flow(load).run(); }

void hold_idle(std::uint16_t port, const std::string& authority_file, std::uint64_t count, std::chrono::seconds limit) {
  std::vector<Stream> clients;
  clients.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) clients.push_back(connect_client(port, fresh_client_id(), authority_file));
  std::printf("idle %llu\n", static_cast<unsigned long long>(count));
  std::fflush(stdout);
  std::this_thread::sleep_for(limit);
}

}  // namespace hedgerow::bench
