#include "daemon/link_paho/worker.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <utility>

#include "security/crypto_mbedtls/crypto.hpp"
#include "security/paho_tls/paho_tls.hpp"

namespace hedgerow::link_paho {

namespace {

using std::chrono::steady_clock;

// While messages sit in Paho, its sender is woken after pauses that double from the first to the last of these.
constexpr auto kNudgeFirst = std::chrono::milliseconds{2};
constexpr auto kNudgeLast = std::chrono::milliseconds{500};
constexpr auto kInboundStep = std::chrono::milliseconds{10};

// Diallers that are inside stop(). Paho's one receive thread serves all links: it must not pause for one link's sake
// while the loop waits for another to end.
std::atomic<int> stopping_diallers{0};

std::uint64_t random_number() {
  std::array<std::uint8_t, 8> bytes{};
  // Without random numbers the pause is the shortest: dialling goes on.
  if (!security::random_bytes(bytes)) return 0;
  std::uint64_t number = 0;
  std::memcpy(&number, bytes.data(), sizeof number);
  return number;
}

}  // namespace

Worker::Worker(DialSettings settings, Post post, DialEvents& events)
    : settings_(std::move(settings)), post_(std::move(post)), events_(events) {}

void Worker::start() {
  thread_ = std::thread([self = shared_from_this()] { self->run(); });
}

void Worker::stop() {
  if (loop_stopped_) return;
  loop_stopped_ = true;
  stopping_diallers.fetch_add(1);
  bool leave_alone = false;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    up_ = false;
    leave_alone = resolving_;
  }
  wake_.notify_all();
  inbound_room_.notify_all();
  if (thread_.joinable()) {
    // The system's resolver cannot be interrupted; the thread ends after it, without a sound.
    if (leave_alone) {
      thread_.detach();
    } else {
      thread_.join();
    }
  }
  stopping_diallers.fetch_sub(1);
}

bool Worker::send(std::string topic, Bytes message) {
  {
    const std::lock_guard lock(mutex_);
    if (!up_ || topic.size() > kTopicBytesMax || outgoing_.size() >= kQueuedMessagesMax) return false;
    const std::size_t waiting = outgoing_bytes_ + in_paho_bytes_ + unsent_bytes_;
    if (message.size() > kQueuedBytesMax - std::min(waiting, kQueuedBytesMax)) return false;
    outgoing_bytes_ += message.size();
    outgoing_.push_back({.topic = std::move(topic), .message = std::move(message)});
  }
  wake_.notify_all();
  return true;
}

std::size_t Worker::queued_bytes() const {
  const std::lock_guard lock(mutex_);
  return outgoing_bytes_ + in_paho_bytes_ + unsent_bytes_;
}

void Worker::post_event(std::function<void(DialEvents&)> task) {
  post_([self = shared_from_this(), task = std::move(task)] {
    if (!self->loop_stopped_) task(self->events_);
  });
}

void Worker::on_subscribed(const security::PeerIdentity& peer) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    up_ = true;
  }
  wake_.notify_all();
  post_event([peer](DialEvents& events) { events.on_up(peer); });
}

void Worker::on_arrived(std::string topic, Bytes payload) {
  const std::size_t bytes = payload.size() + topic.size();
  {
    std::unique_lock lock(mutex_);
    const auto has_room = [&] { return inbound_bytes_ == 0 || inbound_bytes_ + bytes <= kInboundBytesMax; };
    const auto until = steady_clock::now() + kInboundPauseMax;
    while (!has_room() && !stopping_ && stopping_diallers.load() == 0 && steady_clock::now() < until) {
      inbound_room_.wait_for(lock, kInboundStep);
    }
    if (stopping_) return;
    if (!has_room()) {
      ++lost_inbound_;  // QoS 0 between links: pull repairs it
      return;
    }
    inbound_bytes_ += bytes;
  }
  post_([self = shared_from_this(), bytes, topic = std::move(topic), payload = std::move(payload)]() mutable {
    {
      const std::lock_guard lock(self->mutex_);
      self->inbound_bytes_ -= bytes;
    }
    self->inbound_room_.notify_all();
    if (!self->loop_stopped_) self->events_.on_message(std::move(topic), std::move(payload));
  });
}

void Worker::on_left(std::size_t bytes) {
  bool waited_for = false;
  {
    const std::lock_guard lock(mutex_);
    in_paho_bytes_ -= std::min(bytes, in_paho_bytes_);
    in_paho_messages_ -= std::min<std::size_t>(1, in_paho_messages_);
    waited_for = may_publish();
  }
  if (waited_for) wake_.notify_all();
}

