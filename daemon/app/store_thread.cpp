#include "daemon/app/store_thread.hpp"

#include <chrono>
#include <memory>
#include <utility>

#include "daemon/node/intent_weight.hpp"
#include "daemon/node/turn_share.hpp"

namespace hedgerow::app {

namespace {

constexpr auto kScrubAfterStart = std::chrono::seconds{30};  // whoever connects comes first

}  // namespace

StoreThread::StoreThread(Ports ports)
    : ports_(std::move(ports)), turn_(ports_.engine, ports_.sessions, ports_.remote_commit) {}

StoreThread::~StoreThread() { finish(); }

void StoreThread::start() {
  store_ = std::thread([this] { run_store(); });
  reader_ = std::thread([this] { run_reader(); });
}

void StoreThread::finish() {
  {
    const std::lock_guard lock(store_mutex_);
    store_ends_ = true;
  }
  store_wakes_.notify_one();
  if (store_.joinable()) store_.join();
  {
    const std::lock_guard lock(read_mutex_);
    reader_ends_ = true;
  }
  reader_wakes_.notify_one();
  if (reader_.joinable()) reader_.join();
}

void StoreThread::submit(node::Intent intent) {
  pending_bytes_.fetch_add(node::weight(intent), std::memory_order_relaxed);
  bool was_empty = false;
  {
    const std::lock_guard lock(store_mutex_);
    was_empty = intents_.empty();
    intents_.push_back(std::move(intent));
  }
  if (was_empty) store_wakes_.notify_one();
}

std::size_t StoreThread::pending_bytes() const { return pending_bytes_.load(std::memory_order_relaxed); }

void StoreThread::when_committed(std::function<void()> then) {
  {
    const std::lock_guard lock(store_mutex_);
    barriers_.push_back(std::move(then));
  }
  store_wakes_.notify_one();
}

void StoreThread::hand_back(node::TurnResult result) {
  auto shared = std::make_shared<node::TurnResult>(std::move(result));
  ports_.post([this, shared] { ports_.on_turn(std::move(*shared)); });
}

void StoreThread::run_store() {
  using Clock = std::chrono::steady_clock;
  std::vector<node::Intent> intents;
  std::vector<std::function<void()>> barriers;
  Clock::time_point commit_at{};  // while a transaction is open
  while (true) {
    bool ends = false;
    {
      std::unique_lock lock(store_mutex_);
      const auto is_wanted = [&] { return store_ends_ || !intents_.empty() || !barriers_.empty(); };
      if (turn_.is_open()) {
        store_wakes_.wait_until(lock, commit_at, is_wanted);
      } else {
        store_wakes_.wait(lock, is_wanted);
      }
      ends = store_ends_ && intents_.empty() && barriers_.empty();
      intents = node::take_turn(intents_);
      if (intents_.empty()) barriers.swap(barriers_);
    }
    if (!intents.empty()) {
      std::size_t bytes = 0;
      for (const node::Intent& intent : intents) bytes += node::weight(intent);
      if (turn_.must_commit_before(intents)) hand_back(turn_.commit(ports_.wall_clock()));
      const bool was_open = turn_.is_open();
      node::TurnResult result = turn_.run(ports_.wall_clock(), intents);
      intents.clear();
      pending_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
      hand_back(std::move(result));
      if (!was_open) commit_at = Clock::now() + ports_.remote_commit;
    }
    if (turn_.is_open() && (ends || !barriers.empty() || Clock::now() >= commit_at)) {
      hand_back(turn_.commit(ports_.wall_clock()));
    }
    if (ends) return;
    for (std::function<void()>& barrier : barriers) ports_.post(std::move(barrier));
    barriers.clear();
    if (ports_.checkpoint_due()) {
      {
        const std::lock_guard lock(read_mutex_);
        checkpoint_wanted_ = true;
      }
      reader_wakes_.notify_one();
    }
  }
}

void StoreThread::read(node::ReadJob job, std::function<void(Instant, const Error&)> failed) {
  {
    const std::lock_guard lock(read_mutex_);
    reads_.push_back({std::move(job), std::move(failed)});
  }
  reader_wakes_.notify_one();
}

void StoreThread::run_reader() {
  auto scrub_at = std::chrono::steady_clock::now() + kScrubAfterStart;
  while (true) {
    Read next;
    bool checkpoint = false;
    {
      std::unique_lock lock(read_mutex_);
      reader_wakes_.wait_until(lock, scrub_at, [&] { return reader_ends_ || checkpoint_wanted_ || !reads_.empty(); });
      if (reader_ends_) return;
      checkpoint = std::exchange(checkpoint_wanted_, false);
      if (!reads_.empty()) {
        next = std::move(reads_.front());
        reads_.pop_front();
      }
    }
    if (checkpoint) ports_.checkpoint();
    if (next.job) carry_out(next);
    if (std::chrono::steady_clock::now() >= scrub_at) scrub_at = std::chrono::steady_clock::now() + ports_.scrub();
    check_usable();
  }
}

void StoreThread::check_usable() {
  if (told_fatal_) return;
  const auto usable = ports_.usable();
  if (usable) return;
  told_fatal_ = true;
  ports_.post([this, error = usable.error()] { ports_.on_fatal(error); });
}

void StoreThread::carry_out(Read& read) {
  auto view = ports_.views.open_view();
  if (!view) {
    ports_.post(
        [this, failed = std::move(read.failed), error = std::move(view.error())] { failed(ports_.now(), error); });
    return;
  }
  node::Continuation then = read.job(**view);
  view->reset();
  if (then) ports_.post([this, then = std::move(then)] { then(ports_.now()); });
}

}  // namespace hedgerow::app
