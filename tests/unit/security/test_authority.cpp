#include <mbedtls/oid.h>
#include <sys/stat.h>

#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <string>
#include <vector>

#include "security/pki_mbedtls/authority.hpp"
#include "security/pki_mbedtls/identity_files.hpp"
#include "security/pki_mbedtls/x509_raii.hpp"
#include "sync/base/bytes.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace hedgerow;
using namespace hedgerow::security;
namespace fs = std::filesystem;

namespace {

struct Orchard {
  Orchard() { REQUIRE(create_authority(data(), "orchard")); }
  [[nodiscard]] fs::path data() const { return directory.path() / "data"; }
  [[nodiscard]] fs::path authority() const { return data() / "authority"; }

  test::TemporaryDirectory directory;
};

std::string content(const fs::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The subjectAltName as it was parsed back: "DNS:gw-barn", "IP:c0a80114". REQUIREs a well-formed certificate.
std::vector<std::string> names_in(const fs::path& out) {
  Certificate certificate;
  REQUIRE(certificate.parse("node.crt", content(out / "identity/node.crt")));
  std::vector<std::string> names;
  if (mbedtls_x509_crt_has_ext_type(certificate.get(), MBEDTLS_X509_EXT_SUBJECT_ALT_NAME) == 0) return names;
  for (const auto* item = &certificate.get()->subject_alt_names; item != nullptr; item = item->next) {
    mbedtls_x509_subject_alternative_name name{};
    REQUIRE(mbedtls_x509_parse_subject_alt_name(&item->buf, &name) == 0);
    const std::string value{reinterpret_cast<const char*>(name.san.unstructured_name.p),
                            name.san.unstructured_name.len};
    const bool is_ip = name.type == MBEDTLS_X509_SAN_IP_ADDRESS;
    names.push_back(is_ip ? "IP:" + to_hex(as_bytes(value)) : "DNS:" + value);
  }
  return names;
}

std::vector<HostAddress> addresses(std::initializer_list<const char*> texts) {
  std::vector<HostAddress> out;
  for (const char* const text : texts) out.push_back(parse_host_address(text).value());
  return out;
}

using Names = std::vector<std::string>;

mode_t mode(const fs::path& path) {
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 0777U;
}

}  // namespace

TEST_CASE_METHOD(Orchard, "an authority carries its mesh and keeps its key to its owner", "[pki]") {
  CHECK(authority_mesh(authority()) == "orchard");
  CHECK(mode(authority() / "authority.key") == 0600);
  CHECK(mode(authority() / "authority.crt") == 0644);
}

TEST_CASE_METHOD(Orchard, "an authority is a certificate authority that signs itself", "[pki]") {
  Certificate certificate;
  REQUIRE(certificate.parse("authority.crt", content(authority() / "authority.crt")));
  CHECK(certificate.get()->MBEDTLS_PRIVATE(ca_istrue) == 1);
  CHECK(subject_attribute(*certificate.get(), "CN") == "orchard authority");
  std::uint32_t flags = 0;
  CHECK(mbedtls_x509_crt_verify(certificate.get(), certificate.get(), nullptr, nullptr, &flags, nullptr, nullptr) == 0);
}

TEST_CASE_METHOD(Orchard, "every role reaches whoever reads the certificate", "[pki]") {
  for (const Role role : kAllRoles) {
    const fs::path out = directory.path() / std::string{role_text(role)};
    REQUIRE(issue_node(authority(), "dashboard", out, {.role = role}));
    CHECK(load_identity(out)->self == PeerIdentity{.mesh = "orchard", .node = "dashboard", .role = role});
  }
}

TEST_CASE_METHOD(Orchard, "a second authority is refused and the first is untouched", "[pki]") {
  const std::string before = content(authority() / "authority.key");
  const auto again = create_authority(data(), "orchard");
  REQUIRE_FALSE(again);
  CHECK(again.error().category == Category::kInvalidInput);
  CHECK(content(authority() / "authority.key") == before);
}

TEST_CASE("a mesh name that is no topic level is refused before anything is written", "[pki]") {
  const test::TemporaryDirectory directory;
  CHECK_FALSE(create_authority(directory.path(), "my/mesh"));
  CHECK(fs::is_empty(directory.path()));
}

TEST_CASE_METHOD(Orchard, "an issued node loads as a member of the mesh", "[pki]") {
  REQUIRE(issue_node(authority(), "gw-barn", directory.path() / "barn"));
  const auto identity = load_identity(directory.path() / "barn");
  REQUIRE(identity);
  CHECK(identity->self == PeerIdentity{.mesh = "orchard", .node = "gw-barn", .role = Role::kNode});
  CHECK(mode(directory.path() / "barn/identity/node.key") == 0600);
}

TEST_CASE_METHOD(Orchard, "a certificate ends 90 days after it was issued", "[pki]") {
  REQUIRE(issue_node(authority(), "a", directory.path() / "a", {.now_unix_s = 1'800'000'000}));
  CHECK(load_identity(directory.path() / "a")->not_after_unix_s == 1'800'000'000 + 90 * 86'400);
}

TEST_CASE_METHOD(Orchard, "a certificate begins with its authority, long before it was issued", "[pki][G10]") {
  REQUIRE(issue_node(authority(), "a", directory.path() / "a"));
  Certificate certificate;
  REQUIRE(certificate.parse("node.crt", content(directory.path() / "a/identity/node.crt")));
  CHECK(utc_text(certificate.get()->valid_from) == "2020-01-01 00:00:00 UTC");
}

TEST_CASE_METHOD(Orchard, "an issuer whose clock was never set is told so", "[pki][G10]") {
  const auto issued = issue_node(authority(), "a", directory.path() / "a", {.now_unix_s = 1000});
  REQUIRE_FALSE(issued);
  CHECK(issued.error().what.find("the clock of this machine is before 2020-01-01") == 0);
}

TEST_CASE_METHOD(Orchard, "a certificate holds its name for clients that check host names", "[pki]") {
  REQUIRE(issue_node(authority(), "gw-barn", directory.path() / "a"));
  CHECK(names_in(directory.path() / "a") == Names{"DNS:gw-barn"});
}

TEST_CASE_METHOD(Orchard, "a certificate holds host names and IP addresses as it was told", "[pki]") {
  const fs::path out = directory.path() / "a";
  REQUIRE(issue_node(authority(), "gw-barn", out, {.addresses = addresses({"gw-barn.lan", "192.168.1.20", "::1"})}));
  CHECK(names_in(out) == Names{"DNS:gw-barn", "DNS:gw-barn.lan", "IP:c0a80114", "IP:00000000000000000000000000000001"});
}

TEST_CASE_METHOD(Orchard, "an address that is given twice stands in the certificate once", "[pki]") {
  const fs::path out = directory.path() / "a";
  REQUIRE(issue_node(authority(), "gw-barn", out, {.addresses = addresses({"GW-Barn", "::1", "0::1"})}));
  CHECK(names_in(out) == Names{"DNS:gw-barn", "IP:00000000000000000000000000000001"});
}

TEST_CASE_METHOD(Orchard, "a name that is an IP address is one in the certificate, and one that is no host is left out",
                 "[pki]") {
  REQUIRE(issue_node(authority(), "10.0.0.1", directory.path() / "a"));
  CHECK(names_in(directory.path() / "a") == Names{"IP:0a000001"});
  REQUIRE(issue_node(authority(), "a..b", directory.path() / "b"));
  CHECK(names_in(directory.path() / "b").empty());
  CHECK(load_identity(directory.path() / "b")->self.node == "a..b");
}

TEST_CASE_METHOD(Orchard, "a certificate has room for 16 of the longest addresses and no more", "[pki][G6]") {
  std::vector<HostAddress> longest;
  const std::string label(63, 'a');
  for (char at = 'a'; longest.size() < kHostAddressesMax; ++at) {
    const std::string last = std::string(60, 'a') + at;
    longest.push_back(parse_host_address(label + "." + label + "." + label + "." + last).value());
  }
  const fs::path out = directory.path() / "a";
  REQUIRE(issue_node(authority(), std::string(63, 'b'), out, {.addresses = longest}));
  CHECK(names_in(out).size() == kHostAddressesMax + 1);
  CHECK(load_identity(out));
  longest.push_back(parse_host_address("one-more").value());
  const auto refused = issue_node(authority(), "b", directory.path() / "b", {.addresses = longest});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().what == "a certificate holds at most 16 addresses, not 17");
}

TEST_CASE_METHOD(Orchard, "a client that checks host names accepts those in the certificate and no others", "[pki]") {
  REQUIRE(issue_node(authority(), "gw-barn", directory.path() / "a", {.addresses = addresses({"gw-barn.lan", "::1"})}));
  Certificate certificate;
  Certificate trusted;
  REQUIRE(certificate.parse("node.crt", content(directory.path() / "a/identity/node.crt")));
  REQUIRE(trusted.parse("authority.crt", content(authority() / "authority.crt")));
  const auto accepts = [&](const char* host) {
    std::uint32_t flags = 0;
    return mbedtls_x509_crt_verify(certificate.get(), trusted.get(), nullptr, host, &flags, nullptr, nullptr) == 0;
  };
  for (const char* const host : {"gw-barn", "gw-barn.lan", "::1"}) CHECK(accepts(host));
  for (const char* const host : {"gw-house", "barn.lan", "::2", "orchard"}) CHECK_FALSE(accepts(host));
}

TEST_CASE_METHOD(Orchard, "every certificate is good for a client, and only a node's for a server", "[pki]") {
  for (const Role role : kAllRoles) {
    const fs::path out = directory.path() / std::string{role_text(role)};
    REQUIRE(issue_node(authority(), "gw-barn", out, {.role = role}));
    Certificate certificate;
    REQUIRE(certificate.parse("node.crt", content(out / "identity/node.crt")));
    const auto is_for = [&](const char* oid, std::size_t length) {
      return mbedtls_x509_crt_check_extended_key_usage(certificate.get(), oid, length) == 0;
    };
    INFO(role_text(role));
    CHECK(is_for(MBEDTLS_OID_CLIENT_AUTH, MBEDTLS_OID_SIZE(MBEDTLS_OID_CLIENT_AUTH)));
    CHECK(is_for(MBEDTLS_OID_SERVER_AUTH, MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH)) == (role == Role::kNode));
  }
}

TEST_CASE_METHOD(Orchard, "two certificates have two serial numbers", "[pki]") {
  REQUIRE(issue_node(authority(), "a", directory.path() / "a"));
  REQUIRE(issue_node(authority(), "a", directory.path() / "b"));
  Certificate one;
  Certificate two;
  REQUIRE(one.parse("one", content(directory.path() / "a/identity/node.crt")));
  REQUIRE(two.parse("two", content(directory.path() / "b/identity/node.crt")));
  const auto serial = [](Certificate& from) {
    return std::string(reinterpret_cast<const char*>(from.get()->serial.p), from.get()->serial.len);
  };
  CHECK(serial(one) != serial(two));
}

TEST_CASE_METHOD(Orchard, "an identity is not overwritten", "[pki]") {
  REQUIRE(issue_node(authority(), "a", directory.path() / "a"));
  const auto again = issue_node(authority(), "b", directory.path() / "a");
  REQUIRE_FALSE(again);
  CHECK(again.error().category == Category::kInvalidInput);
  CHECK(load_identity(directory.path() / "a")->self.node == "a");
}

TEST_CASE_METHOD(Orchard, "a bad node name is refused", "[pki]") {
  CHECK_FALSE(issue_node(authority(), "Gateway Barn", directory.path() / "a"));
  CHECK_FALSE(fs::exists(directory.path() / "a"));
}

TEST_CASE("issuing without an authority says how to make one", "[pki]") {
  const test::TemporaryDirectory directory;
  const auto issued = issue_node(directory.path(), "a", directory.path() / "a");
  REQUIRE_FALSE(issued);
  CHECK(issued.error().category == Category::kNotFound);
  CHECK(issued.error().what.find("hedgerow mesh init") != std::string::npos);
}

TEST_CASE_METHOD(Orchard, "an authority whose key is open to others issues nothing", "[pki]") {
  fs::permissions(authority() / "authority.key", fs::perms{0644});
  const auto issued = issue_node(authority(), "a", directory.path() / "a");
  REQUIRE_FALSE(issued);
  CHECK(issued.error().category == Category::kRefused);
}

TEST_CASE_METHOD(Orchard, "nothing half-made stays behind", "[pki]") {
  REQUIRE(issue_node(authority(), "a", directory.path() / "a"));
  CHECK_FALSE(issue_node(authority(), "a", directory.path() / "a"));
  for (const auto& entry : fs::directory_iterator(directory.path() / "a")) {
    CHECK(entry.path().filename() == "identity");
  }
}
