// DtlsContext: what all DTLS sessions of this board share: certificate, authority, ciphers, policy.
// Immutable after create(). Ownership: sessions hold it by shared_ptr. mbedTLS stays inside.
#pragma once

#include <memory>

#include "security/pki_mbedtls/identity_files.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::security {

class DtlsContext {
 public:
  // Without an identity clients can prove themselves by key only.
  // Fails with kCorrupt when the identity cannot be parsed, with kUnavailable when cryptography cannot start.
  [[nodiscard]] static Expected<std::shared_ptr<const DtlsContext>> create(const Identity* identity);
  DtlsContext(const DtlsContext&) = delete;
  DtlsContext& operator=(const DtlsContext&) = delete;
  ~DtlsContext();

  // For this folder only.
  struct Impl;
  [[nodiscard]] const Impl& impl() const { return *impl_; }

 private:
  explicit DtlsContext(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hedgerow::security
