#include "security/pki_mbedtls/x509_raii.hpp"

#include <mbedtls/ecp.h>
#include <mbedtls/oid.h>
#include <mbedtls/platform_util.h>
#include <psa/crypto.h>

#include <array>
#include <chrono>
#include <cstdio>

#include "security/crypto_mbedtls/mbedtls_error.hpp"

namespace hedgerow::security {

namespace {

// mbedTLS takes PEM with its terminating NUL counted.
const unsigned char* pem_data(const std::string& pem) { return reinterpret_cast<const unsigned char*>(pem.c_str()); }

}  // namespace

int random_callback(void* /*unused*/, unsigned char* out, std::size_t length) {
  return psa_generate_random(out, length) == PSA_SUCCESS ? 0 : MBEDTLS_ERR_PK_ALLOC_FAILED;
}

Expected<void> Certificate::parse(std::string_view where, const std::string& pem) {
  const int status = mbedtls_x509_crt_parse(&value_, pem_data(pem), pem.size() + 1);
  if (status != 0) {
    return fail(Category::kCorrupt, std::string{where} + " is not a certificate in PEM: " +
                                        (status > 0 ? "broken text" : mbedtls_error_text(status)));
  }
  return {};
}

Expected<void> PrivateKey::parse(std::string_view where, const std::string& pem) {
  const int status = mbedtls_pk_parse_key(&value_, pem_data(pem), pem.size() + 1, nullptr, 0, random_callback, nullptr);
  if (status != 0) {
    return fail(Category::kCorrupt, std::string{where} + " is not a private key in PEM: " + mbedtls_error_text(status));
  }
  return {};
}

Expected<void> PrivateKey::generate_p256() {
  int status = mbedtls_pk_setup(&value_, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
  if (status == 0) {
    status = mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(value_), random_callback, nullptr);
  }
  if (status != 0) return fail(Category::kUnavailable, "cannot make a key: " + mbedtls_error_text(status));
  return {};
}

Expected<std::string> PrivateKey::to_pem() {
  std::array<unsigned char, 512> buffer{};
  const int status = mbedtls_pk_write_key_pem(&value_, buffer.data(), buffer.size());
  if (status != 0) return fail(Category::kUnavailable, "cannot write a key: " + mbedtls_error_text(status));
  std::string pem{reinterpret_cast<const char*>(buffer.data())};
  mbedtls_platform_zeroize(buffer.data(), buffer.size());
  return pem;
}

std::string subject_attribute(const mbedtls_x509_crt& certificate, std::string_view short_name) {
  for (const mbedtls_x509_name* name = &certificate.subject; name != nullptr; name = name->next) {
    const char* type = nullptr;
    if (mbedtls_oid_get_attr_short_name(&name->oid, &type) != 0 || short_name != type) continue;
    return {reinterpret_cast<const char*>(name->val.p), name->val.len};
  }
  return {};
}

Expected<PeerIdentity> identity_of(const mbedtls_x509_crt& certificate) {
  PeerIdentity identity{.mesh = subject_attribute(certificate, "O"), .node = subject_attribute(certificate, "CN")};
  if (auto good = check_name("the mesh name (O) in the certificate", identity.mesh); !good) {
    return fail(Category::kCorrupt, good.error().what);
  }
  if (auto good = check_name("the node name (CN) in the certificate", identity.node); !good) {
    return fail(Category::kCorrupt, good.error().what);
  }
  const std::string role = subject_attribute(certificate, "OU");
  const auto known = parse_role(role);
  if (!known) {
    return fail(Category::kCorrupt,
                "the role (OU) in the certificate of \"" + identity.node + "\" is not node, app, monitor or admin");
  }
  identity.role = *known;
  return identity;
}

std::int64_t unix_seconds(const mbedtls_x509_time& time) {
  using namespace std::chrono;
  const year_month_day date{year{time.year}, month{static_cast<unsigned>(time.mon)},
                            day{static_cast<unsigned>(time.day)}};
  return duration_cast<seconds>(sys_days{date}.time_since_epoch()).count() + std::int64_t{time.hour} * 3600 +
         std::int64_t{time.min} * 60 + time.sec;
}

std::string utc_text(const mbedtls_x509_time& time) {
  std::array<char, 80> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02d-%02d %02d:%02d:%02d UTC", time.year, time.mon, time.day, time.hour,
                time.min, time.sec);
  return text.data();
}

}  // namespace hedgerow::security