void Worker::on_unsent(std::size_t bytes) {
  bool waited_for = false;
  {
    const std::lock_guard lock(mutex_);
    unsent_bytes_ = bytes;
    waited_for = may_publish();
  }
  if (waited_for) wake_.notify_all();
}

void Worker::on_ended(std::string reason) {
  {
    const std::lock_guard lock(mutex_);
    up_ = false;
    if (!ended_) ended_ = std::move(reason);
  }
  wake_.notify_all();
}

void Worker::run() {
  const auto where = split_host_port(settings_.host_port);
  if (!where) return report_down(where.error().what);
  for (;;) {
    report_down(dial_once(*where));
    if (!pause(backoff_.next(random_number()))) return;
  }
}

void Worker::report_down(std::string reason) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    if (lost_inbound_ != 0) {
      reason += "; " + std::to_string(std::exchange(lost_inbound_, 0)) + " messages came faster than they were taken";
    }
  }
  post_event([reason = std::move(reason)](DialEvents& events) { events.on_down(reason); });
}

// False: stop() was called.
bool Worker::pause(Duration duration) {
  std::unique_lock lock(mutex_);
  return !wake_.wait_for(lock, duration, [this] { return stopping_; });
}

// One attempt, and the link that comes of it. Returns why it ended.
std::string Worker::dial_once(const HostPort& where) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return {};
    resolving_ = true;
    ended_.reset();
  }
  const auto addresses = resolve(where);
  {
    const std::lock_guard lock(mutex_);
    resolving_ = false;
    if (stopping_) return {};
  }
  if (!addresses) return addresses.error().what;
  std::string reason;
  {
    Connection connection(settings_, (*addresses)[attempt_++ % addresses->size()], *this);
    reason = hold(connection);
  }
  const std::lock_guard lock(mutex_);
  up_ = false;
  outgoing_.clear();
  outgoing_bytes_ = 0;
  in_paho_bytes_ = 0;
  in_paho_messages_ = 0;
  unsent_bytes_ = 0;
  if (std::exchange(up_since_, {}) != steady_clock::time_point{}) --attempt_;  // that address works: dial it again
  return reason;
}

// Carries messages until the link ends or stop() is called.
std::string Worker::hold(Connection& connection) {
  const auto give_up = steady_clock::now() + kUpTimeout;
  auto nudge = kNudgeFirst;
  std::size_t seen_in_paho = 0;
  std::unique_lock lock(mutex_);
  const auto something = [this] {
    return stopping_ || ended_ || may_publish() || (up_ && up_since_ == steady_clock::time_point{});
  };
  while (!stopping_ && !ended_) {
    const auto now = steady_clock::now();
    if (up_ && up_since_ == steady_clock::time_point{}) up_since_ = now;
    if (!up_ && now >= give_up) return "the peer accepted the connection and then said nothing";
    publish_waiting(connection, lock);
    if (in_paho_messages_ != 0) {
      const bool progress = std::exchange(seen_in_paho, in_paho_messages_) != in_paho_messages_;
      nudge = progress ? kNudgeFirst : std::min(nudge * 2, kNudgeLast);
      if (!wake_.wait_for(lock, nudge, something) && in_paho_messages_ != 0) security::wake_paho_sender();
    } else if (up_) {
      wake_.wait(lock, something);
    } else {
      wake_.wait_until(lock, give_up, something);
    }
  }
  if (up_since_ != steady_clock::time_point{}) {
    backoff_.link_fell(std::chrono::duration_cast<Duration>(steady_clock::now() - up_since_));
  }
  return ended_.value_or("stopped");
}

bool Worker::may_publish() const { return !outgoing_.empty() && in_paho_bytes_ + unsent_bytes_ < kInFlightBytesMax; }

void Worker::publish_waiting(Connection& connection, std::unique_lock<std::mutex>& lock) {
  while (may_publish() && !stopping_ && !ended_) {
    const Outgoing next = std::move(outgoing_.front());
    outgoing_.pop_front();
    outgoing_bytes_ -= next.message.size();
    in_paho_bytes_ += next.message.size();
    ++in_paho_messages_;
    lock.unlock();
    if (!connection.publish(next.topic, next.message)) on_left(next.message.size());
    lock.lock();
  }
}

}  // namespace hedgerow::link_paho
