#include "security/paho_tls/session.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "security/paho_tls/flusher.hpp"

namespace hedgerow::security {

namespace {

constexpr std::size_t kReceiveBytes = 16 * 1024;

// Who writes through Paho must hold back long before: PahoTls tells what waits. Beyond this the session fails.
constexpr std::size_t kUnsentBytesMax = std::size_t{16} << 20U;

std::string os_text(const char* doing, int code) {
  return std::string{doing} + ": " + std::generic_category().message(code);
}

}  // namespace

std::shared_ptr<PahoSession> PahoSession::create(int socket, std::shared_ptr<PahoReport> report) {
  auto channel = TlsChannel::create(report->context(), TlsSide::kClient);
  if (!channel) {
    report->set_error(channel.error().what);
    return nullptr;
  }
  // Paho lets the kernel gather small packets (Nagle): a message then waits for the acknowledgement of the one before.
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return std::shared_ptr<PahoSession>(new PahoSession(socket, std::move(report), *std::move(channel)));
}

PahoSession::PahoSession(int socket, std::shared_ptr<PahoReport> report, std::unique_ptr<TlsChannel> channel)
    : socket_(socket), report_(std::move(report)), channel_(std::move(channel)) {}

PahoSession::Result PahoSession::fail_with(std::string reason) {
  over_ = true;
  report_->set_error(std::move(reason));
  return Result::kFailed;
}

// Moves what the channel has encrypted behind what waits for the socket.
void PahoSession::take_ciphertext() {
  if (unsent() == 0) {
    wire_.clear();
    wire_sent_ = 0;
    channel_->take_outgoing(wire_);
    return;
  }
  Bytes more;
  if (channel_->take_outgoing(more)) append(wire_, more);
}

// Sends what waits. kDone: nothing waits any more.
PahoSession::Result PahoSession::flush() {
  if (over_) return Result::kFailed;
  take_ciphertext();
  Result result = Result::kDone;
  while (unsent() != 0) {
    const ssize_t sent = ::send(socket_, wire_.data() + wire_sent_, unsent(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      wire_sent_ += static_cast<std::size_t>(sent);
    } else if (errno == EAGAIN) {
      result = Result::kWouldBlock;
      break;
    } else if (errno != EINTR) {
      const std::string reason = os_text("cannot send", errno);
      explain();
      return fail_with(reason);
    }
  }
  if (unsent() != reported_unsent_) {
    reported_unsent_ = unsent();
    report_->set_unsent(reported_unsent_);
  }
  return result;
}

PahoSession::Result PahoSession::flush_or_watch() {
  const Result result = flush();
  if (result == Result::kWouldBlock) Flusher::get().watch(socket_, shared_from_this());
  return result;
}

// The peer has closed, and perhaps said why before: reads that.
void PahoSession::explain() {
  std::array<std::uint8_t, kReceiveBytes> block;
  const ssize_t count = ::recv(socket_, block.data(), block.size(), MSG_DONTWAIT);
  if (count <= 0) return;
  if (auto fed = channel_->feed(ByteView{block}.first(static_cast<std::size_t>(count)), decrypted_); !fed) {
    report_->set_error(std::move(fed.error().what));
  }
}

// Receives once and decrypts. kDone: something arrived, though perhaps not yet a whole record.
PahoSession::Result PahoSession::receive() {
  if (over_) return Result::kFailed;
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
  const Result flushed = flush_or_watch();  // a handshake's next flight, or the alert that says why not
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
    if (channel_->state() != TlsChannel::State::kOpen) return fail_with("the peer closed the session");
    if (const Result received = receive(); received != Result::kDone) return received;
  }
}

bool PahoSession::has_decrypted() const {
  const std::lock_guard lock(mutex_);
  return decrypted_read_ < decrypted_.size();
}

bool PahoSession::write(ByteView plaintext) {
  const std::lock_guard lock(mutex_);
  if (over_) return false;
  while (!plaintext.empty()) {
    const auto written = channel_->write(plaintext);
    if (!written) {
      fail_with(written.error().what);
      return false;
    }
    plaintext = plaintext.subspan(*written);
    take_ciphertext();
    if (unsent() > kUnsentBytesMax) {
      fail_with("the peer takes nothing, and too much waits for it");
      return false;
    }
  }
  return flush_or_watch() != Result::kFailed;
}

bool PahoSession::flush_waiting() {
  const std::lock_guard lock(mutex_);
  return flush() == Result::kWouldBlock;
}

void PahoSession::refuse(std::string reason) {
  const std::lock_guard lock(mutex_);
  fail_with(std::move(reason));
}

void PahoSession::close() {
  const std::lock_guard lock(mutex_);
  channel_->close();
  if (!over_) static_cast<void>(flush());
  over_ = true;
}

}  // namespace hedgerow::security
