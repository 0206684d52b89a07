#include "security/tls_mbedtls/peer_judge.hpp"

#include <utility>

#include "security/pki_mbedtls/x509_raii.hpp"

namespace hedgerow::security {

void PeerJudge::judge(const mbedtls_x509_crt& certificate, int depth, std::uint32_t& flags) {
  // Boards have no battery clock and start in the past: a certificate that seems to begin in the future is theirs to
  // show. It begins when its authority says, and only the authority could have made it. An end in the past is refused.
  flags &= ~static_cast<std::uint32_t>(MBEDTLS_X509_BADCERT_FUTURE);
  // A chain whose top is no authority of ours is marked at that top, which may be the peer's own certificate or not.
  if ((flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) != 0) {
    refusal_ = "certificate of another authority: the peer is no member of mesh \"" + mesh_ + "\"";
  } else if ((flags & MBEDTLS_X509_BADCERT_EXPIRED) != 0) {
    refusal_ = std::string{depth == 0 ? "certificate" : "the authority's certificate"} + " expired since " +
               utc_text(certificate.valid_to) + ": issue a new one";
  } else if (depth == 0 && flags == 0 && refusal_.empty()) {
    if (std::string reason = refuse_subject(certificate); !reason.empty()) {
      refusal_ = std::move(reason);
      flags |= static_cast<std::uint32_t>(MBEDTLS_X509_BADCERT_OTHER);
    }
  }
}

std::string PeerJudge::refuse_subject(const mbedtls_x509_crt& certificate) {
  auto identity = identity_of(certificate);
  if (!identity) return identity.error().what;
  if (identity->mesh != mesh_) return "certificate of mesh \"" + identity->mesh + "\", ours is \"" + mesh_ + "\"";
  if (!accepted_roles_.contains(identity->role)) {
    return "certificate of role " + std::string{role_text(identity->role)} + " (\"" + identity->node +
           "\"): that role is not served here";
  }
  peer_ = *std::move(identity);
  return {};
}

}  // namespace hedgerow::security
