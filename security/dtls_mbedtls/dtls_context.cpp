#include "security/dtls_mbedtls/dtls_context.hpp"

#include <mbedtls/ssl_ciphersuites.h>

#include <array>

#include "security/crypto_mbedtls/crypto.hpp"
#include "security/crypto_mbedtls/mbedtls_error.hpp"
#include "security/dtls_mbedtls/dtls_context_impl.hpp"
#include "security/dtls_mbedtls/limits.hpp"

namespace hedgerow::security {
namespace {

// Ours is the choice, the first that the client knows too. Keys come first: who offers them has one, and libraries
// offer certificates also where there is none. Of keys that with forward secrecy, then what microcontrollers have
// hardware for; the last of each kind is what RFC 7925 asks of every thing. mbedTLS keeps the pointer.
constexpr std::array kCiphers = {MBEDTLS_TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256,
                                 MBEDTLS_TLS_PSK_WITH_AES_128_GCM_SHA256,
                                 MBEDTLS_TLS_PSK_WITH_AES_128_CCM,
                                 MBEDTLS_TLS_PSK_WITH_CHACHA20_POLY1305_SHA256,
                                 MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8,
                                 MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                                 MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
                                 MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CCM,
                                 MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8,
                                 0};

// DtlsServer has made and checked the cookie before there is a session.
int no_cookie(void*, unsigned char**, unsigned char*, const unsigned char*, std::size_t) {
  return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}
int checked_cookie(void*, const unsigned char*, std::size_t, const unsigned char*, std::size_t) { return 0; }

Expected<void> configure(DtlsContext::Impl& impl) {
  mbedtls_ssl_config& config = impl.config;
  int status = mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_DATAGRAM,
                                           MBEDTLS_SSL_PRESET_DEFAULT);
  if (status == 0 && !impl.mesh.empty()) {
    status = mbedtls_ssl_conf_own_cert(&config, impl.certificate.get(), impl.key.get());
    mbedtls_ssl_conf_ca_chain(&config, impl.authority.get(), nullptr);
  }
  if (status == 0) status = mbedtls_ssl_conf_cid(&config, kDtlsConnectionIdBytes, MBEDTLS_SSL_UNEXPECTED_CID_IGNORE);
  if (status != 0) return fail(Category::kUnavailable, "cannot configure DTLS: " + mbedtls_error_text(status));
  mbedtls_ssl_conf_rng(&config, random_callback, nullptr);
  mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_REQUIRED);
  mbedtls_ssl_conf_min_tls_version(&config, MBEDTLS_SSL_VERSION_TLS1_2);
  mbedtls_ssl_conf_max_tls_version(&config, MBEDTLS_SSL_VERSION_TLS1_2);
  mbedtls_ssl_conf_ciphersuites(&config, kCiphers.data());
  mbedtls_ssl_conf_psk_cb(&config, dtls_key_callback, nullptr);
  mbedtls_ssl_conf_dtls_cookies(&config, no_cookie, checked_cookie, nullptr);
  mbedtls_ssl_conf_dtls_anti_replay(&config, MBEDTLS_SSL_ANTI_REPLAY_ENABLED);
  mbedtls_ssl_conf_handshake_timeout(&config, kDtlsRetransmitFirstMs, kDtlsRetransmitMaxMs);
  return {};
}

}  // namespace

Expected<std::shared_ptr<const DtlsContext>> DtlsContext::create(const Identity* identity) {
  if (auto started = init_crypto(); !started) return tl::unexpected(started.error());
  auto impl = std::make_unique<Impl>();
  if (identity != nullptr) {
    impl->mesh = identity->self.mesh;
    if (auto good = impl->certificate.parse("this node's certificate", identity->certificate_pem); !good) {
      return tl::unexpected(good.error());
    }
    if (auto good = impl->authority.parse("the authority's certificate", identity->authority_pem); !good) {
      return tl::unexpected(good.error());
    }
    if (auto good = impl->key.parse("this node's key", identity->key_pem.text()); !good) {
      return tl::unexpected(good.error());
    }
  }
  if (auto good = configure(*impl); !good) return tl::unexpected(good.error());
  return std::shared_ptr<const DtlsContext>(new DtlsContext(std::move(impl)));
}

DtlsContext::DtlsContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DtlsContext::~DtlsContext() = default;

}  // namespace hedgerow::security
