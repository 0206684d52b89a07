// The inside of TlsContext, for TlsChannel only: includes mbedTLS.
// Thread rule: read-only after TlsContext::create().
#pragma once

#include <mbedtls/ssl.h>

#include "security/pki_mbedtls/x509_raii.hpp"
#include "security/tls_mbedtls/tls_context.hpp"

namespace hedgerow::security {

struct TlsContext::Impl {
  Impl() {
    mbedtls_ssl_config_init(&server);
    mbedtls_ssl_config_init(&client);
  }
  ~Impl() {
    mbedtls_ssl_config_free(&server);
    mbedtls_ssl_config_free(&client);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  [[nodiscard]] bool asks_clients() const { return options.client_certificate == ClientCertificate::kRequired; }

  PeerIdentity self;
  TlsOptions options;
  Certificate certificate;
  Certificate authority;
  PrivateKey key;
  mbedtls_ssl_config server;
  mbedtls_ssl_config client;
};

}  // namespace hedgerow::security
