// The inside of DtlsContext, for DtlsSession only: includes mbedTLS. Thread rule: read-only after create().
#pragma once

#include <mbedtls/ssl.h>

#include <string>

#include "security/dtls_mbedtls/dtls_context.hpp"
#include "security/pki_mbedtls/x509_raii.hpp"

namespace hedgerow::security {

// Of mbedTLS, when a client has given its identity; in dtls_session.cpp.
int dtls_key_callback(void* unused, mbedtls_ssl_context* ssl, const unsigned char* identity, std::size_t length);

struct DtlsContext::Impl {
  Impl() { mbedtls_ssl_config_init(&config); }
  ~Impl() { mbedtls_ssl_config_free(&config); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  std::string mesh;  // empty: there is no identity
  Certificate certificate;
  Certificate authority;
  PrivateKey key;
  mbedtls_ssl_config config;
};

}  // namespace hedgerow::security
