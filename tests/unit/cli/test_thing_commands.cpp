#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "daemon/cli/thing_commands.hpp"
#include "security/things_posix/thing_file.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/unit/cli/one_answer.hpp"

namespace hedgerow::cli {
namespace {

class Board {
 public:
  [[nodiscard]] const std::filesystem::path& data() const { return directory_.path(); }
  [[nodiscard]] std::string file() const { return (data() / "things").string(); }
  [[nodiscard]] Command command(Verb verb, std::string name = {}) const {
    return {.verb = verb, .data = data(), .name = std::move(name)};
  }
  // Standard output, with what went to standard error in `notes`.
  Expected<std::string> add(Command command) {
    return thing_add(command, {.write =
                                   [this](std::string_view text) {
                                     written += text;
                                     return Expected<void>{};
                                   },
                               .note = [this](std::string_view line) { notes += std::string{line} + "\n"; }});
  }
  [[nodiscard]] security::ThingEntry entry(const std::string& name) const {
    const security::ThingKeys things = security::load_things(data()).value();
    REQUIRE(things.find_name(name) != nullptr);
    return *things.find_name(name);
  }

  std::string notes;
  std::string written;

 private:
  test::TemporaryDirectory directory_;
};

TEST_CASE_METHOD(Board, "a thing that is added has an id and a key, which are told once", "[cli][things]") {
  Command hex = command(Verb::kThingAdd, "pump");
  hex.hex = true;
  const std::string line = add(hex).value();
  CHECK(line == to_hex(entry("pump").id) + to_hex(entry("pump").key) + "\n");
  CHECK(notes == "Thing pump is added to " + file() + ". Its key is shown only now.\nNo hedgerowd runs on " +
                     data().string() + " now: it will know when it starts.\n");
  CHECK(add(hex).error().what == "there is a thing pump in " + file() +
                                     " already, and its key is told once: hedgerow thing revoke pump takes that one "
                                     "away, then it can be added anew");
  CHECK(line == to_hex(entry("pump").id) + to_hex(entry("pump").key) + "\n");
}

TEST_CASE_METHOD(Board, "no two things have a key or an id in common", "[cli][things]") {
  REQUIRE(add(command(Verb::kThingAdd, "a")));
  REQUIRE(add(command(Verb::kThingAdd, "b")));
  CHECK(entry("a").id != entry("b").id);
  CHECK(entry("a").key != entry("b").key);
  CHECK(entry("a").key != security::ThingKey{});
}

TEST_CASE_METHOD(Board, "the key comes as a C header and as JSON", "[cli][things]") {
  const std::string header = add(command(Verb::kThingAdd, "pump")).value();
  CHECK(header.find("#define HR_THING_NAME \"pump\"\n") != std::string::npos);
  const std::string first = "#define HR_THING_ID {0x" + to_hex(entry("pump").id).substr(0, 2) + ", 0x";
  CHECK(header.find(first) != std::string::npos);
  const std::string last = ", 0x" + to_hex(entry("pump").key).substr(30) + "}\n\n#endif\n";
  CHECK(header.ends_with(last));
  Command json = command(Verb::kThingAdd, "door");
  json.json = true;
  const std::string document = add(json).value();
  CHECK(document == "{\"name\":\"door\",\"id\":\"" + to_hex(entry("door").id) + "\",\"key\":\"" +
                        to_hex(entry("door").key) + "\"}\n");
}

TEST_CASE_METHOD(Board, "a thing that is revoked is gone, once", "[cli][things][G8]") {
  REQUIRE(add(command(Verb::kThingAdd, "pump")));
  CHECK(thing_revoke(command(Verb::kThingRevoke, "pump")).value() ==
        "Thing pump is revoked: its key is gone from " + file() + ".\nNo hedgerowd runs on " + data().string() +
            " now: it will know when it starts.\n");
  CHECK(security::load_things(data())->entries().empty());
  CHECK(thing_revoke(command(Verb::kThingRevoke, "pump")).error().what ==
        "there is no thing \"pump\" in " + file() + ": hedgerow thing list shows which there are");
}

TEST_CASE_METHOD(Board, "things are listed by name, without their keys", "[cli][things]") {
  CHECK(thing_list(command(Verb::kThingList)).value() == "no things: hedgerow thing add NAME adds one\n");
  Command json = command(Verb::kThingList);
  json.json = true;
  CHECK(thing_list(json).value() == "{\"things\":[]}\n");
  REQUIRE(add(command(Verb::kThingAdd, "pump")));
  CHECK(thing_list(command(Verb::kThingList)).value() == to_hex(entry("pump").id) + " pump\n");
  CHECK(thing_list(json).value() == "{\"things\":[{\"name\":\"pump\",\"id\":\"" + to_hex(entry("pump").id) + "\"}]}\n");
}

TEST_CASE_METHOD(Board, "a daemon that runs is told of a revocation", "[cli][things][G8]") {
  REQUIRE(add(command(Verb::kThingAdd, "pump")));
  OneAnswer daemon{data(), [](int client) { send_all(client, "{\"reloaded\":true}\n"); }};
  CHECK(thing_revoke(command(Verb::kThingRevoke, "pump")).value() ==
        "Thing pump is revoked: its key is gone from " + file() + ".\nhedgerowd knows it already.\n");
  daemon.wait();
  CHECK(daemon.request == "{\"verb\":\"reload-keys\"}\n");
}

TEST_CASE_METHOD(Board, "a daemon that could not reload is an error, the key is told all the same", "[cli][things]") {
  const OneAnswer daemon{data(), [](int client) { send_all(client, "{\"error\":\"no room\"}\n"); }};
  CHECK(add(command(Verb::kThingAdd, "pump")).error().what ==
        "Thing pump is added to " + file() +
            ". Its key is shown only now.\nBut hedgerowd was not told: no room\nWhen that is mended: hedgerow reload");
  CHECK(written.find("#define HR_THING_NAME \"pump\"\n") != std::string::npos);
}

TEST_CASE_METHOD(Board, "the things' file is for its owner alone, and named when it is not", "[cli][things][G7]") {
  namespace fs = std::filesystem;
  REQUIRE(add(command(Verb::kThingAdd, "pump")));
  CHECK(fs::status(file()).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
  fs::permissions(file(), fs::perms::group_read, fs::perm_options::add);
  CHECK(add(command(Verb::kThingAdd, "door")).error().what ==
        "the things' file " + file() + " is open to others than its owner: close it with: chmod 600 " + file());
  fs::permissions(file(), fs::perms::group_read, fs::perm_options::remove);
  std::ofstream{file(), std::ios::app} << "half\n";
  CHECK(add(command(Verb::kThingAdd, "door")).error().what == file() + ": line 3: is not NAME:ID:KEY");
}

TEST_CASE_METHOD(Board, "a data directory that is not there is named by the verbs of things", "[cli][things]") {
  Command lost = command(Verb::kThingAdd, "pump");
  lost.data = data() / "gone";
  const std::string expected =
      "there is no directory " + lost.data.string() + ": name the data directory with --data DIR";
  CHECK(add(lost).error().what == expected);
  CHECK(thing_revoke(lost).error().what == expected);
  CHECK(thing_list(lost).error().what == expected);
}

}  // namespace
}  // namespace hedgerow::cli
