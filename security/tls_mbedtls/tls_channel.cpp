#include "security/tls_mbedtls/tls_channel.hpp"

#include <mbedtls/ssl.h>

#include <algorithm>
#include <gsl/gsl>
#include <utility>

#include "security/crypto_mbedtls/mbedtls_error.hpp"
#include "security/tls_mbedtls/peer_judge.hpp"
#include "security/tls_mbedtls/tls_context_impl.hpp"
#include "security/tls_mbedtls/tls_error.hpp"

namespace hedgerow::security {

namespace {

constexpr std::size_t kReadBytesMin = 1024;
constexpr std::size_t kReadBytesMax = 16 * 1024;

}  // namespace

struct TlsChannel::Impl {
  explicit Impl(std::shared_ptr<const TlsContext> shared)
      : context(std::move(shared)), judge(context->self().mesh, context->impl().options.accepted_roles) {
    mbedtls_ssl_init(&ssl);
  }
  ~Impl() { mbedtls_ssl_free(&ssl); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Expected<void> set_up(TlsSide side);
  Expected<void> handshake();
  Expected<void> read(Bytes& plaintext);
  tl::unexpected<Error> failed(int status);

  static int send_callback(void* self, const unsigned char* data, std::size_t length);
  static int receive_callback(void* self, unsigned char* out, std::size_t length);
  static int verify_callback(void* self, mbedtls_x509_crt* certificate, int depth, std::uint32_t* flags);

  std::shared_ptr<const TlsContext> context;
  PeerJudge judge;
  mbedtls_ssl_context ssl;
  State state = State::kHandshaking;
  ByteView input;  // what feed() was given and mbedTLS has not taken yet
  Bytes outgoing;
  bool client = false;
  bool heard_peer = false;  // a record of the peer has been decrypted since the handshake
};

int TlsChannel::Impl::send_callback(void* self, const unsigned char* data, std::size_t length) {
  append(static_cast<Impl*>(self)->outgoing, {data, length});
  return static_cast<int>(length);
}

int TlsChannel::Impl::receive_callback(void* self, unsigned char* out, std::size_t length) {
  ByteView& input = static_cast<Impl*>(self)->input;
  if (input.empty()) return MBEDTLS_ERR_SSL_WANT_READ;
  const std::size_t count = std::min(length, input.size());
  std::copy_n(input.begin(), count, out);
  input = input.subspan(count);
  return static_cast<int>(count);
}

int TlsChannel::Impl::verify_callback(void* self, mbedtls_x509_crt* certificate, int depth, std::uint32_t* flags) {
  static_cast<Impl*>(self)->judge.judge(*certificate, depth, *flags);
  return 0;
}

Expected<void> TlsChannel::Impl::set_up(TlsSide side) {
  const auto& shared = context->impl();
  int status = mbedtls_ssl_setup(&ssl, side == TlsSide::kServer ? &shared.server : &shared.client);
  // Deliberately no host name: peers are known by the mesh's authority and their name in the certificate, and are
  // dialled by addresses that change. PeerJudge checks mesh and role instead.
  if (status == 0) status = mbedtls_ssl_set_hostname(&ssl, nullptr);
  if (status != 0) return fail(Category::kUnavailable, "cannot start a TLS session: " + mbedtls_error_text(status));
  mbedtls_ssl_set_verify(&ssl, verify_callback, this);
  mbedtls_ssl_set_bio(&ssl, this, send_callback, receive_callback, nullptr);
  client = side == TlsSide::kClient;
  if (client) return handshake();
  return {};
}

tl::unexpected<Error> TlsChannel::Impl::failed(int status) {
  const bool was_open = std::exchange(state, State::kFailed) == State::kOpen;
  judge.forget_peer();
  if (status == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE) {
    // mbedTLS has no accessor for the number of the alert that arrived: two bytes, level and description.
    const bool complete = ssl.MBEDTLS_PRIVATE(in_msglen) >= 2;
    return fail(Category::kRefused, alert_text(complete ? ssl.MBEDTLS_PRIVATE(in_msg)[1] : -1));
  }
  // mbedTLS as a server encrypts the alert that refuses a client's certificate under the keys of the handshake, which a
  // client of TLS 1.3 has left by then: the first record after the handshake cannot be read.
  if (status == MBEDTLS_ERR_SSL_INVALID_MAC && was_open && client && !heard_peer) {
    return fail(Category::kRefused,
                "the peer ended the session on seeing our certificate: another authority, mesh or role, or expired by "
                "its clock; its log says which");
  }
  const std::uint32_t flags = mbedtls_ssl_get_verify_result(&ssl);
  if (status == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED || (!judge.refusal().empty() && status != 0)) {
    if (!judge.refusal().empty()) return fail(Category::kRefused, judge.refusal());
    return fail(Category::kRefused, "certificate not acceptable (flags " + std::to_string(flags) + ")");
  }
  return tl::unexpected(tls_error(status));
}

Expected<void> TlsChannel::Impl::handshake() {
  const int status = mbedtls_ssl_handshake(&ssl);
  if (status == MBEDTLS_ERR_SSL_WANT_READ || status == MBEDTLS_ERR_SSL_WANT_WRITE) return {};
  if (status != 0) return failed(status);
  if (!judge.peer() && (client || context->impl().asks_clients())) return failed(MBEDTLS_ERR_X509_CERT_VERIFY_FAILED);
  state = State::kOpen;
  return {};
}

Expected<void> TlsChannel::Impl::read(Bytes& plaintext) {
  while (state == State::kOpen) {
    const std::size_t before = plaintext.size();
    const std::size_t room = std::clamp(input.size(), kReadBytesMin, kReadBytesMax);
    plaintext.resize(before + room);
    const int status = mbedtls_ssl_read(&ssl, plaintext.data() + before, room);
    plaintext.resize(before + (status > 0 ? static_cast<std::size_t>(status) : 0));
    heard_peer = heard_peer || status > 0;
    if (status > 0) continue;
    switch (status) {
      case MBEDTLS_ERR_SSL_WANT_READ:
      case MBEDTLS_ERR_SSL_WANT_WRITE: return {};
      case MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET: continue;
      case 0:
      case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY: state = State::kPeerClosed; return {};
      default: return failed(status);
    }
  }
  return {};
}

Expected<std::unique_ptr<TlsChannel>> TlsChannel::create(std::shared_ptr<const TlsContext> context, TlsSide side) {
  Expects(context != nullptr);
  auto impl = std::make_unique<Impl>(std::move(context));
  if (auto done = impl->set_up(side); !done) return tl::unexpected(done.error());
  return std::unique_ptr<TlsChannel>(new TlsChannel(std::move(impl)));
}

TlsChannel::TlsChannel(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsChannel::~TlsChannel() = default;

Expected<void> TlsChannel::feed(ByteView ciphertext, Bytes& plaintext) {
  if (impl_->state == State::kPeerClosed) return {};  // what follows a close_notify is ignored [RFC 8446, 6.1]
  if (impl_->state != State::kHandshaking && impl_->state != State::kOpen) {
    return fail(Category::kInvalidInput, "this TLS session has ended");
  }
  impl_->input = ciphertext;
  const auto forget_input = gsl::finally([this] { impl_->input = {}; });
  if (impl_->state == State::kHandshaking) {
    if (auto done = impl_->handshake(); !done) return done;
  }
  return impl_->read(plaintext);
}

Expected<std::size_t> TlsChannel::write(ByteView plaintext) {
  if (impl_->state == State::kHandshaking) return fail(Category::kUnavailable, "the TLS handshake is not complete");
  if (impl_->state == State::kClosed || impl_->state == State::kFailed) {
    return fail(Category::kInvalidInput, "this TLS session has ended");
  }
  std::size_t done = 0;
  while (done < plaintext.size() && impl_->outgoing.size() < kTlsOutgoingBytesMax) {
    // At most one record a call.
    const int status = mbedtls_ssl_write(&impl_->ssl, plaintext.data() + done, plaintext.size() - done);
    if (status < 0) return impl_->failed(status);
    done += static_cast<std::size_t>(status);
  }
  return done;
}

bool TlsChannel::take_outgoing(Bytes& into) {
  Expects(into.empty());
  std::swap(into, impl_->outgoing);
  return !into.empty();
}

std::size_t TlsChannel::outgoing_bytes() const { return impl_->outgoing.size(); }

void TlsChannel::close() {
  if (impl_->state == State::kOpen || impl_->state == State::kPeerClosed) mbedtls_ssl_close_notify(&impl_->ssl);
  if (impl_->state != State::kFailed) impl_->state = State::kClosed;
}

TlsChannel::State TlsChannel::state() const { return impl_->state; }

const std::optional<PeerIdentity>& TlsChannel::peer() const {
  static const std::optional<PeerIdentity> kNobody;
  return impl_->state == State::kHandshaking ? kNobody : impl_->judge.peer();
}

std::string TlsChannel::description() const {
  if (impl_->state == State::kHandshaking || impl_->state == State::kFailed) return {};
  return std::string{mbedtls_ssl_get_version(&impl_->ssl)} + " " + mbedtls_ssl_get_ciphersuite(&impl_->ssl);
}

}  // namespace hedgerow::security
