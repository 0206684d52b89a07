#include <catch2/catch_test_macros.hpp>
#include <fstream>

#include "security/pki_mbedtls/authority.hpp"
#include "security/pki_mbedtls/identity_files.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace hedgerow;
using namespace hedgerow::security;
namespace fs = std::filesystem;

namespace {

struct Board {
  Board() {
    REQUIRE(create_authority(directory.path(), "orchard"));
    REQUIRE(issue_node(directory.path() / "authority", "gw-barn", data()));
  }
  [[nodiscard]] fs::path data() const { return directory.path() / "barn"; }
  [[nodiscard]] fs::path file(const char* name) const { return data() / "identity" / name; }
  [[nodiscard]] Error refusal() const {
    const auto identity = load_identity(data());
    REQUIRE_FALSE(identity);
    return identity.error();
  }

  test::TemporaryDirectory directory;
};

void overwrite(const fs::path& path, const fs::path& with) {
  fs::copy_file(with, path, fs::copy_options::overwrite_existing);
}

}  // namespace

TEST_CASE("a board without identity is told how to get one", "[pki]") {
  const test::TemporaryDirectory directory;
  const auto identity = load_identity(directory.path());
  REQUIRE_FALSE(identity);
  CHECK(identity.error().category == Category::kNotFound);
  CHECK(identity.error().what.find("hedgerow node add") != std::string::npos);
}

TEST_CASE_METHOD(Board, "a key that others may read is refused with the remedy", "[pki]") {
  fs::permissions(file("node.key"), fs::perms{0640});
  const Error error = refusal();
  CHECK(error.category == Category::kRefused);
  CHECK(error.what.find("chmod 600 " + file("node.key").string()) != std::string::npos);
}

TEST_CASE_METHOD(Board, "a key of another certificate is refused", "[pki]") {
  REQUIRE(issue_node(directory.path() / "authority", "gw-house", directory.path() / "house"));
  overwrite(file("node.key"), directory.path() / "house/identity/node.key");
  const Error error = refusal();
  CHECK(error.category == Category::kCorrupt);
  CHECK(error.what.find("does not belong to") != std::string::npos);
}

TEST_CASE_METHOD(Board, "a certificate of another authority is refused", "[pki]") {
  REQUIRE(create_authority(directory.path() / "other", "orchard"));
  overwrite(file("authority.crt"), directory.path() / "other/authority/authority.crt");
  const Error error = refusal();
  CHECK(error.category == Category::kCorrupt);
  CHECK(error.what.find("was not signed by the authority") != std::string::npos);
}

TEST_CASE_METHOD(Board, "a missing key or authority is named", "[pki]") {
  for (const char* name : {"node.key", "authority.crt"}) {
    fs::remove(file(name));
    const Error error = refusal();
    CHECK(error.category == Category::kCorrupt);
    CHECK(error.what.find(file(name).string()) != std::string::npos);
  }
}

TEST_CASE_METHOD(Board, "a file that is no PEM is named", "[pki]") {
  for (const char* name : {"authority.crt", "node.key", "node.crt"}) {
    std::ofstream(file(name)) << "hello";
    const Error error = refusal();
    CHECK(error.category == Category::kCorrupt);
    CHECK(error.what.find("in PEM") != std::string::npos);
  }
}

TEST_CASE_METHOD(Board, "a huge file is refused instead of read", "[pki][G6]") {
  std::ofstream(file("node.crt")) << std::string(100'000, 'x');
  CHECK(refusal().category == Category::kLimit);
}

TEST_CASE_METHOD(Board, "an expired identity loads, so that the daemon can say so", "[pki][G9]") {
  REQUIRE(issue_node(directory.path() / "authority", "old", directory.path() / "old",
                     {.validity_days = 1, .now_unix_s = 1'600'000'000}));
  const auto identity = load_identity(directory.path() / "old");
  REQUIRE(identity);
  CHECK(identity->not_after_unix_s == 1'600'086'400);
}

TEST_CASE("a secret is empty after it was moved from", "[pki]") {
  Secret one{"short"};
  const Secret two{std::move(one)};
  CHECK(two.text() == "short");
  CHECK(one.text().empty());
}
