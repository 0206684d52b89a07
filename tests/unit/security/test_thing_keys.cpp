#include <catch2/catch_test_macros.hpp>
#include <string>

#include "security/things/thing_keys.hpp"

namespace hedgerow::security {
namespace {

ThingEntry thing(const std::string& name, std::uint8_t fill) {
  ThingEntry out{.name = name};
  out.id.fill(fill);
  out.key.fill(static_cast<std::uint8_t>(fill + 1U));
  return out;
}

std::string line(const std::string& name, const std::string& id = std::string(16, 'a'),
                 const std::string& key = std::string(32, 'b')) {
  return name + ":" + id + ":" + key + "\n";
}

std::string refused(const std::string& text) {
  const Expected<ThingKeys> things = ThingKeys::parse(text);
  return things ? "accepted" : things.error().what;
}

TEST_CASE("a registry of things reads what it has written, in the order of the names", "[things]") {
  ThingKeys things;
  REQUIRE(things.add(thing("pump-2", 1)));
  REQUIRE(things.add(thing("barn.door_1", 2)));
  const Expected<ThingKeys> again = ThingKeys::parse(things.format());
  REQUIRE(again);
  CHECK(again->entries() == things.entries());
  CHECK(again->entries()[0].name == "barn.door_1");
  CHECK(things.format().starts_with("# Things of hedgerowd"));
}

TEST_CASE("a thing is found by its name, its id, and either as an identity", "[things]") {
  ThingKeys things;
  REQUIRE(things.add(thing("pump", 0xAB)));
  REQUIRE(things.add(thing("door", 0x11)));
  const ThingEntry* const pump = things.find_name("pump");
  REQUIRE(pump != nullptr);
  CHECK(*pump == thing("pump", 0xAB));
  CHECK(things.find_id(pump->id) == pump);
  CHECK(things.find_identity("pump") == pump);
  CHECK(things.find_identity("abababababababab") == pump);
  CHECK(things.find_identity("ABABABABABABABAB") == pump);
  for (const char* const nobody : {"", "pum", "pumpx", "abababababababa", "1111111111111112", "ababababababababab"}) {
    CHECK(things.find_identity(nobody) == nullptr);
  }
}

TEST_CASE("a name is given once until it is erased", "[things][G8]") {
  ThingKeys things;
  REQUIRE(things.add(thing("pump", 1)));
  CHECK(things.add(thing("pump", 2)).error().what == "there is a thing pump already");
  CHECK(things.erase("pump"));
  CHECK_FALSE(things.erase("pump"));
  CHECK(things.find_id(thing("pump", 1).id) == nullptr);
  CHECK(things.add(thing("pump", 2)));
}

TEST_CASE("an id stands for one thing", "[things]") {
  ThingKeys things;
  REQUIRE(things.add(thing("pump", 1)));
  CHECK(things.add(thing("door", 1)).error().what == "the id 0101010101010101 is another thing's already");
}

TEST_CASE("a thing's name can stand in a topic, and is nobody's id", "[things]") {
  for (const char* const name : {"a", "barn-1", "x_y.z", "0123456789abcde", "0123456789abcdeff"})
    CHECK(check_thing_name(name));
  for (const char* const name : {"", "Barn", "a:b", "a/b", "+", "-a", "0123456789abcdef"})
    CHECK_FALSE(check_thing_name(name));
}

TEST_CASE("comments and empty lines of a things' file are passed over, the last line may lack its end", "[things]") {
  std::string text = "# head\n\n" + line("pump");
  text.pop_back();
  const Expected<ThingKeys> things = ThingKeys::parse(text);
  REQUIRE(things);
  CHECK(things->find_name("pump") != nullptr);
}

TEST_CASE("a damaged line of a things' file is named with its number and what is wrong", "[things]") {
  CHECK(refused("\npump\n") == "line 2: is not NAME:ID:KEY");
  CHECK(refused(line("pump", "12")) == "line 1: has an id that is not 16 hexadecimal digits");
  CHECK(refused(line("pump", std::string(16, 'g'))) == "line 1: has an id that is not 16 hexadecimal digits");
  CHECK(refused(line("pump", std::string(16, 'a'), "77")) == "line 1: has a key that is not 32 hexadecimal digits");
  CHECK(refused(line("a") + line("a", std::string(16, 'c'))) == "line 2: there is a thing a already");
  CHECK(refused(line("a") + line("b")) == "line 2: the id aaaaaaaaaaaaaaaa is another thing's already");
}

TEST_CASE("things in the registry are bounded", "[things][G6]") {
  ThingKeys things;
  ThingEntry next;
  for (std::size_t at = 0; at < kThingKeysMax; ++at) {
    next.name = "t" + std::to_string(at);
    next.id[0] = static_cast<std::uint8_t>(at);
    next.id[1] = static_cast<std::uint8_t>(at >> 8U);
    REQUIRE(things.add(next));
  }
  next.name = "one-more";
  next.id[2] = 1;
  CHECK(things.add(next).error().category == Category::kLimit);
  CHECK(things.format().size() <= kThingsFileBytesMax);
}

}  // namespace
}  // namespace hedgerow::security
