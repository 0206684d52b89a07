#include "security/dtls_mbedtls/dtls_session.hpp"

#include <mbedtls/ssl.h>

#include <algorithm>
#include <gsl/gsl>
#include <utility>

#include "security/crypto_mbedtls/crypto.hpp"
#include "security/crypto_mbedtls/mbedtls_error.hpp"
#include "security/dtls_mbedtls/dtls_context_impl.hpp"
#include "security/dtls_mbedtls/hello.hpp"
#include "security/tls_mbedtls/peer_judge.hpp"
#include "security/tls_mbedtls/tls_error.hpp"

#if defined(MBEDTLS_SSL_DTLS_CLIENT_PORT_REUSE)
#error "mbedTLS must not begin a session anew within an old one: DtlsServer does, after it has checked the cookie"
#endif

namespace hedgerow::security {
namespace {

Hash256 fingerprint(ByteView key) {
  Sha256 hasher;
  hasher.update(key);
  return hasher.finish();
}

bool is_printable(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~' && c != '"'; });
}

std::string unknown_thing(std::string_view identity) {
  if (identity.size() > kNameLengthMax || !is_printable(identity)) return "its identity is no name of a thing";
  return "no thing \"" + std::string(identity) + "\" is known here: hedgerow thing add makes its key";
}

}  // namespace

struct DtlsSession::Impl {
  Impl(std::shared_ptr<const DtlsContext> shared, Instant at, const DtlsConnectionId& connection_id,
       Ports session_ports)
      : context(std::move(shared)),
        ports(std::move(session_ports)),
        judge(context->impl().mesh, RoleSet::all()),
        id(connection_id),
        started(at),
        heard(at),
        now(at) {
    mbedtls_ssl_init(&ssl);
  }
  ~Impl() { mbedtls_ssl_free(&ssl); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Expected<void> set_up();
  void handshake(std::size_t steps_max);
  void open();
  void read(std::vector<Bytes>& messages, std::size_t steps_max);
  void end(int status);
  int take_identity(std::string_view identity);

  std::shared_ptr<const DtlsContext> context;
  Ports ports;
  PeerJudge judge;
  mbedtls_ssl_context ssl;
  DtlsConnectionId id;
  State state = State::kHandshaking;
  DtlsPeer peer;
  std::optional<std::string> thing;  // whose key is being proved
  Hash256 key_fingerprint{};
  std::string refusal;  // of the identity
  std::string reason;
  bool has_connection_id = false;
  Instant started;
  Instant heard;
  // During a call:
  Instant now;
  ByteView input;  // what mbedTLS has not taken
  // mbedTLS's timer (mbedtls_ssl_set_timer_cb):
  Instant intermediate = Instant::max();
  Instant final = Instant::max();
};

namespace {

DtlsSession::Impl& impl_of(void* self) { return *static_cast<DtlsSession::Impl*>(self); }

int send_callback(void* self, const unsigned char* data, std::size_t length) {
  impl_of(self).ports.send({data, length});
  return static_cast<int>(length);
}

// One datagram at a time, and whole.
int receive_callback(void* self, unsigned char* out, std::size_t length) {
  const ByteView datagram = std::exchange(impl_of(self).input, {});
  if (datagram.empty()) return MBEDTLS_ERR_SSL_WANT_READ;
  const std::size_t count = std::min(length, datagram.size());
  std::copy_n(datagram.begin(), count, out);
  return static_cast<int>(count);
}

int verify_callback(void* self, mbedtls_x509_crt* certificate, int depth, std::uint32_t* flags) {
  impl_of(self).judge.judge(*certificate, depth, *flags);
  return 0;
}

void set_timer(void* self, std::uint32_t intermediate_ms, std::uint32_t final_ms) {
  DtlsSession::Impl& impl = impl_of(self);
  const bool cancelled = final_ms == 0;
  impl.intermediate = cancelled ? Instant::max() : impl.now + std::chrono::milliseconds{intermediate_ms};
  impl.final = cancelled ? Instant::max() : impl.now + std::chrono::milliseconds{final_ms};
}

int get_timer(void* self) {
  const DtlsSession::Impl& impl = impl_of(self);
  if (impl.final == Instant::max()) return -1;
  if (impl.now >= impl.final) return 2;
  return impl.now >= impl.intermediate ? 1 : 0;
}

}  // namespace

int dtls_key_callback(void* /*unused*/, mbedtls_ssl_context* ssl, const unsigned char* identity, std::size_t length) {
  return impl_of(mbedtls_ssl_get_user_data_p(ssl)).take_identity(as_text({identity, length}));
}

// Whether the identity or the key is wrong looks the same from outside.
int DtlsSession::Impl::take_identity(std::string_view identity) {
  std::optional<DtlsKey> found = ports.key_of(identity);
  if (found) {
    thing = found->name;
    key_fingerprint = fingerprint(found->key);
  } else {
    refusal = unknown_thing(identity);
    found.emplace();
    found->key.resize(16);
    if (!random_bytes(found->key)) return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
  }
  return mbedtls_ssl_set_hs_psk(&ssl, found->key.data(), found->key.size());
}

Expected<void> DtlsSession::Impl::set_up() {
  int status = mbedtls_ssl_setup(&ssl, &context->impl().config);
  if (status == 0) status = mbedtls_ssl_set_cid(&ssl, MBEDTLS_SSL_CID_ENABLED, id.data(), id.size());
  if (status != 0) return fail(Category::kUnavailable, "cannot start a DTLS session: " + mbedtls_error_text(status));
  mbedtls_ssl_set_user_data_p(&ssl, this);
  mbedtls_ssl_set_verify(&ssl, verify_callback, this);
  mbedtls_ssl_set_bio(&ssl, this, send_callback, receive_callback, nullptr);
  mbedtls_ssl_set_timer_cb(&ssl, this, set_timer, get_timer);
  mbedtls_ssl_set_mtu(&ssl, static_cast<std::uint16_t>(kDtlsHandshakeDatagramBytesMax));
  return {};
}

// mbedTLS may return before it has taken the datagram, as when it has sent a flight again.
void DtlsSession::Impl::handshake(std::size_t steps_max) {
  for (std::size_t step = 0; state == State::kHandshaking; ++step) {
    const int status = mbedtls_ssl_handshake(&ssl);
    if (status == 0) return open();
    if (status != MBEDTLS_ERR_SSL_WANT_READ && status != MBEDTLS_ERR_SSL_WANT_WRITE) return end(status);
    if (input.empty() || step >= steps_max) return;
  }
}

void DtlsSession::Impl::open() {
  if (thing) {
    peer.thing = thing;
  } else if (judge.peer()) {
    peer.certificate = judge.peer();
  } else {
    return end(MBEDTLS_ERR_X509_CERT_VERIFY_FAILED);
  }
  int enabled = MBEDTLS_SSL_CID_DISABLED;
  has_connection_id =
      mbedtls_ssl_get_peer_cid(&ssl, &enabled, nullptr, nullptr) == 0 && enabled == MBEDTLS_SSL_CID_ENABLED;
  mbedtls_ssl_set_mtu(&ssl, 0);  // a message is one record, whatever the path makes of it
  heard = now;
  state = State::kOpen;
}

void DtlsSession::Impl::read(std::vector<Bytes>& messages, std::size_t steps_max) {
  for (std::size_t step = 0; state == State::kOpen && step <= steps_max; ++step) {
    unsigned char none = 0;
    const int status = mbedtls_ssl_read(&ssl, &none, 0);  // makes the next record ready
    if (status == MBEDTLS_ERR_SSL_WANT_READ || status == MBEDTLS_ERR_SSL_WANT_WRITE) {
      if (input.empty()) return;
      continue;
    }
    if (status < 0) return end(status);
    heard = now;
    Bytes message(mbedtls_ssl_get_bytes_avail(&ssl));
    if (message.empty()) continue;
    if (const int count = mbedtls_ssl_read(&ssl, message.data(), message.size()); count < 0) return end(count);
    messages.push_back(std::move(message));
  }
}

void DtlsSession::Impl::end(int status) {
  const bool was_open = std::exchange(state, State::kEnded) == State::kOpen;
  if (status == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
    mbedtls_ssl_close_notify(&ssl);
  } else if (status == MBEDTLS_ERR_SSL_TIMEOUT) {
    reason = "its handshake was not done in time: datagrams are lost on the way";
  } else if (status == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE) {
    reason = "it broke off (alert " + std::to_string(ssl.MBEDTLS_PRIVATE(in_msg)[1]) + ")";
  } else if (!refusal.empty()) {
    reason = refusal;
  } else if (status == MBEDTLS_ERR_SSL_INVALID_MAC && thing && !was_open) {
    reason = "it has another key than the one that thing \"" + *thing + "\" has here: give it the one that hedgerow " +
             "thing add printed";
  } else if (!judge.refusal().empty()) {
    reason = judge.refusal();
  } else {
    reason = tls_error(status).what;
  }
}

Expected<std::unique_ptr<DtlsSession>> DtlsSession::create(std::shared_ptr<const DtlsContext> context, Instant now,
                                                           const DtlsConnectionId& id, Ports ports) {
  Expects(context != nullptr);
  auto impl = std::make_unique<Impl>(std::move(context), now, id, std::move(ports));
  if (auto done = impl->set_up(); !done) return tl::unexpected(done.error());
  return std::unique_ptr<DtlsSession>(new DtlsSession(std::move(impl)));
}

DtlsSession::DtlsSession(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DtlsSession::~DtlsSession() = default;

void DtlsSession::feed(Instant now, ByteView datagram, std::vector<Bytes>& messages) {
  impl_->now = now;
  impl_->input = whole_records(datagram);
  if (impl_->input.empty()) return;
  impl_->handshake(datagram.size());
  impl_->read(messages, datagram.size());
  impl_->input = {};
}

void DtlsSession::on_timer(Instant now) {
  impl_->now = now;
  if (impl_->state != State::kHandshaking) return;
  if (now >= impl_->started + kDtlsHandshakeMax) return impl_->end(MBEDTLS_ERR_SSL_TIMEOUT);
  if (now >= impl_->final) impl_->handshake(0);
}

Instant DtlsSession::deadline() const {
  if (impl_->state != State::kHandshaking) return Instant::max();
  return std::min(impl_->final, impl_->started + kDtlsHandshakeMax);
}

bool DtlsSession::send(Instant now, ByteView message) {
  if (impl_->state != State::kOpen || message.size() > kDtlsMessageBytesMax) return false;
  impl_->now = now;
  return mbedtls_ssl_write(&impl_->ssl, message.data(), message.size()) >= 0;
}

void DtlsSession::close(Instant now) {
  impl_->now = now;
  if (std::exchange(impl_->state, State::kEnded) == State::kOpen) mbedtls_ssl_close_notify(&impl_->ssl);
}

DtlsSession::State DtlsSession::state() const { return impl_->state; }
const std::string& DtlsSession::reason() const { return impl_->reason; }
const DtlsPeer& DtlsSession::peer() const { return impl_->peer; }
bool DtlsSession::was_opened_by(ByteView key) const { return impl_->key_fingerprint == fingerprint(key); }
bool DtlsSession::has_connection_id() const { return impl_->has_connection_id; }
const DtlsConnectionId& DtlsSession::connection_id() const { return impl_->id; }
Instant DtlsSession::started() const { return impl_->started; }
Instant DtlsSession::last_heard() const { return impl_->heard; }

bool DtlsSession::is_authentic(ByteView datagram) const {
  Bytes copy = to_bytes(datagram);  // decrypted in place
  return mbedtls_ssl_check_record(&impl_->ssl, copy.data(), copy.size()) == 0;
}

bool DtlsSession::is_newest(std::uint16_t epoch, std::uint64_t sequence) const {
  // mbedTLS has no accessors for what arrived last.
  return epoch == impl_->ssl.MBEDTLS_PRIVATE(in_epoch) && sequence > impl_->ssl.MBEDTLS_PRIVATE(in_window_top);
}

}  // namespace hedgerow::security
