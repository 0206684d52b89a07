// TLS for Paho MQTT C over our TlsChannel instead of OpenSSL.
//
// Paho C knows only OpenSSL, all of it behind the functions of its SSLSocket.h. Linking this library defines every one
// of them first, so that the linker never takes Paho's own; no libssl, no libcrypto, no change to Paho. Paho names its
// keys by file paths; we give it a token in that place, which leads back to a TlsContext:
//
//   PahoTls tls{context};                              // lives as long as the client that dials with it
//   ssl_options.set_key_store(tls.token());
//   … connect to mqtts://HOST:PORT …
//   tls.peer(), tls.error()
//
// Thread rule: a PahoTls may be used from any thread; Paho's threads fill it.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "security/identity/identity.hpp"
#include "security/tls_mbedtls/tls_context.hpp"

namespace hedgerow::security {

// What the sessions of one dialled client report.
class PahoReport {
 public:
  explicit PahoReport(std::shared_ptr<const TlsContext> context) : context_(std::move(context)) {}

  [[nodiscard]] const std::shared_ptr<const TlsContext>& context() const { return context_; }
  void begin();
  void set_peer(const PeerIdentity& peer);
  void set_error(std::string error);
  [[nodiscard]] std::optional<PeerIdentity> peer() const;
  [[nodiscard]] std::string error() const;

 private:
  const std::shared_ptr<const TlsContext> context_;
  mutable std::mutex mutex_;
  std::optional<PeerIdentity> peer_;
  std::string error_;
};

class PahoTls {
 public:
  explicit PahoTls(std::shared_ptr<const TlsContext> context);
  ~PahoTls();
  PahoTls(const PahoTls&) = delete;
  PahoTls& operator=(const PahoTls&) = delete;

  // For MQTTAsync_SSLOptions.keyStore (mqtt::ssl_options::set_key_store).
  [[nodiscard]] const std::string& token() const { return token_; }
  // Who the broker of the latest session is, once its handshake is complete.
  [[nodiscard]] std::optional<PeerIdentity> peer() const { return report_->peer(); }
  // Why the latest session failed; empty when TLS saw no failure.
  [[nodiscard]] std::string error() const { return report_->error(); }

 private:
  std::shared_ptr<PahoReport> report_;
  std::string token_;
};

// Wakes Paho's send thread. Paho signals it after each publish, but checks its queue and waits in two steps: a signal
// that falls between them is lost, and the message would wait for up to a second, or for the next one.
void wake_paho_sender();

}  // namespace hedgerow::security
