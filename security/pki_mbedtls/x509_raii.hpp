// Owning wrappers for the mbedTLS values of this folder and of tls_mbedtls/. Not for others: includes mbedTLS.
// Thread rule: one thread at a time.
#pragma once

#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "security/identity/identity.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::security {

class Certificate {
 public:
  Certificate() { mbedtls_x509_crt_init(&value_); }
  ~Certificate() { mbedtls_x509_crt_free(&value_); }
  Certificate(const Certificate&) = delete;
  Certificate& operator=(const Certificate&) = delete;

  mbedtls_x509_crt* get() { return &value_; }
  [[nodiscard]] const mbedtls_x509_crt* get() const { return &value_; }
  // Parses one PEM certificate. `where` names the source in errors.
  [[nodiscard]] Expected<void> parse(std::string_view where, const std::string& pem);

 private:
  mbedtls_x509_crt value_;
};

class PrivateKey {
 public:
  PrivateKey() { mbedtls_pk_init(&value_); }
  ~PrivateKey() { mbedtls_pk_free(&value_); }
  PrivateKey(const PrivateKey&) = delete;
  PrivateKey& operator=(const PrivateKey&) = delete;

  mbedtls_pk_context* get() { return &value_; }
  [[nodiscard]] const mbedtls_pk_context* get() const { return &value_; }
  [[nodiscard]] Expected<void> parse(std::string_view where, const std::string& pem);
  [[nodiscard]] Expected<void> generate_p256();
  [[nodiscard]] Expected<std::string> to_pem();

 private:
  mbedtls_pk_context value_;
};

// The first attribute of that type ("O", "CN", "OU") in a certificate's subject; empty when there is none.
[[nodiscard]] std::string subject_attribute(const mbedtls_x509_crt& certificate, std::string_view short_name);

// O, CN and OU, each checked: kCorrupt when one is missing or breaks its rule.
[[nodiscard]] Expected<PeerIdentity> identity_of(const mbedtls_x509_crt& certificate);

// Seconds since 1970, and the text that errors show: "2026-03-01 12:00:00 UTC".
[[nodiscard]] std::int64_t unix_seconds(const mbedtls_x509_time& time);
[[nodiscard]] std::string utc_text(const mbedtls_x509_time& time);

// For callbacks of mbedTLS that want a random source: f_rng and p_rng.
int random_callback(void* unused, unsigned char* out, std::size_t length);

}  // namespace hedgerow::security
