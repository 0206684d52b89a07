#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <string>

#include "daemon/cli/run_command.hpp"
#include "security/pki_mbedtls/identity_files.hpp"
#include "tests/support/temporary_directory.hpp"

namespace hedgerow::cli {
namespace {

std::string done(const Command& command) {
  const Expected<std::string> text = run_command(command);
  INFO((text ? std::string{} : text.error().what));
  REQUIRE(text);
  return *text;
}

TEST_CASE("a mesh is made, then a node, and each answer says what comes next", "[cli]") {
  const test::TemporaryDirectory directory;
  const std::filesystem::path data = directory.path();
  CHECK(done({.verb = Verb::kMeshInit, .data = data, .name = "orchard"}) ==
        "The authority of mesh orchard is in " + (data / "authority").string() +
            ".\nKeep its authority.key safe and to yourself: whoever has it can add nodes.\n"
            "Next, once for each board: hedgerow --data " +
            data.string() + " node add NAME\n");
  CHECK(std::filesystem::exists(data / "authority" / "authority.key"));

  const std::filesystem::path out = data / "a b";
  CHECK(done({.verb = Verb::kNodeAdd, .data = data, .name = "gw-barn", .out = out}) ==
        "The identity of node gw-barn of mesh orchard is in " + (out / "identity").string() +
            ", valid for 90 days.\n"
            "Next: copy this folder into the data directory of that board, owned by the user that runs hedgerowd:\n"
            "  scp -pr '" +
            (out / "identity").string() +
            "' gw-barn:/var/lib/hedgerow/\n"
            "Then write \"mesh\": \"orchard\" into its configuration and start hedgerowd there.\n");
  for (const char* const file : {"node.crt", "node.key", "authority.crt"}) {
    CHECK(std::filesystem::exists(out / "identity" / file));
  }
}

TEST_CASE("a second authority in the same place is refused", "[cli]") {
  const test::TemporaryDirectory directory;
  const Command command{.verb = Verb::kMeshInit, .data = directory.path(), .name = "orchard"};
  done(command);
  CHECK_FALSE(run_command(command));
}

TEST_CASE("a node without an authority is refused", "[cli]") {
  const test::TemporaryDirectory directory;
  const Command command{
      .verb = Verb::kNodeAdd, .data = directory.path(), .name = "gw-barn", .out = directory.path() / "out"};
  const Expected<std::string> text = run_command(command);
  REQUIRE_FALSE(text);
  CHECK(text.error().category == Category::kNotFound);
  CHECK_FALSE(std::filesystem::exists(directory.path() / "out"));
}

TEST_CASE("status without a daemon fails", "[cli]") {
  const test::TemporaryDirectory directory;
  const Expected<std::string> text = run_command({.verb = Verb::kStatus, .data = directory.path()});
  REQUIRE_FALSE(text);
  CHECK(text.error().category == Category::kNotFound);
}

TEST_CASE("a program's identity comes with the line that uses it", "[cli]") {
  const test::TemporaryDirectory directory;
  const std::filesystem::path data = directory.path();
  done({.verb = Verb::kMeshInit, .data = data, .name = "orchard"});
  const std::string identity = (data / "out" / "identity").string();
  CHECK(done({.verb = Verb::kNodeAdd,
              .data = data,
              .name = "dashboard",
              .role = security::Role::kMonitor,
              .out = data / "out"}) ==
        "The identity of monitor dashboard of mesh orchard is in " + identity +
            ", valid for 90 days.\n"
            "Next: give these files to the MQTT program, for a listener with \"auth\": \"certificate\". For example:\n"
            "  mosquitto_sub -h BOARD -p 8883 --cafile " +
            identity + "/authority.crt --cert " + identity + "/node.crt --key " + identity + "/node.key -t '#'\n");
  CHECK(security::load_identity(data / "out")->self.role == security::Role::kMonitor);
}

TEST_CASE("the addresses of a board come into its certificate", "[cli]") {
  const test::TemporaryDirectory directory;
  done({.verb = Verb::kMeshInit, .data = directory.path(), .name = "orchard"});
  const auto size_with = [&](const char* out, std::vector<security::HostAddress> addresses) {
    done({.verb = Verb::kNodeAdd,
          .data = directory.path(),
          .name = "gw-barn",
          .addresses = std::move(addresses),
          .out = directory.path() / out});
    return security::load_identity(directory.path() / out)->certificate_pem.size();
  };
  CHECK(size_with("bare", {}) + 100 < size_with("known", {{.value = std::string(100, 'a')}}));
}

TEST_CASE("the version names the program", "[cli]") { CHECK(done({.verb = Verb::kVersion}).starts_with("hedgerow ")); }

}  // namespace
}  // namespace hedgerow::cli
