// TlsContext: everything that the TLS sessions of one identity share: certificate, key, authority, policy.
// TlsChannel (tls_channel.hpp) is one session.
//
// Immutable after create(): sessions on several threads may share it (mbedTLS is built with MBEDTLS_THREADING_C).
// Ownership: sessions hold it by shared_ptr, so it lives as long as the last of them.
// mbedTLS stays inside: no header of it is included here.
#pragma once

#include <memory>

#include "security/identity/identity.hpp"
#include "security/pki_mbedtls/identity_files.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::security {

enum class TlsVersion : std::uint8_t { kTls12, kTls13 };

// Which cipher goes first. kByProcessor asks the processor whether it has AES instructions.
enum class CipherPreference : std::uint8_t { kByProcessor, kAesGcmFirst, kChaCha20First };

// kNotAsked: for listeners that know their clients by password, or not at all; the client still checks us.
enum class ClientCertificate : std::uint8_t { kRequired, kNotAsked };

// What we answer to a client that asks by ALPN; one that does not ask is served all the same.
enum class Alpn : std::uint8_t { kMqtt, kHttp };

struct TlsOptions {
  TlsVersion minimum = TlsVersion::kTls13;
  CipherPreference ciphers = CipherPreference::kByProcessor;
  // Roles that a peer's certificate may carry. Others are refused inside the handshake.
  RoleSet accepted_roles = {Role::kNode};
  ClientCertificate client_certificate = ClientCertificate::kRequired;  // as a server; a client always checks
  Alpn alpn = Alpn::kMqtt;                                              // kHttp: browsers, for WebSocket
};

class TlsContext {
 public:
  // Fails with kCorrupt when the identity cannot be parsed, with kUnavailable when cryptography cannot start.
  [[nodiscard]] static Expected<std::shared_ptr<const TlsContext>> create(const Identity& identity,
                                                                          const TlsOptions& options = {});
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  ~TlsContext();

  // Who we are to our peers.
  [[nodiscard]] const PeerIdentity& self() const;

  // For the adapters in security/ only.
  struct Impl;
  [[nodiscard]] const Impl& impl() const { return *impl_; }

 private:
  explicit TlsContext(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hedgerow::security
