#include "security/tls_mbedtls/tls_context.hpp"

#include <mbedtls/ssl_ciphersuites.h>

#include <array>

#include "security/crypto_mbedtls/crypto.hpp"
#include "security/crypto_mbedtls/mbedtls_error.hpp"
#include "security/tls_mbedtls/processor.hpp"
#include "security/tls_mbedtls/tls_context_impl.hpp"

namespace hedgerow::security {

namespace {

// mbedTLS keeps pointers to these lists.
constexpr std::array kAesGcmFirst = {MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
                                     MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
                                     MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
                                     MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                                     MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
                                     MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
                                     0};
constexpr std::array kChaCha20First = {MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
                                       MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
                                       MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
                                       MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
                                       MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                                       MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
                                       0};

// mbedTLS wants pointers to char that is not const, and changes none.
const char* mqtt_protocols[] = {"mqtt", nullptr};
const char* http_protocols[] = {"http/1.1", nullptr};

const char** protocol_list(Alpn alpn) {
  switch (alpn) {
    case Alpn::kMqtt: return mqtt_protocols;
    case Alpn::kHttp: return http_protocols;
  }
  return mqtt_protocols;
}

const int* cipher_list(CipherPreference preference) {
  switch (preference) {
    case CipherPreference::kByProcessor: return processor_has_aes() ? kAesGcmFirst.data() : kChaCha20First.data();
    case CipherPreference::kAesGcmFirst: return kAesGcmFirst.data();
    case CipherPreference::kChaCha20First: return kChaCha20First.data();
  }
  return kChaCha20First.data();
}

Expected<void> configure(mbedtls_ssl_config& config, int endpoint, TlsContext::Impl& impl) {
  int status = mbedtls_ssl_config_defaults(&config, endpoint, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
  if (status == 0) status = mbedtls_ssl_conf_own_cert(&config, impl.certificate.get(), impl.key.get());
  if (status == 0) status = mbedtls_ssl_conf_alpn_protocols(&config, protocol_list(impl.options.alpn));
  if (status != 0) return fail(Category::kUnavailable, "cannot configure TLS: " + mbedtls_error_text(status));
  mbedtls_ssl_conf_rng(&config, random_callback, nullptr);
  mbedtls_ssl_conf_ca_chain(&config, impl.authority.get(), nullptr);
  const bool asks = endpoint == MBEDTLS_SSL_IS_CLIENT || impl.asks_clients();
  mbedtls_ssl_conf_authmode(&config, asks ? MBEDTLS_SSL_VERIFY_REQUIRED : MBEDTLS_SSL_VERIFY_NONE);
  mbedtls_ssl_conf_min_tls_version(
      &config, impl.options.minimum == TlsVersion::kTls13 ? MBEDTLS_SSL_VERSION_TLS1_3 : MBEDTLS_SSL_VERSION_TLS1_2);
  mbedtls_ssl_conf_max_tls_version(&config, MBEDTLS_SSL_VERSION_TLS1_3);
  mbedtls_ssl_conf_ciphersuites(&config, cipher_list(impl.options.ciphers));
  return {};
}

}  // namespace

Expected<std::shared_ptr<const TlsContext>> TlsContext::create(const Identity& identity, const TlsOptions& options) {
  if (auto started = init_crypto(); !started) return tl::unexpected(started.error());
  auto impl = std::make_unique<Impl>();
  impl->self = identity.self;
  impl->options = options;
  if (auto good = impl->certificate.parse("this node's certificate", identity.certificate_pem); !good) {
    return tl::unexpected(good.error());
  }
  if (auto good = impl->authority.parse("the authority's certificate", identity.authority_pem); !good) {
    return tl::unexpected(good.error());
  }
  if (auto good = impl->key.parse("this node's key", identity.key_pem.text()); !good) {
    return tl::unexpected(good.error());
  }
  if (auto good = configure(impl->server, MBEDTLS_SSL_IS_SERVER, *impl); !good) return tl::unexpected(good.error());
  if (auto good = configure(impl->client, MBEDTLS_SSL_IS_CLIENT, *impl); !good) return tl::unexpected(good.error());
  return std::shared_ptr<const TlsContext>(new TlsContext(std::move(impl)));
}

TlsContext::TlsContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsContext::~TlsContext() = default;

const PeerIdentity& TlsContext::self() const { return impl_->self; }

}  // namespace hedgerow::security
