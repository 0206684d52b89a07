// Definitions of channels: the mesh's, a file's, and what a node makes of both. DESIGN 1.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <string>

#include "daemon/config/mesh_channels.hpp"
#include "daemon/config/parse.hpp"

namespace hedgerow::config {
namespace {

using Catch::Matchers::ContainsSubstring;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;

Channel doors(std::string filter = "door/#") { return {.name = "doors", .filter = std::move(filter)}; }

ChannelDefinitions mesh_of(std::vector<ChannelDefinition> definitions) {
  ChannelDefinitions out;
  for (ChannelDefinition& definition : definitions) out.emplace(definition.channel.name, std::move(definition));
  return out;
}

std::string refused(const ChannelDefinitions& mesh, const std::vector<Channel>& wanted) {
  const auto next = next_versions(mesh, {}, wanted);
  REQUIRE_FALSE(next);
  return next.error().what;
}

TEST_CASE("a definition comes back from its JSON as it was", "[config][G3]") {
  const ChannelDefinition definition{.version = 7,
                                     .channel = {.name = "doors",
                                                 .filter = R"(do"or\/#)",
                                                 .keep = {.age = std::chrono::hours{48}, .size_bytes = 3 * kMiB},
                                                 .late = kNeverLate,
                                                 .conflate = true,
                                                 .merge = sync::MergeKind::kCounter,
                                                 .ack = ChannelAck::kPeer}};
  ChannelDefinitions taken;
  REQUIRE(take_definition(taken, "doors", to_json(definition)));
  CHECK(taken == mesh_of({definition}));
  CHECK(definition_topic(definition) == "channels/doors");
}

TEST_CASE("a version counts more than a seed, whichever is read first", "[config][G3]") {
  const ChannelDefinition seed{.version = 0, .channel = doors("gate/#")};
  const ChannelDefinition applied{.version = 1, .channel = doors()};
  CHECK(definition_topic(seed) == "channels/doors/seed");
  ChannelDefinitions seed_first;
  REQUIRE(take_definition(seed_first, "doors/seed", to_json(seed)));
  REQUIRE(take_definition(seed_first, "doors", to_json(applied)));
  ChannelDefinitions seed_last;
  REQUIRE(take_definition(seed_last, "doors", to_json(applied)));
  REQUIRE(take_definition(seed_last, "doors/seed", to_json(seed)));
  CHECK(seed_first == mesh_of({applied}));
  CHECK(seed_last == mesh_of({applied}));
}

TEST_CASE("what is no definition is passed over with a sentence", "[config]") {
  ChannelDefinitions taken;
  const std::string other_name = to_json({.version = 1, .channel = doors()});
  CHECK_FALSE(take_definition(taken, "gates", other_name));
  CHECK_FALSE(take_definition(taken, "doors/seed", other_name));
  CHECK_FALSE(take_definition(taken, "doors", "3"));
  const auto later =
      take_definition(taken, "doors", R"({"version":1,"name":"doors","filter":"door/#","colour":"red"})");
  REQUIRE_FALSE(later);
  CHECK_THAT(later.error().what, ContainsSubstring("channel \"doors\"") && ContainsSubstring("update it here"));
  CHECK(taken.empty());
}

TEST_CASE("filter and merge are the mesh's, and the smaller keep counts bound by bound", "[config]") {
  Channel of_file = doors("gate/#");
  of_file.keep = {.age = std::chrono::hours{1}, .size_bytes = 64 * kMiB};
  of_file.late = kNeverLate;
  Channel of_mesh = doors();
  of_mesh.keep = {.age = std::chrono::hours{24}, .size_bytes = kMiB};
  const JoinedChannels joined =
      join_channels({system_channel(), of_file}, true, mesh_of({{.version = 2, .channel = of_mesh}}));
  REQUIRE(joined.channels.size() == 2);
  CHECK(joined.channels[1].filter == "door/#");
  CHECK(joined.channels[1].keep == Keep{.age = std::chrono::hours{1}, .size_bytes = kMiB});
  CHECK(joined.channels[1].late == kNeverLate);
}

TEST_CASE("a file that contradicts the mesh is an alarm with both values and the remedy", "[config]") {
  const JoinedChannels joined =
      join_channels({system_channel(), doors("gate/#")}, true, mesh_of({{.version = 2, .channel = doors()}}));
  REQUIRE(joined.alarms.size() == 1);
  CHECK_THAT(joined.alarms[0], ContainsSubstring("channel \"doors\"") && ContainsSubstring("filter \"gate/#\"") &&
                                   ContainsSubstring("version 2") && ContainsSubstring("\"door/#\"") &&
                                   ContainsSubstring("hedgerow channel apply FILE"));
}

TEST_CASE("a file with channels keeps only those that it names", "[config]") {
  const JoinedChannels joined =
      join_channels({system_channel(), default_channel()}, true, mesh_of({{.version = 1, .channel = doors()}}));
  CHECK(joined.channels == std::vector<Channel>{system_channel(), default_channel()});
  CHECK(joined.alarms.empty());
}

TEST_CASE("a file without channels keeps the mesh's, and the default beside them", "[config]") {
  const JoinedChannels joined =
      join_channels({system_channel(), default_channel()}, false, mesh_of({{.version = 1, .channel = doors()}}));
  CHECK(joined.channels == std::vector<Channel>{system_channel(), doors(), default_channel()});
}

TEST_CASE("a channel of the mesh for everything takes the place of the built-in default", "[config]") {
  const Channel all{.name = "all", .filter = "#"};
  const JoinedChannels joined =
      join_channels({system_channel(), default_channel()}, false, mesh_of({{.version = 1, .channel = all}}));
  CHECK(joined.channels == std::vector<Channel>{system_channel(), all});
  CHECK(joined.alarms.empty());
}

TEST_CASE("what one configuration says takes the place of no other node's built-in default", "[config][G3]") {
  const std::vector<Channel> none{system_channel(), default_channel()};
  Channel document = default_channel();
  document.merge = sync::MergeKind::kDocument;
  for (const Channel& seed :
       {Channel{.name = "all", .filter = "#"}, Channel{.name = "default", .filter = "home/#"}, document}) {
    const JoinedChannels joined = join_channels(none, false, mesh_of({{.version = 0, .channel = seed}}));
    CHECK(joined.channels == none);
    REQUIRE(joined.alarms.size() == 1);
    CHECK_THAT(joined.alarms[0], ContainsSubstring("is left out here") && ContainsSubstring("hedgerow channel apply"));
  }
  Channel longer = default_channel();
  longer.keep.age = std::chrono::hours{168};
  const JoinedChannels joined = join_channels(none, false, mesh_of({{.version = 0, .channel = longer}}));
  CHECK(joined.channels == std::vector<Channel>{system_channel(), longer});
  CHECK(joined.alarms.empty());
}

TEST_CASE("a channel for everything does not strand what is in the default", "[config][G6]") {
  const auto next = next_versions({}, {system_channel(), default_channel()}, {{.name = "all", .filter = "#"}});
  REQUIRE_FALSE(next);
  CHECK_THAT(next.error().what, ContainsSubstring("channel \"default\"") && ContainsSubstring("give each its own"));
}

TEST_CASE("a filter that the mesh has is not seeded again, and a clash of others' stops no change", "[config]") {
  const Channel gates{.name = "gates", .filter = "door/#"};
  CHECK(seeds({system_channel(), gates}, mesh_of({{.version = 0, .channel = doors()}})).empty());
  const ChannelDefinitions mesh = mesh_of({{.version = 0, .channel = doors()}, {.version = 0, .channel = gates}});
  CHECK(next_versions(mesh, {}, {{.name = "bells", .filter = "bell/#"}}));
}

TEST_CASE("a seed that says what no database holds is put right", "[config]") {
  Channel counter = doors();
  counter.merge = sync::MergeKind::kCounter;
  const ChannelDefinitions mesh = mesh_of({{.version = 0, .channel = counter}});
  const auto next = next_versions(mesh, {doors()}, {doors()});
  REQUIRE(next);
  REQUIRE(next->size() == 1);
  CHECK((*next)[0].version == 1);
  CHECK_FALSE(next_versions(mesh, {doors()}, {counter}));
}

TEST_CASE("a version that could not be raised any more is none", "[config]") {
  ChannelDefinitions taken;
  CHECK_FALSE(take_definition(taken, "doors", R"({"version":18446744073709551615,"name":"doors","filter":"door/#"})"));
  CHECK(take_definition(taken, "doors", R"({"version":9007199254740992,"name":"doors","filter":"door/#"})"));
}

TEST_CASE("a local channel of a file is not the mesh's", "[config]") {
  Channel local = doors("gate/#");
  local.scope = Scope::kLocal;
  const JoinedChannels joined =
      join_channels({system_channel(), local}, true, mesh_of({{.version = 1, .channel = doors()}}));
  CHECK(joined.channels[1] == local);
  CHECK(seeds({system_channel(), local}, {}).empty());
}

TEST_CASE("no two channels of a node ever have one filter", "[config]") {
  const std::vector<Channel> file{system_channel(), doors("gate/#"), {.name = "bells", .filter = "door/#"}};
  const JoinedChannels joined = join_channels(file, true, mesh_of({{.version = 1, .channel = doors()}}));
  CHECK(joined.channels == file);
  CHECK_THAT(joined.alarms.back(), ContainsSubstring("the configuration counts"));
}

TEST_CASE("a file seeds what the mesh does not know, and nothing else", "[config]") {
  const std::vector<Channel> file{system_channel(), doors(), {.name = "bells", .filter = "bell/#"}};
  const auto seeded = seeds(file, mesh_of({{.version = 0, .channel = doors("gate/#")}}));
  REQUIRE(seeded.size() == 1);
  CHECK(seeded[0] == ChannelDefinition{.version = 0, .channel = file[2]});
}

TEST_CASE("what changes is the next version, and what does not is none", "[config]") {
  const Channel bells{.name = "bells", .filter = "bell/#"};
  const ChannelDefinitions mesh = mesh_of({{.version = 4, .channel = doors()}, {.version = 0, .channel = bells}});
  const auto next = next_versions(mesh, {}, {doors("gate/#"), bells, {.name = "new", .filter = "new/#"}});
  REQUIRE(next);
  REQUIRE(next->size() == 2);
  CHECK((*next)[0] == ChannelDefinition{.version = 5, .channel = doors("gate/#")});
  CHECK((*next)[1].version == 1);
}

TEST_CASE("two channels may exchange their filters at once", "[config]") {
  const ChannelDefinitions mesh =
      mesh_of({{.version = 1, .channel = doors()}, {.version = 1, .channel = {.name = "bells", .filter = "bell/#"}}});
  CHECK(next_versions(mesh, {}, {doors("bell/#"), {.name = "bells", .filter = "door/#"}}));
}

TEST_CASE("a definition that cannot be is refused with the remedy", "[config]") {
  const ChannelDefinitions mesh = mesh_of({{.version = 1, .channel = doors()}});
  Channel counter = doors();
  counter.merge = sync::MergeKind::kCounter;
  CHECK_THAT(refused(mesh, {counter}), ContainsSubstring("give the channel another name"));
  Channel local = doors();
  local.scope = Scope::kLocal;
  CHECK_THAT(refused(mesh, {local}), ContainsSubstring("scope local"));
  CHECK_THAT(refused(mesh, {{.name = "bells", .filter = "door/#"}}),
             ContainsSubstring("\"door/#\"") && ContainsSubstring("give each its own"));
  std::vector<Channel> many;
  for (std::size_t i = 0; i < kChannelsMax; ++i) {
    many.push_back({.name = "c" + std::to_string(i), .filter = std::to_string(i) + "/#"});
  }
  CHECK_THAT(refused(mesh, many), ContainsSubstring("at most 64"));
}

TEST_CASE("a channel that only this node runs keeps its merge, too", "[config]") {
  Channel counter = doors();
  counter.merge = sync::MergeKind::kCounter;
  CHECK_FALSE(next_versions({}, {system_channel(), doors()}, {counter}));
  CHECK(next_versions({}, {system_channel(), doors()}, {doors()})->size() == 1);
}

TEST_CASE("what only a restart changes is told, late and conflate are not", "[config]") {
  Channel later = doors();
  later.late = kNeverLate;
  later.conflate = true;
  CHECK(waiting_for_restart({doors()}, {later}).empty());
  const auto waiting = waiting_for_restart({doors()}, {doors("gate/#")});
  REQUIRE(waiting.size() == 1);
  CHECK_THAT(waiting[0], ContainsSubstring("waits for a restart of this node"));
}

TEST_CASE("a file of channels alone is read, and mistakes in it are told with their place", "[config]") {
  const auto read = parse_channels("{ // doors\n \"channels\": [{ \"name\": \"doors\", \"filter\": \"door/#\" },] }");
  REQUIRE(read);
  CHECK(*read == std::vector<Channel>{doors()});
  const auto wrong = parse_channels("{ \"channels\": [{ \"name\": \"doors\",\n \"filtre\": \"door/#\" }] }");
  REQUIRE_FALSE(wrong);
  CHECK_THAT(format_problems("f", wrong.error()), ContainsSubstring("f:2:") && ContainsSubstring("filter"));
  CHECK_FALSE(parse_channels("{}"));
}

TEST_CASE("what a file with spool leaves out is spooled, within the smaller bounds", "[config]") {
  Channel of_mesh = doors();
  of_mesh.keep = {.age = std::chrono::hours{1}, .size_bytes = 64 * kMiB};
  of_mesh.merge = sync::MergeKind::kCounter;
  const Keep bound{.age = std::chrono::hours{24}, .size_bytes = kMiB};
  const JoinedChannels joined =
      join_channels({system_channel(), default_channel()}, true, mesh_of({{.version = 1, .channel = of_mesh}}), bound);
  Channel spooled = of_mesh;
  spooled.keep = {.age = std::chrono::hours{1}, .size_bytes = kMiB};
  spooled.spooled = true;
  CHECK(joined.channels == std::vector<Channel>{system_channel(), default_channel(), spooled});
  CHECK(joined.alarms.empty());
}

TEST_CASE("what a file names is not spooled, also where it is local", "[config]") {
  Channel local{.name = "bells", .filter = "bell/#", .scope = Scope::kLocal};
  const JoinedChannels joined = join_channels(
      {system_channel(), doors(), local}, true,
      mesh_of({{.version = 1, .channel = doors()}, {.version = 1, .channel = {.name = "bells", .filter = "ring/#"}}}),
      Keep{});
  CHECK(joined.channels == std::vector<Channel>{system_channel(), doors(), local});
}

TEST_CASE("a spooled channel may have the filter of one of the file", "[config]") {
  const std::vector<Channel> file{system_channel(), {.name = "gates", .filter = "door/#"}};
  const JoinedChannels joined = join_channels(file, true, mesh_of({{.version = 0, .channel = doors()}}), Keep{});
  REQUIRE(joined.channels.size() == 3);
  CHECK(joined.channels[2].spooled);
  CHECK(joined.alarms.empty());
}

TEST_CASE("to spool what was kept, or to keep what was spooled, waits for a restart", "[config]") {
  Channel spooled = doors();
  spooled.spooled = true;
  CHECK(waiting_for_restart({doors()}, {spooled}).size() == 1);
  CHECK(waiting_for_restart({spooled}, {doors()}).size() == 1);
  CHECK(waiting_for_restart({spooled}, {spooled}).empty());
}

}  // namespace
}  // namespace hedgerow::config
