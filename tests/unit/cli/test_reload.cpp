#include <catch2/catch_test_macros.hpp>

#include "daemon/cli/control_request.hpp"
#include "daemon/cli/reload.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/unit/cli/one_answer.hpp"

namespace hedgerow::cli {
namespace {

Expected<std::string> answered(const std::string& answer) {
  const test::TemporaryDirectory directory;
  OneAnswer daemon{directory.path(), [&](int client) { send_all(client, answer + "\n"); }};
  Expected<std::string> notes = ask_reload(directory.path(), kReloadRequest);
  daemon.wait();
  CHECK(daemon.request == kReloadRequest);
  return notes;
}

TEST_CASE("a daemon that has reloaded may have nothing to say", "[cli]") {
  CHECK(answered(R"({"reloaded":true})").value().empty());
  CHECK(answered(R"({"reloaded":true,"notes":[]})").value().empty());
}

TEST_CASE("what the daemon notes is shown, a line each", "[cli]") {
  CHECK(answered(R"({"reloaded":true,"notes":["the data directory: restart","b"]})").value() ==
        "the data directory: restart\nb\n");
}

TEST_CASE("the daemon's reason is the error", "[cli]") {
  CHECK(answered(R"({"error":"f:1:1: mesh: found null"})").error().what == "f:1:1: mesh: found null");
}

TEST_CASE("an answer that is none is an error", "[cli]") {
  for (const char* const answer : {"", "{}", "[]", R"({"reloaded":false})", R"({"reloaded":1})"}) {
    CHECK(answered(answer).error().category == Category::kCorrupt);
  }
}

TEST_CASE("that no daemon runs can be told from other errors", "[cli]") {
  const test::TemporaryDirectory directory;
  CHECK(ask_reload(directory.path(), kReloadRequest).error().category == Category::kNotFound);
}

}  // namespace
}  // namespace hedgerow::cli
