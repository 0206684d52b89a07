// This board's own identity, as it lies under DATA/identity: node.crt, node.key (mode 0600), authority.crt.
// Adapter: mbedTLS and files. Thread rule: functions are safe from any thread; Identity is a plain value.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "security/identity/identity.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::security {

// Text that is wiped when it goes: a private key in PEM.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}
  Secret(const Secret&) = default;
  Secret& operator=(const Secret& other);
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  ~Secret() { wipe(); }

  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  void wipe() noexcept;
  std::string text_;
};

struct Identity {
  PeerIdentity self;  // mesh, node name, role: what peers will see
  std::int64_t not_after_unix_s = 0;
  std::string certificate_pem;
  std::string authority_pem;
  Secret key_pem;
};

// Reads and checks `data_dir`/identity.
// kNotFound: there is no identity yet. kRefused: the key can be read by others. kCorrupt: a file cannot be parsed, the
// key does not belong to the certificate, or the certificate was not signed by the authority beside it. An expired
// certificate loads (the daemon must start and say so): compare not_after_unix_s.
[[nodiscard]] Expected<Identity> load_identity(const std::filesystem::path& data_dir);

}  // namespace hedgerow::security
