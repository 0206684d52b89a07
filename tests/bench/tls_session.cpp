#include "tests/bench/tls_session.hpp"

#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>
#include <psa/crypto.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <stdexcept>

namespace hedgerow::bench {
namespace {

void check(int result, const char* what) {
  if (result == 0) return;
  std::array<char, 128> text{};
  mbedtls_strerror(result, text.data(), text.size());
  throw std::runtime_error(std::string("TLS: ") + what + ": " + text.data());
}

// MSG_DONTWAIT once the handshake is done: then the caller polls.
struct Wire {
  int fd = -1;
  int flags = 0;
};

int send_some(void* context, const unsigned char* data, std::size_t size) {
  const auto* wire = static_cast<const Wire*>(context);
  const ssize_t count = ::send(wire->fd, data, size, wire->flags | MSG_NOSIGNAL);
  if (count >= 0) return static_cast<int>(count);
  return errno == EAGAIN || errno == EINTR ? MBEDTLS_ERR_SSL_WANT_WRITE : MBEDTLS_ERR_NET_CONN_RESET;
}

int receive_some(void* context, unsigned char* data, std::size_t size) {
  const auto* wire = static_cast<const Wire*>(context);
  const ssize_t count = ::recv(wire->fd, data, size, wire->flags);
  if (count >= 0) return static_cast<int>(count);
  return errno == EAGAIN || errno == EINTR ? MBEDTLS_ERR_SSL_WANT_READ : MBEDTLS_ERR_NET_CONN_RESET;
}

int random_bytes(void* /*context*/, unsigned char* out, std::size_t size) {
  return psa_generate_random(out, size) == PSA_SUCCESS ? 0 : -1;
}

// One for all connections of this program.
struct Authority {
  explicit Authority(const std::string& file) {
    if (psa_crypto_init() != PSA_SUCCESS) throw std::runtime_error("TLS: no cryptography");
    mbedtls_x509_crt_init(&certificate);
    mbedtls_ssl_config_init(&config);
    check(mbedtls_x509_crt_parse_file(&certificate, file.c_str()), file.c_str());
    check(mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                      MBEDTLS_SSL_PRESET_DEFAULT),
          "defaults");
    mbedtls_ssl_conf_rng(&config, random_bytes, nullptr);
    mbedtls_ssl_conf_ca_chain(&config, &certificate, nullptr);
    mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_REQUIRED);
  }
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;
  ~Authority() {
    mbedtls_ssl_config_free(&config);
    mbedtls_x509_crt_free(&certificate);
  }
  mbedtls_x509_crt certificate{};
  mbedtls_ssl_config config{};
};

// What is neither data nor an end: a ticket, or nothing yet.
bool is_not_yet(int result) {
  return result == MBEDTLS_ERR_SSL_WANT_READ || result == MBEDTLS_ERR_SSL_WANT_WRITE ||
         result == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET;
}

}  // namespace

struct TlsSession::State {
  State() { mbedtls_ssl_init(&ssl); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { mbedtls_ssl_free(&ssl); }
  Wire wire;
  mbedtls_ssl_context ssl{};
};

TlsSession::TlsSession(int fd, const std::string& authority_file) : state_(std::make_unique<State>()) {
  static const Authority authority(authority_file);
  state_->wire.fd = fd;
  check(mbedtls_ssl_setup(&state_->ssl, &authority.config), "setup");
  check(mbedtls_ssl_set_hostname(&state_->ssl, nullptr), "no name");
  mbedtls_ssl_set_bio(&state_->ssl, &state_->wire, send_some, receive_some, nullptr);
  int result = mbedtls_ssl_handshake(&state_->ssl);
  while (is_not_yet(result)) result = mbedtls_ssl_handshake(&state_->ssl);
  check(result, "handshake");
  state_->wire.flags = MSG_DONTWAIT;
}

TlsSession::~TlsSession() = default;

ssize_t TlsSession::read(std::span<std::uint8_t> into) {
  const int count = mbedtls_ssl_read(&state_->ssl, into.data(), into.size());
  if (is_not_yet(count)) {
    errno = EAGAIN;
    return -1;
  }
  return count < 0 ? 0 : count;  // 0: the end, whatever its reason
}

ssize_t TlsSession::write(std::span<const std::uint8_t> bytes) {
  const int count = mbedtls_ssl_write(&state_->ssl, bytes.data(), bytes.size());
  if (count >= 0) return count;
  errno = is_not_yet(count) ? EAGAIN : EPIPE;
  return -1;
}

bool TlsSession::has_pending() const { return mbedtls_ssl_check_pending(&state_->ssl) != 0; }

}  // namespace hedgerow::bench
