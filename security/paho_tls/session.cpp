#include "security/paho_tls/session.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace hedgerow::security {

namespace {

constexpr std::size_t kReceiveBytes = 16 * 1024;

std::string os_text(const char* doing, int code) {
  return std::string{doing} + ": " + std::generic_category().message(code);
}

}  // namespace

std::unique_ptr<PahoSession> PahoSession::create(int socket, std::shared_ptr<PahoReport> report) {
  auto channel = TlsChannel::create(report->context(), TlsSide::kClient);
  if (!channel) {
    report->set_error(channel.error().what);
    return nullptr;
  }
  return std::unique_ptr<PahoSession>(new PahoSession(socket, std::move(report), *std::move(channel)));
}

PahoSession::PahoSession(int socket, std::shared_ptr<PahoReport> report, std::unique_ptr<TlsChannel> channel)
    : socket_(socket), report_(std::move(report)), channel_(std::move(channel)) {}

PahoSession::Result PahoSession::fail_with(std::string reason) {
  report_->set_error(std::move(reason));
  return Result::kFailed;
}

// Sends what waits. kDone: nothing waits any more.
PahoSession::Result PahoSession::flush() {
  for (;;) {
    if (wire_sent_ == wire_.size()) {
      wire_.clear();
      wire_sent_ = 0;
      if (!channel_->take_outgoing(wire_)) return Result::kDone;
    }
    const ssize_t sent =
        ::send(socket_, wire_.data() + wire_sent_, wire_.size() - wire_sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      wire_sent_ += static_cast<std::size_t>(sent);
    } else if (errno == EAGAIN) {
      return Result::kWouldBlock;
    } else if (errno != EINTR) {
      return fail_with(os_text("cannot send", errno));
    }
  }
}

// Receives once and decrypts. kDone: something arrived, though perhaps not yet a whole record.
PahoSession::Result PahoSession::receive() {
  std::array<std::uint8_t, kReceiveBytes> block;
  ssize_t count = 0;
  do {
    count = ::recv(socket_, block.data(), block.size(), MSG_DONTWAIT);
  } while (count < 0 && errno == EINTR);
  if (count < 0 && errno == EAGAIN) return Result::kWouldBlock;
  if (count < 0) return fail_with(os_text("cannot receive", errno));
  if (count == 0) return fail_with("the peer closed the connection");
  if (decrypted_read_ == decrypted_.size()) {
    decrypted_.clear();
    decrypted_read_ = 0;
  }
  auto fed = channel_->feed(ByteView{block}.first(static_cast<std::size_t>(count)), decrypted_);
  const Result flushed = flush();  // a handshake's next flight, or the alert that says why not
  if (!fed) return fail_with(std::move(fed.error().what));
  return flushed == Result::kFailed ? Result::kFailed : Result::kDone;
}

PahoSession::Result PahoSession::connect() {
  const std::lock_guard lock(mutex_);
  for (;;) {
    if (const Result flushed = flush(); flushed != Result::kDone) return flushed;
    if (channel_->state() == TlsChannel::State::kOpen) break;
    if (channel_->state() != TlsChannel::State::kHandshaking) return fail_with("the peer closed during the handshake");
    if (const Result received = receive(); received != Result::kDone) return received;
  }
  report_->set_peer(channel_->peer().value());
  return Result::kDone;
}

PahoSession::Result PahoSession::read(char* out, std::size_t wanted, std::size_t& count) {
  const std::lock_guard lock(mutex_);
  count = 0;
  for (;;) {
    const std::size_t step = std::min(wanted - count, decrypted_.size() - decrypted_read_);
    std::copy_n(decrypted_.begin() + static_cast<std::ptrdiff_t>(decrypted_read_), step, out + count);
    decrypted_read_ += step;
    count += step;
    if (count == wanted) return Result::kDone;
    if (channel_->state() != TlsChannel::State::kOpen) {
      return fail_with(report_->error().empty() ? "the peer closed the session" : report_->error());
    }
    if (const Result received = receive(); received != Result::kDone) return received;
  }
}

bool PahoSession::has_decrypted() const {
  const std::lock_guard lock(mutex_);
  return decrypted_read_ < decrypted_.size();
}

PahoSession::Result PahoSession::write(ByteView plaintext, std::size_t& taken) {
  const std::lock_guard lock(mutex_);
  taken = 0;
  for (;;) {
    if (const Result flushed = flush(); flushed != Result::kDone) return flushed;
    if (taken == plaintext.size()) return Result::kDone;
    const auto written = channel_->write(plaintext.subspan(taken));
    if (!written) return fail_with(written.error().what);
    taken += *written;
  }
}

bool PahoSession::is_writing() const {
  const std::lock_guard lock(mutex_);
  return wire_sent_ < wire_.size() || channel_->outgoing_bytes() > 0;
}

void PahoSession::close() {
  const std::lock_guard lock(mutex_);
  channel_->close();
  (void)flush();
}

}  // namespace hedgerow::security
