#include "security/tls_mbedtls/tls_error.hpp"

#include <mbedtls/ssl.h>

#include "security/crypto_mbedtls/mbedtls_error.hpp"

namespace hedgerow::security {

std::string alert_text(int alert) {
  const std::string number = " (TLS alert " + std::to_string(alert) + ")";
  switch (alert) {
    case MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA:
      return "the peer refuses our certificate: to it, it is of another authority" + number;
    case MBEDTLS_SSL_ALERT_MSG_BAD_CERT:
    case MBEDTLS_SSL_ALERT_MSG_UNSUPPORTED_CERT:
    case MBEDTLS_SSL_ALERT_MSG_CERT_UNKNOWN:
    case MBEDTLS_SSL_ALERT_MSG_ACCESS_DENIED:
      return "the peer refuses our certificate: wrong mesh, role or kind" + number;
    case MBEDTLS_SSL_ALERT_MSG_CERT_EXPIRED: return "the peer refuses our certificate: expired by its clock" + number;
    case MBEDTLS_SSL_ALERT_MSG_CERT_REVOKED: return "the peer refuses our certificate: revoked" + number;
    case MBEDTLS_SSL_ALERT_MSG_CERT_REQUIRED:
    case MBEDTLS_SSL_ALERT_MSG_NO_CERT: return "the peer wants a certificate and got none" + number;
    case MBEDTLS_SSL_ALERT_MSG_PROTOCOL_VERSION: return "the peer does not speak our version of TLS" + number;
    case MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE:
      return "the peer shares no cipher with us, or wants a certificate and got none" + number;
    case MBEDTLS_SSL_ALERT_MSG_NO_APPLICATION_PROTOCOL: return "the peer does not speak mqtt (ALPN)" + number;
    default: return "the peer ended the session" + number;
  }
}

Error tls_error(int status) {
  switch (status) {
    case MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE:
      return {Category::kRefused, "no certificate: the peer showed none, and this listener wants one of the mesh"};
    case MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION:
      return {Category::kRefused, "the peer speaks no version of TLS that is allowed here"};
    case MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE: return {Category::kRefused, "the peer shares no cipher or curve with us"};
    case MBEDTLS_ERR_SSL_NO_APPLICATION_PROTOCOL:
      return {Category::kRefused, "the peer asks by ALPN for another protocol than this listener speaks"};
    // A client of TLS 1.3 that refuses our certificate says so under keys that may not be the ones expected by then.
    case MBEDTLS_ERR_SSL_INVALID_MAC:
      return {
          Category::kCorrupt,
          "what arrived is not TLS, or was changed on its way, or the peer refused our certificate: other authority, "
          "or expired by its clock: " +
              mbedtls_error_text(status)};
    case MBEDTLS_ERR_SSL_INVALID_RECORD:
    case MBEDTLS_ERR_SSL_DECODE_ERROR:
    case MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE:
    case MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER:
      return {Category::kCorrupt, "what arrived is not TLS, or was changed on its way: " + mbedtls_error_text(status)};
    default: return {Category::kCorrupt, "TLS failed: " + mbedtls_error_text(status)};
  }
}

}  // namespace hedgerow::security
