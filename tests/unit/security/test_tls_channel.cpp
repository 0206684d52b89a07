#include <algorithm>
#include <catch2/catch_test_macros.hpp>

#include "security/pki_mbedtls/authority.hpp"
#include "security/pki_mbedtls/identity_files.hpp"
#include "security/tls_mbedtls/tls_channel.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace hedgerow;
using namespace hedgerow::security;
using State = TlsChannel::State;

namespace {

// Two meshes, made once: keys take their time under an emulator.
class Meshes {
 public:
  static const Meshes& get() {
    static const Meshes meshes;
    return meshes;
  }
  Identity barn, house, panel, expired, stranger, other_mesh;

 private:
  Meshes() {
    const auto orchard = directory_.path() / "orchard";
    const auto foreign = directory_.path() / "foreign";
    const auto vineyard = directory_.path() / "vineyard";
    REQUIRE(create_authority(orchard, "orchard"));
    REQUIRE(create_authority(foreign, "orchard"));
    barn = issue(orchard, "barn");
    house = issue(orchard, "house");
    panel = issue(orchard, "panel", {.role = Role::kMonitor});
    expired = issue(orchard, "expired", {.validity_days = 1, .now_unix_s = 1'600'000'000});
    stranger = issue(foreign, "stranger");
    REQUIRE(create_authority(vineyard, "vineyard"));
    other_mesh = issue(vineyard, "vine");
  }

  Identity issue(const std::filesystem::path& authority, const char* name, const IssueOptions& options = {}) {
    const auto to = directory_.path() / "nodes" / name;
    REQUIRE(issue_node(authority / "authority", name, to, options));
    auto identity = load_identity(to);
    REQUIRE(identity);
    return *std::move(identity);
  }

  test::TemporaryDirectory directory_;
};

std::shared_ptr<const TlsContext> context(const Identity& identity, const TlsOptions& options = {}) {
  auto made = TlsContext::create(identity, options);
  REQUIRE(made);
  return *made;
}

struct End {
  End(const Identity& identity, TlsSide side, const TlsOptions& options = {}) : End(context(identity, options), side) {}
  End(std::shared_ptr<const TlsContext> shared, TlsSide side)
      : channel(std::move(TlsChannel::create(std::move(shared), side)).value()) {}

  std::unique_ptr<TlsChannel> channel;
  Bytes received;
  std::string error;
};

// Carries what waits at `from` to `to`, `chunk` bytes at a time. Returns true iff there was something.
bool carry(End& from, End& to, std::size_t chunk = 65536) {
  Bytes wire;
  if (!from.channel->take_outgoing(wire)) return false;
  ByteView rest{wire};
  while (!rest.empty()) {
    const ByteView piece = rest.first(std::min(chunk, rest.size()));
    rest = rest.subspan(piece.size());
    if (to.channel->state() == State::kFailed) continue;
    if (auto fed = to.channel->feed(piece, to.received); !fed) to.error = fed.error().what;
  }
  return true;
}

void settle(End& one, End& two, std::size_t chunk = 65536) {
  while (carry(one, two, chunk) || carry(two, one, chunk)) {
  }
}

struct Pair {
  Pair(const Identity& server_identity, const Identity& client_identity, const TlsOptions& server_options = {},
       const TlsOptions& client_options = {})
      : server(server_identity, TlsSide::kServer, server_options),
        client(client_identity, TlsSide::kClient, client_options) {}
  End server;
  End client;
};

// What a client says when it was refused after its own handshake.
constexpr const char* kLateRefusal =
    "the peer ended the session on seeing our certificate: another authority, mesh or role, or expired by its clock; "
    "its log says which";

const Meshes& meshes() { return Meshes::get(); }

}  // namespace

TEST_CASE("two nodes of a mesh open a TLS 1.3 session and know each other", "[tls][G7]") {
  Pair pair(meshes().barn, meshes().house);
  settle(pair.server, pair.client);
  REQUIRE(pair.server.channel->state() == State::kOpen);
  REQUIRE(pair.client.channel->state() == State::kOpen);
  CHECK(pair.server.channel->peer() == PeerIdentity{.mesh = "orchard", .node = "house", .role = Role::kNode});
  CHECK(pair.client.channel->peer() == PeerIdentity{.mesh = "orchard", .node = "barn", .role = Role::kNode});
  CHECK(pair.server.channel->description().find("TLSv1.3") == 0);
}

TEST_CASE("a handshake that arrives byte by byte succeeds", "[tls]") {
  Pair pair(meshes().barn, meshes().house);
  settle(pair.server, pair.client, 1);
  CHECK(pair.server.channel->state() == State::kOpen);
  CHECK(pair.client.channel->state() == State::kOpen);
}

TEST_CASE("what one side writes the other reads, both ways", "[tls]") {
  Pair pair(meshes().barn, meshes().house);
  settle(pair.server, pair.client);
  CHECK(pair.client.channel->write(as_bytes("from the house")) == 14);
  CHECK(pair.server.channel->write(as_bytes("from the barn")) == 13);
  settle(pair.server, pair.client, 7);
  CHECK(as_text(pair.server.received) == "from the house");
  CHECK(as_text(pair.client.received) == "from the barn");
}

TEST_CASE("the ciphertext does not show the plaintext", "[tls][G7]") {
  Pair pair(meshes().barn, meshes().house);
  settle(pair.server, pair.client);
  REQUIRE(pair.client.channel->write(as_bytes("setpoint/pump 42")));
  Bytes wire;
  REQUIRE(pair.client.channel->take_outgoing(wire));
  CHECK(as_text(wire).find("pump") == std::string_view::npos);
}

TEST_CASE("writing stops at the bound and goes on when ciphertext was taken", "[tls][G6]") {
  Pair pair(meshes().barn, meshes().house);
  settle(pair.server, pair.client);
  Bytes message(1'000'000);
  for (std::size_t i = 0; i < message.size(); ++i) message[i] = static_cast<std::uint8_t>(i * 7 + i / 251);
  ByteView rest{message};
  bool was_partial = false;
  while (!rest.empty()) {
    const auto written = pair.client.channel->write(rest);
    REQUIRE(written);
    was_partial = was_partial || *written < rest.size();
    rest = rest.subspan(*written);
    CHECK(pair.client.channel->outgoing_bytes() < kTlsOutgoingBytesMax + 17 * 1024);
    carry(pair.client, pair.server);
  }
  CHECK(was_partial);
  CHECK(pair.server.received == message);
}

TEST_CASE("writing before the handshake is complete is refused", "[tls]") {
  End client(meshes().house, TlsSide::kClient);
  const auto written = client.channel->write(as_bytes("x"));
  REQUIRE_FALSE(written);
  CHECK(written.error().category == Category::kUnavailable);
  CHECK_FALSE(client.channel->peer().has_value());
}

TEST_CASE("a client of another authority is refused, and both sides know why", "[tls][G7]") {
  Pair pair(meshes().barn, meshes().stranger);
  settle(pair.server, pair.client);
  CHECK(pair.client.channel->state() == State::kFailed);
  CHECK(pair.client.error == "certificate of another authority: the peer is no member of mesh \"orchard\"");
  CHECK_FALSE(pair.server.channel->peer().has_value());
}

TEST_CASE("a server refuses a client whose authority it does not know", "[tls][G7]") {
  // The client trusts the server's authority, but shows a certificate of its own.
  Identity liar = meshes().stranger;
  liar.authority_pem = meshes().barn.authority_pem;
  Pair pair(meshes().barn, liar);
  settle(pair.server, pair.client);
  CHECK(pair.server.channel->state() == State::kFailed);
  CHECK(pair.server.error == "certificate of another authority: the peer is no member of mesh \"orchard\"");
  CHECK(pair.client.error == kLateRefusal);
  CHECK(pair.server.received.empty());
}

TEST_CASE("a certificate of another mesh is refused although its authority is trusted", "[tls]") {
  Identity confused = meshes().barn;
  confused.authority_pem = meshes().other_mesh.authority_pem;
  Pair pair(confused, meshes().other_mesh);
  settle(pair.server, pair.client);
  CHECK(pair.client.error.find("certificate of another authority") == 0);
  Identity trusting = meshes().other_mesh;
  trusting.authority_pem = meshes().barn.authority_pem;
  Pair second(confused, trusting);
  settle(second.server, second.client);
  CHECK(second.client.error == "certificate of mesh \"orchard\", ours is \"vineyard\"");
}

TEST_CASE("an expired certificate is refused with its date", "[tls]") {
  Pair pair(meshes().barn, meshes().expired);
  settle(pair.server, pair.client);
  CHECK(pair.server.error == "certificate expired since 2020-09-14 12:26:40 UTC: issue a new one");
  CHECK(pair.client.error == kLateRefusal);
}

TEST_CASE("a role that is not served is refused, and served where it is accepted", "[tls]") {
  Pair refused(meshes().barn, meshes().panel);
  settle(refused.server, refused.client);
  CHECK(refused.server.error == "certificate of role monitor (\"panel\"): that role is not served here");

  Pair accepted(meshes().barn, meshes().panel, {.accepted_roles = RoleSet::all()});
  settle(accepted.server, accepted.client);
  REQUIRE(accepted.server.channel->state() == State::kOpen);
  CHECK(accepted.server.channel->peer()->role == Role::kMonitor);
}

TEST_CASE("bytes that are not TLS end the session", "[tls]") {
  End server(meshes().barn, TlsSide::kServer);
  const auto fed = server.channel->feed(as_bytes("GET / HTTP/1.1\r\n\r\n"), server.received);
  REQUIRE_FALSE(fed);
  CHECK(server.channel->state() == State::kFailed);
  CHECK_FALSE(server.channel->feed(as_bytes("more"), server.received));
}

TEST_CASE("a changed byte ends the session and yields no plaintext", "[tls][G7]") {
  Pair pair(meshes().barn, meshes().house);
  settle(pair.server, pair.client);
  REQUIRE(pair.client.channel->write(as_bytes("open the valve")));
  Bytes wire;
  REQUIRE(pair.client.channel->take_outgoing(wire));
  wire.back() ^= 1U;
  const auto fed = pair.server.channel->feed(wire, pair.server.received);
  REQUIRE_FALSE(fed);
  CHECK(fed.error().category == Category::kCorrupt);
  CHECK(pair.server.received.empty());
}

TEST_CASE("close tells the peer", "[tls]") {
  Pair pair(meshes().barn, meshes().house);
  settle(pair.server, pair.client);
  pair.client.channel->close();
  CHECK(pair.client.channel->state() == State::kClosed);
  carry(pair.client, pair.server);
  CHECK(pair.server.channel->state() == State::kPeerClosed);
  CHECK(pair.server.channel->feed(as_bytes("ignored"), pair.server.received));
  CHECK_FALSE(pair.client.channel->write(as_bytes("x")));
}

TEST_CASE("each side's preference for a cipher can be set", "[tls]") {
  const TlsOptions chacha{.ciphers = CipherPreference::kChaCha20First};
  Pair pair(meshes().barn, meshes().house, chacha, chacha);
  settle(pair.server, pair.client);
  CHECK(pair.server.channel->description() == "TLSv1.3 TLS1-3-CHACHA20-POLY1305-SHA256");

  const TlsOptions aes{.ciphers = CipherPreference::kAesGcmFirst};
  Pair second(meshes().barn, meshes().house, aes, aes);
  settle(second.server, second.client);
  CHECK(second.server.channel->description() == "TLSv1.3 TLS1-3-AES-128-GCM-SHA256");
}

TEST_CASE("sessions share one context", "[tls]") {
  const auto shared = context(meshes().barn);
  End server(shared, TlsSide::kServer);
  End client(shared, TlsSide::kClient);
  End second(meshes().house, TlsSide::kClient);
  End second_server(shared, TlsSide::kServer);
  settle(server, client);
  settle(second_server, second);
  CHECK(server.channel->peer()->node == "barn");
  CHECK(second_server.channel->peer()->node == "house");
}
