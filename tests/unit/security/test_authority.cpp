#include <sys/stat.h>

#include <catch2/catch_test_macros.hpp>
#include <fstream>

#include "security/pki_mbedtls/authority.hpp"
#include "security/pki_mbedtls/identity_files.hpp"
#include "security/pki_mbedtls/x509_raii.hpp"
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
