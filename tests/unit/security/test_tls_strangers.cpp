// Clients that our own TlsChannel cannot play: without a certificate, and with TLS 1.2 only.
#include <mbedtls/ssl.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>

#include "security/pki_mbedtls/authority.hpp"
#include "security/pki_mbedtls/x509_raii.hpp"
#include "security/tls_mbedtls/tls_channel.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace hedgerow;
using namespace hedgerow::security;
using State = TlsChannel::State;

namespace {

// A plain mbedTLS client that believes any server.
class Stranger {
 public:
  Stranger(mbedtls_ssl_protocol_version newest, const Identity* identity) {
    mbedtls_ssl_init(&ssl_);
    mbedtls_ssl_config_init(&config_);
    REQUIRE(mbedtls_ssl_config_defaults(&config_, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                        MBEDTLS_SSL_PRESET_DEFAULT) == 0);
    mbedtls_ssl_conf_rng(&config_, random_callback, nullptr);
    mbedtls_ssl_conf_authmode(&config_, MBEDTLS_SSL_VERIFY_NONE);
    mbedtls_ssl_conf_max_tls_version(&config_, newest);
    if (identity != nullptr) {
      REQUIRE(certificate_.parse("certificate", identity->certificate_pem));
      REQUIRE(key_.parse("key", identity->key_pem.text()));
      REQUIRE(mbedtls_ssl_conf_own_cert(&config_, certificate_.get(), key_.get()) == 0);
    }
    REQUIRE(mbedtls_ssl_setup(&ssl_, &config_) == 0);
    REQUIRE(mbedtls_ssl_set_hostname(&ssl_, nullptr) == 0);
    mbedtls_ssl_set_bio(&ssl_, this, send, receive, nullptr);
  }
  ~Stranger() {
    mbedtls_ssl_free(&ssl_);
    mbedtls_ssl_config_free(&config_);
  }
  Stranger(const Stranger&) = delete;
  Stranger& operator=(const Stranger&) = delete;

  // Takes turns with the server until nobody has anything to say. Returns the server's last error.
  std::string talk_to(TlsChannel& server, Bytes& plaintext) {
    std::string error;
    for (;;) {
      if (mbedtls_ssl_is_handshake_over(&ssl_) == 0) mbedtls_ssl_handshake(&ssl_);
      Bytes answer;
      const Bytes flight = std::exchange(to_server_, {});
      if (!flight.empty() && server.state() != State::kFailed) {
        if (auto fed = server.feed(flight, plaintext); !fed) error = fed.error().what;
      }
      const bool answered = server.take_outgoing(answer);
      append(from_server_, answer);
      if (flight.empty() && !answered) return error;
    }
  }

  void write(std::string_view text) {
    mbedtls_ssl_write(&ssl_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  }

 private:
  static int send(void* self, const unsigned char* data, std::size_t length) {
    append(static_cast<Stranger*>(self)->to_server_, {data, length});
    return static_cast<int>(length);
  }
  static int receive(void* self, unsigned char* out, std::size_t length) {
    Bytes& from = static_cast<Stranger*>(self)->from_server_;
    if (from.empty()) return MBEDTLS_ERR_SSL_WANT_READ;
    const std::size_t count = std::min(length, from.size());
    std::copy_n(from.begin(), count, out);
    from.erase(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(count));
    return static_cast<int>(count);
  }

  mbedtls_ssl_context ssl_;
  mbedtls_ssl_config config_;
  Certificate certificate_;
  PrivateKey key_;
  Bytes to_server_;
  Bytes from_server_;
};

struct Listener {
  Listener() {
    REQUIRE(create_authority(directory.path(), "orchard"));
    for (const char* name : {"barn", "house"}) {
      REQUIRE(issue_node(directory.path() / "authority", name, directory.path() / name));
    }
    barn = load_identity(directory.path() / "barn").value();
    house = load_identity(directory.path() / "house").value();
  }

  [[nodiscard]] std::unique_ptr<TlsChannel> accept(TlsVersion minimum) const {
    auto context = TlsContext::create(barn, {.minimum = minimum});
    REQUIRE(context);
    return TlsChannel::create(*context, TlsSide::kServer).value();
  }

  test::TemporaryDirectory directory;
  Identity barn;
  Identity house;
  Bytes plaintext;
};

}  // namespace

TEST_CASE_METHOD(Listener, "a client without certificate gets nothing under TLS 1.3", "[tls][G7]") {
  const auto server = accept(TlsVersion::kTls13);
  Stranger stranger(MBEDTLS_SSL_VERSION_TLS1_3, nullptr);
  CHECK(stranger.talk_to(*server, plaintext).find("no certificate") == 0);
  CHECK(server->state() == State::kFailed);
  stranger.write("let me in");
  (void)stranger.talk_to(*server, plaintext);
  CHECK(plaintext.empty());
}

TEST_CASE_METHOD(Listener, "a client without certificate gets nothing under TLS 1.2", "[tls][G7]") {
  const auto server = accept(TlsVersion::kTls12);
  Stranger stranger(MBEDTLS_SSL_VERSION_TLS1_2, nullptr);
  CHECK(stranger.talk_to(*server, plaintext).find("no certificate") == 0);
  CHECK(server->state() == State::kFailed);
  CHECK(plaintext.empty());
}

TEST_CASE_METHOD(Listener, "TLS 1.2 is served where it is the minimum", "[tls][G7]") {
  const auto server = accept(TlsVersion::kTls12);
  Stranger stranger(MBEDTLS_SSL_VERSION_TLS1_2, &house);
  CHECK(stranger.talk_to(*server, plaintext).empty());
  REQUIRE(server->state() == State::kOpen);
  CHECK(server->description().find("TLSv1.2") == 0);
  CHECK(server->peer()->node == "house");
  stranger.write("hello");
  CHECK(stranger.talk_to(*server, plaintext).empty());
  CHECK(as_text(plaintext) == "hello");
}

TEST_CASE_METHOD(Listener, "TLS 1.2 is refused where 1.3 is the minimum", "[tls][G7]") {
  const auto server = accept(TlsVersion::kTls13);
  Stranger stranger(MBEDTLS_SSL_VERSION_TLS1_2, &house);
  CHECK(stranger.talk_to(*server, plaintext) == "the peer speaks no version of TLS that is allowed here");
}
