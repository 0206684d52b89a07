// A DTLS 1.2 client as a function of datagrams and time, over mbedTLS: the other end for the tests of ours.
// Thread rule: one thread at a time. Ownership: an identity must outlive it.
#pragma once

#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ciphersuites.h>

#include <algorithm>
#include <array>
#include <deque>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "security/crypto_mbedtls/crypto.hpp"
#include "security/pki_mbedtls/identity_files.hpp"
#include "security/pki_mbedtls/x509_raii.hpp"
#include "sync/base/bytes.hpp"
#include "sync/base/time.hpp"

namespace hedgerow::test {

struct DtlsClientOptions {
  std::string identity = {};  // with a key
  Bytes key = {};
  const security::Identity* certificate = nullptr;
  int cipher = 0;  // 0: whatever mbedTLS has
  bool connection_id = false;
};

class DtlsClient {
 public:
  explicit DtlsClient(const DtlsClientOptions& options) {
    if (!security::init_crypto()) throw std::runtime_error("no cryptography");
    mbedtls_ssl_init(&ssl_);
    mbedtls_ssl_config_init(&config_);
    must(mbedtls_ssl_config_defaults(&config_, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_DATAGRAM,
                                     MBEDTLS_SSL_PRESET_DEFAULT));
    mbedtls_ssl_conf_rng(&config_, security::random_callback, nullptr);
    mbedtls_ssl_conf_authmode(&config_, MBEDTLS_SSL_VERIFY_NONE);
    mbedtls_ssl_conf_max_tls_version(&config_, MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_handshake_timeout(&config_, 1'000, 60'000);
    ciphers_[0] = options.cipher;
    if (options.cipher != 0) mbedtls_ssl_conf_ciphersuites(&config_, ciphers_.data());
    if (!options.key.empty()) {
      must(mbedtls_ssl_conf_psk(&config_, options.key.data(), options.key.size(),
                                reinterpret_cast<const unsigned char*>(options.identity.data()),
                                options.identity.size()));
    }
    if (options.certificate != nullptr) {
      must(certificate_.parse("certificate", options.certificate->certificate_pem) ? 0 : -1);
      must(key_.parse("key", options.certificate->key_pem.text()) ? 0 : -1);
      must(mbedtls_ssl_conf_own_cert(&config_, certificate_.get(), key_.get()));
    }
    if (options.connection_id) must(mbedtls_ssl_conf_cid(&config_, 0, MBEDTLS_SSL_UNEXPECTED_CID_IGNORE));
    must(mbedtls_ssl_setup(&ssl_, &config_));
    must(mbedtls_ssl_set_hostname(&ssl_, nullptr));
    // None of its own: it wants only the server's in what it sends.
    if (options.connection_id) must(mbedtls_ssl_set_cid(&ssl_, MBEDTLS_SSL_CID_ENABLED, nullptr, 0));
    mbedtls_ssl_set_bio(&ssl_, this, send, receive, nullptr);
    mbedtls_ssl_set_timer_cb(&ssl_, this, set_timer, get_timer);
    mbedtls_ssl_set_mtu(&ssl_, 1200);
  }
  ~DtlsClient() {
    mbedtls_ssl_free(&ssl_);
    mbedtls_ssl_config_free(&config_);
  }
  DtlsClient(const DtlsClient&) = delete;
  DtlsClient& operator=(const DtlsClient&) = delete;

  // Begins or goes on; what it has to send is in `out` afterwards, what it was sent in `messages`.
  void feed(Instant now, ByteView datagram) {
    now_ = now;
    in_ = to_bytes(datagram);
    for (int step = 0; step < 100; ++step) {
      if (!open_ && failure == 0) {
        const int status = mbedtls_ssl_handshake(&ssl_);
        if (status == 0) {
          open_ = true;
          mbedtls_ssl_set_mtu(&ssl_, 0);
        } else if (status != MBEDTLS_ERR_SSL_WANT_READ) {
          failure = status;
        }
      }
      if (open_ && failure == 0) read();
      if (in_.empty()) return;
    }
  }
  void on_time(Instant now) { feed(now, {}); }
  void send_message(Instant now, std::string_view text) {
    now_ = now;
    must(std::min(0, mbedtls_ssl_write(&ssl_, reinterpret_cast<const unsigned char*>(text.data()), text.size())));
  }
  void say_goodbye() { mbedtls_ssl_close_notify(&ssl_); }

  [[nodiscard]] bool open() const { return open_ && failure == 0; }
  // Of the alert that ended it; -1: none.
  [[nodiscard]] int alert() const {
    return failure == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE ? ssl_.MBEDTLS_PRIVATE(in_msg)[1] : -1;
  }
  [[nodiscard]] std::string cipher() const { return mbedtls_ssl_get_ciphersuite(&ssl_); }

  std::deque<Bytes> out;
  std::vector<std::string> messages;
  int failure = 0;

 private:
  static void must(int status) {
    if (status != 0) throw std::runtime_error("mbedTLS as a client: " + std::to_string(status));
  }
  void read() {
    std::array<unsigned char, 17'000> buffer{};
    while (true) {
      const int status = mbedtls_ssl_read(&ssl_, buffer.data(), buffer.size());
      if (status == MBEDTLS_ERR_SSL_WANT_READ) return;
      if (status <= 0) {
        failure = status;
        return;
      }
      messages.emplace_back(reinterpret_cast<const char*>(buffer.data()), static_cast<std::size_t>(status));
    }
  }
  static int send(void* self, const unsigned char* data, std::size_t length) {
    static_cast<DtlsClient*>(self)->out.push_back(to_bytes(ByteView{data, length}));
    return static_cast<int>(length);
  }
  static int receive(void* self, unsigned char* out, std::size_t length) {
    const Bytes datagram = std::exchange(static_cast<DtlsClient*>(self)->in_, {});
    if (datagram.empty()) return MBEDTLS_ERR_SSL_WANT_READ;
    const std::size_t count = std::min(length, datagram.size());
    std::copy_n(datagram.begin(), count, out);
    return static_cast<int>(count);
  }
  static void set_timer(void* self, std::uint32_t intermediate_ms, std::uint32_t final_ms) {
    auto& client = *static_cast<DtlsClient*>(self);
    client.timed_ = final_ms != 0;
    client.intermediate_ = client.now_ + std::chrono::milliseconds{intermediate_ms};
    client.final_ = client.now_ + std::chrono::milliseconds{final_ms};
  }
  static int get_timer(void* self) {
    const auto& client = *static_cast<DtlsClient*>(self);
    if (!client.timed_) return -1;
    if (client.now_ >= client.final_) return 2;
    return client.now_ >= client.intermediate_ ? 1 : 0;
  }

  mbedtls_ssl_context ssl_;
  mbedtls_ssl_config config_;
  security::Certificate certificate_;
  security::PrivateKey key_;
  std::array<int, 2> ciphers_{};
  Bytes in_;
  bool open_ = false;
  Instant now_{};
  bool timed_ = false;
  Instant intermediate_{};
  Instant final_{};
};

}  // namespace hedgerow::test
