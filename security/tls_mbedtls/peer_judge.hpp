// PeerJudge: is the one who shows this certificate a member of our mesh, in a role that is served here? For one
// handshake of TLS or DTLS; what mbedTLS's verify callback asks. Not for others than tls_mbedtls/ and dtls_mbedtls/:
// includes mbedTLS.
// Thread rule: one thread at a time. Ownership: the name of the mesh must outlive it.
#pragma once

#include <mbedtls/x509_crt.h>

#include <cstdint>
#include <optional>
#include <string>

#include "security/identity/identity.hpp"

namespace hedgerow::security {

class PeerJudge {
 public:
  PeerJudge(const std::string& mesh, RoleSet accepted_roles) : mesh_(mesh), accepted_roles_(accepted_roles) {}

  // Called for each certificate of the chain, the authority's first, the peer's own (depth 0) last. What is not
  // acceptable is marked in `flags`.
  void judge(const mbedtls_x509_crt& certificate, int depth, std::uint32_t& flags);

  // Set once the peer's own certificate has been accepted.
  [[nodiscard]] const std::optional<PeerIdentity>& peer() const { return peer_; }
  void forget_peer() { peer_.reset(); }
  // Why the certificate is refused; empty: it is not.
  [[nodiscard]] const std::string& refusal() const { return refusal_; }

 private:
  [[nodiscard]] std::string refuse_subject(const mbedtls_x509_crt& certificate);

  const std::string& mesh_;
  RoleSet accepted_roles_;
  std::optional<PeerIdentity> peer_;
  std::string refusal_;
};

}  // namespace hedgerow::security
