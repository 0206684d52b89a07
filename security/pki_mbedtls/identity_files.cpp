#include "security/pki_mbedtls/identity_files.hpp"

#include <mbedtls/platform_util.h>

#include <utility>

#include "security/crypto_mbedtls/crypto.hpp"
#include "security/pki_mbedtls/files.hpp"
#include "security/pki_mbedtls/x509_raii.hpp"

namespace hedgerow::security {

Secret& Secret::operator=(const Secret& other) {
  if (this != &other) {
    wipe();
    text_ = other.text_;
  }
  return *this;
}

// A short string is copied by its move: the source is wiped, not just emptied.
Secret::Secret(Secret&& other) noexcept : text_(std::move(other.text_)) { other.wipe(); }

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    wipe();
    text_ = std::move(other.text_);
    other.wipe();
  }
  return *this;
}

void Secret::wipe() noexcept {
  mbedtls_platform_zeroize(text_.data(), text_.size());
  text_.clear();
}

namespace {

// Parses what was read into `identity` and checks that the three files belong together.
Expected<void> check(const std::filesystem::path& directory, Identity& identity) {
  Certificate certificate;
  Certificate authority;
  PrivateKey key;
  const auto certificate_path = (directory / "node.crt").string();
  const auto key_path = (directory / "node.key").string();
  const auto authority_path = (directory / "authority.crt").string();
  if (auto parsed = certificate.parse(certificate_path, identity.certificate_pem); !parsed) return parsed;
  if (auto parsed = authority.parse(authority_path, identity.authority_pem); !parsed) return parsed;
  if (auto parsed = key.parse(key_path, identity.key_pem.text()); !parsed) return parsed;
  if (mbedtls_pk_check_pair(&certificate.get()->pk, key.get(), random_callback, nullptr) != 0) {
    return fail(Category::kCorrupt, key_path + " does not belong to " + certificate_path +
                                        ": restore both from the same copy, or issue the node a new identity");
  }
  std::uint32_t flags = 0;
  mbedtls_x509_crt_verify(certificate.get(), authority.get(), nullptr, nullptr, &flags, nullptr, nullptr);
  flags &= ~static_cast<std::uint32_t>(MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE);
  if (flags != 0) {
    return fail(Category::kCorrupt, certificate_path + " was not signed by the authority in " + authority_path +
                                        ": restore both from the same copy, or issue the node a new identity");
  }
  auto self = identity_of(*certificate.get());
  if (!self) return fail(Category::kCorrupt, certificate_path + ": " + self.error().what);
  if (subject_attribute(*authority.get(), "O") != self->mesh) {
    return fail(Category::kCorrupt, certificate_path + " is of another mesh than " + authority_path);
  }
  identity.self = *std::move(self);
  identity.not_after_unix_s = unix_seconds(certificate.get()->valid_to);
  return {};
}

}  // namespace

Expected<Identity> load_identity(const std::filesystem::path& data_dir) {
  if (auto started = init_crypto(); !started) return tl::unexpected(started.error());
  const auto directory = data_dir / "identity";
  auto certificate = read_pki_file(directory / "node.crt", Secrecy::kPublic);
  if (!certificate && certificate.error().category == Category::kNotFound) {
    return fail(Category::kNotFound, "there is no identity in " + directory.string() +
                                         ": issue one with: hedgerow node add NAME, and copy it here");
  }
  if (!certificate) return tl::unexpected(certificate.error());
  auto authority = read_pki_file(directory / "authority.crt", Secrecy::kPublic);
  if (!authority) return fail(Category::kCorrupt, "the identity is incomplete: " + authority.error().what);
  auto key = read_pki_file(directory / "node.key", Secrecy::kSecret);
  if (!key && key.error().category == Category::kNotFound) {
    return fail(Category::kCorrupt, "the identity is incomplete: " + key.error().what);
  }
  if (!key) return tl::unexpected(key.error());
  Identity identity;
  identity.certificate_pem = *std::move(certificate);
  identity.authority_pem = *std::move(authority);
  identity.key_pem = Secret{*std::move(key)};
  if (auto good = check(directory, identity); !good) return tl::unexpected(good.error());
  return identity;
}

}  // namespace hedgerow::security
