// TLS for Paho MQTT C over our TlsChannel instead of OpenSSL.
//
// Paho C knows only OpenSSL, all of it behind the functions of its SSLSocket.h. Linking this library defines every one
// of them first, so that the linker never takes Paho's own; no libssl, no libcrypto, no change to Paho. Paho names its
// keys by file paths; we give it a token in that place, which leads back to a TlsContext:
//
//   PahoTls tls{context, on_unsent};                   // lives as long as the client that dials with it
//   ssl_options.set_key_store(tls.token());
//   … connect to mqtts://HOST:PORT …
//   tls.peer(), tls.error()
//
// Thread rule: a PahoTls may be used from any thread; Paho's threads fill it.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "security/identity/identity.hpp"
#include "security/tls_mbedtls/tls_context.hpp"

namespace hedgerow::security {

// A broker that announces a larger packet is cut off before Paho makes room for it.
inline constexpr std::size_t kPahoPacketBytesMax = std::size_t{8} << 20U;

// What the sessions of one dialled client report.
class PahoReport {
 public:
  using OnUnsent = std::function<void(std::size_t bytes)>;
  PahoReport(std::shared_ptr<const TlsContext> context, OnUnsent on_unsent)
      : context_(std::move(context)), on_unsent_(std::move(on_unsent)) {}

  [[nodiscard]] const std::shared_ptr<const TlsContext>& context() const { return context_; }
  void begin();
  void set_peer(const PeerIdentity& peer);
  // The first error of a session explains those that follow from it: later ones are not kept.
  void set_error(std::string error);
  void set_unsent(std::size_t bytes) { on_unsent_(bytes); }
  [[nodiscard]] std::optional<PeerIdentity> peer() const;
  [[nodiscard]] std::string error() const;

 private:
  const std::shared_ptr<const TlsContext> context_;
  const OnUnsent on_unsent_;
  mutable std::mutex mutex_;
  std::optional<PeerIdentity> peer_;
  std::string error_;
};

class PahoTls {
 public:
  // `on_unsent` is told how many bytes of ciphertext wait for the socket, whenever that changes, on any thread: what
  // Paho writes is taken without bound, so who publishes must hold back meanwhile.
  PahoTls(std::shared_ptr<const TlsContext> context, PahoReport::OnUnsent on_unsent);
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
