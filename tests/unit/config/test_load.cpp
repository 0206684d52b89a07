#include <sys/stat.h>

#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <string>

#include "daemon/config/load.hpp"
#include "tests/support/temporary_directory.hpp"

namespace hedgerow::config {
namespace {

struct ConfigFile {
  explicit ConfigFile(const std::string& text) { std::ofstream{file} << text; }

  test::TemporaryDirectory directory;
  std::filesystem::path file = directory.path() / "hedgerow.json";
};

TEST_CASE("a good file is loaded", "[config]") {
  const ConfigFile config{"{ \"mesh\": \"orchard\" } // done"};
  const Expected<Config> loaded = load(config.file);
  REQUIRE(loaded);
  CHECK(loaded->mesh == "orchard");
}

TEST_CASE("every mistake is one line that begins with the file's name", "[config]") {
  const ConfigFile config{"{\n \"mesh\": 1,\n \"pears\": []\n}"};
  const Expected<Config> loaded = load(config.file);
  REQUIRE_FALSE(loaded);
  const std::string name = config.file.string();
  CHECK(loaded.error().category == Category::kInvalidInput);
  CHECK(loaded.error().what == name + ":2:10: mesh: found the number 1, expected a name\n" + name +
                                   ":3:2: pears: unknown key; did you mean \"peers\"?");
}

TEST_CASE("a missing file says how to name another", "[config]") {
  const test::TemporaryDirectory directory;
  const std::filesystem::path file = directory.path() / "none.json";
  const Expected<Config> loaded = load(file);
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().category == Category::kNotFound);
  CHECK(loaded.error().what == file.string() + ": there is no such file: write it, or name another with --config FILE");
}

TEST_CASE("a directory is no configuration", "[config]") {
  const test::TemporaryDirectory directory;
  const Expected<Config> loaded = load(directory.path());
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().what == directory.path().string() + ": is a directory, expected a file");
}

TEST_CASE("a pipe that nobody writes to holds nothing up", "[config]") {
  const test::TemporaryDirectory directory;
  const std::filesystem::path pipe = directory.path() / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  const Expected<Config> loaded = load(pipe);
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().what == pipe.string() + ": is not a regular file, expected one");
}

TEST_CASE("a file beyond 1 MiB is not read", "[config][G6]") {
  const ConfigFile config{std::string((1U << 20U) + 1, ' ')};
  const Expected<Config> loaded = load(config.file);
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().category == Category::kLimit);
}

}  // namespace
}  // namespace hedgerow::config
