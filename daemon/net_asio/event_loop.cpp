#include "daemon/net_asio/event_loop.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <csignal>
#include <cstdint>
#include <utility>

#include "daemon/net_asio/connection.hpp"
#include "daemon/net_asio/loop_impl.hpp"

namespace hedgerow::net_asio {

using boost::system::error_code;

EventLoop::Impl::Impl() {
  read_buffer.resize(kReadBufferBytes);
  std::signal(SIGPIPE, SIG_IGN);  // a write to a closed pipe or socket is an error value, here and in libraries
}

EventLoop::Impl::~Impl() {
  for (const std::shared_ptr<Connection>& connection : connections) connection->abandon();
}

std::string EventLoop::Impl::refusal(const asio::ip::address& remote, const Limits& limits) const {
  if (connections.size() >= limits.connections_max) {
    return "too many connections: " + std::to_string(limits.connections_max) + " are allowed";
  }
  if (connections.size() >= descriptors) {
    return "too many connections: the process may open files for " + std::to_string(descriptors) +
           "; raise LimitNOFILE= in the service unit";
  }
  const auto known = connections_by_address.find(remote);
  if (known != connections_by_address.end() && known->second >= limits.connections_per_address_max) {
    return "too many connections of one address: " + std::to_string(limits.connections_per_address_max) +
           " are allowed";
  }
  return {};
}

void EventLoop::Impl::measure_descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t kept = std::min<rlim_t>(kDescriptorsKept, limit.rlim_cur / 2);
  descriptors = static_cast<std::size_t>(std::min<rlim_t>(limit.rlim_cur - kept, SIZE_MAX));
}

void EventLoop::Impl::add(const std::shared_ptr<Connection>& connection) {
  connections.insert(connection);
  connections_by_address[connection->address()] += 1;
}

void EventLoop::Impl::remove(const std::shared_ptr<Connection>& connection) {
  connections.erase(connection);
  const auto by_address = connections_by_address.find(connection->address());
  if (by_address != connections_by_address.end() && --by_address->second == 0) connections_by_address.erase(by_address);
  if (connections.empty() && all_closed) {
    closing_timer.reset();
    asio::post(context, std::exchange(all_closed, nullptr));
  }
}

void EventLoop::Impl::flush_later(const std::shared_ptr<Connection>& connection) {
  to_flush.push_back(connection);
  if (std::exchange(flush_posted, true)) return;
  asio::post(context, [this] {
    flush_posted = false;
    const std::vector<std::shared_ptr<Connection>> due = std::exchange(to_flush, {});
    for (const std::shared_ptr<Connection>& one : due) {
      one->flush_listed_ = false;
      if (one->flush_is_due_) one->flush();
    }
    for (const std::shared_ptr<Connection>& one : std::exchange(to_read_on, {})) one->read_on();
  });
}

bool EventLoop::Impl::read_on_later(const std::shared_ptr<Connection>& connection) {
  if (!flush_posted) return false;
  to_read_on.push_back(connection);
  return true;
}

void EventLoop::Impl::wait_for_signal() {
  signals->async_wait([this](const error_code& error, int number) {
    if (error) return;
    wait_for_signal();
    signal_handler(number == SIGHUP ? Signal::kReload : Signal::kTerminate);
  });
}

EventLoop::EventLoop() : impl_(std::make_unique<Impl>()) {}
EventLoop::~EventLoop() = default;

void EventLoop::run() {
  impl_->context.run();
  impl_->context.restart();  // here, not before run(): a stop() that came early must not be lost
}

std::size_t EventLoop::run_until(Instant deadline) {
  std::size_t count = impl_->context.run_one_until(to_steady(deadline));
  if (count > 0) count += impl_->context.poll();
  if (impl_->context.stopped()) impl_->context.restart();
  return count;
}

void EventLoop::stop() { impl_->context.stop(); }

void EventLoop::post(std::function<void()> task) { asio::post(impl_->context, std::move(task)); }

void EventLoop::set_timer(Instant when, std::function<void()> callback) {
  impl_->timer.expires_at(to_steady(when));
  impl_->timer.async_wait([callback = std::move(callback)](const error_code& error) {
    if (!error) callback();
  });
}

void EventLoop::cancel_timer() { impl_->timer.cancel(); }

Expected<void> EventLoop::on_signals(std::function<void(Signal)> handler) {
  impl_->signals.emplace(impl_->context);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    error_code error;
    impl_->signals->add(number, error);
    if (error) return fail(Category::kIo, "cannot watch for signal " + std::to_string(number) + ": " + error.message());
  }
  impl_->signal_handler = std::move(handler);
  impl_->wait_for_signal();
  return {};
}

std::size_t EventLoop::connections() const { return impl_->connections.size(); }

void EventLoop::close_connections(Duration time_max, std::function<void()> done) {
  if (impl_->connections.empty()) {
    post(std::move(done));
    return;
  }
  impl_->all_closed = std::move(done);
  for (const std::shared_ptr<Connection>& connection : impl_->connections) connection->close();
  impl_->closing_timer.emplace(impl_->context);
  impl_->closing_timer->expires_at(to_steady(now() + time_max));
  impl_->closing_timer->async_wait([impl = impl_.get()](const error_code& error) {
    if (error) return;
    const std::vector<std::shared_ptr<Connection>> rest(impl->connections.begin(), impl->connections.end());
    for (const std::shared_ptr<Connection>& connection : rest) connection->finish("closed by this node");
  });
}

Instant EventLoop::now() { return Instant{std::chrono::steady_clock::now().time_since_epoch()}; }

std::size_t raise_open_files_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  if (limit.rlim_cur < limit.rlim_max) {
    const rlimit raised{.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  return static_cast<std::size_t>(limit.rlim_cur);
}

}  // namespace hedgerow::net_asio
