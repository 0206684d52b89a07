#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <set>
#include <string>

#include "daemon/config/channel_map.hpp"
#include "tests/support/seeded_random.hpp"

namespace hedgerow::config {
namespace {

ChannelMap map_of(const std::vector<std::string>& filters) {
  std::vector<Channel> channels;
  for (const std::string& filter : filters) {
    channels.push_back({.name = filter, .filter = filter, .scope = Scope::kMesh, .keep = {}});
  }
  return ChannelMap{std::move(channels)};
}

// The filter that owns the topic, "none" if no one does.
std::string owner(const std::vector<std::string>& filters, std::string_view topic) {
  const ChannelMap map = map_of(filters);
  const auto index = map.channel_of(topic);
  return index ? map.channels()[*index].filter : "none";
}

TEST_CASE("a literal goes before +, and + before #", "[config]") {
  CHECK(owner({"#", "+/b", "a/b"}, "a/b") == "a/b");
  CHECK(owner({"#", "+/b"}, "a/b") == "+/b");
  CHECK(owner({"#"}, "a/b") == "#");
}

TEST_CASE("the first differing level decides, whatever follows", "[config]") {
  CHECK(owner({"+/b/c", "a/#"}, "a/b/c") == "a/#");
  CHECK(owner({"a/+/c", "a/b/#"}, "a/b/c") == "a/b/#");
  CHECK(owner({"a/#", "a/+"}, "a/b") == "a/+");
}

TEST_CASE("a filter that ends goes before # for the level where both end", "[config]") {
  CHECK(owner({"a/#", "a"}, "a") == "a");
  CHECK(owner({"a/#", "+"}, "a") == "a/#");
}

TEST_CASE("the order in which channels are declared does not matter", "[config]") {
  CHECK(owner({"a/b", "#"}, "a/b") == "a/b");
  CHECK(owner({"#", "a/b"}, "a/b") == "a/b");
}

TEST_CASE("a topic that no filter matches is in no channel", "[config]") {
  CHECK(owner({"a/#", "b"}, "c") == "none");
  CHECK(owner({}, "a") == "none");
}

TEST_CASE("topics that begin with $ are in no channel of wildcards", "[config]") {
  CHECK(owner({"#", "+/x"}, "$SYS/x") == "none");
}

TEST_CASE("the node's own topics are in the system channel, also beside narrower wildcards", "[config]") {
  CHECK(owner({"hedgerow/#", "#", "+/orchard/nodes/+/health"}, "hedgerow/orchard/nodes/a/health") == "hedgerow/#");
  CHECK(owner({"hedgerow/#", "#"}, "hedgerow") == "hedgerow/#");
  CHECK(owner({"hedgerow/#", "#"}, "hedgerows/x") == "#");
}

// A second opinion, written straight from the sentence: split everything, match by recursion, compare pair by pair.
namespace naive {

using Levels = std::vector<std::string>;

Levels split(const std::string& text) {
  Levels levels(1);
  for (const char character : text) {
    if (character == '/') {
      levels.emplace_back();
    } else {
      levels.back() += character;
    }
  }
  return levels;
}

bool matches(const Levels& filter, std::size_t f, const Levels& topic, std::size_t t) {
  if (f == filter.size()) return t == topic.size();
  if (filter[f] == "#") return true;
  if (t == topic.size()) return false;
  return (filter[f] == "+" || filter[f] == topic[t]) && matches(filter, f + 1, topic, t + 1);
}

int rank(const Levels& filter, std::size_t level) {
  if (level >= filter.size()) return 0;
  return filter[level] == "#" ? 2 : filter[level] == "+" ? 1 : 0;
}

// True iff `left` owns a topic that both match.
bool wins(const Levels& left, const Levels& right) {
  std::size_t level = 0;
  while (level < left.size() && level < right.size() && left[level] == right[level]) ++level;
  return rank(left, level) < rank(right, level);
}

std::string owner(const std::vector<std::string>& filters, const std::string& topic) {
  std::string best = "none";
  for (const std::string& filter : filters) {
    if (!matches(split(filter), 0, split(topic), 0)) continue;
    if (best == "none" || wins(split(filter), split(best))) best = filter;
  }
  return best;
}

}  // namespace naive

std::string random_text(test::SeededRandom& random, const std::vector<std::string>& words, bool may_end_in_hash) {
  std::string text;
  const std::size_t levels = 1 + random.below(4);
  for (std::size_t level = 0; level < levels; ++level) {
    if (level > 0) text += '/';
    if (may_end_in_hash && level + 1 == levels && random.one_in(3)) return text + "#";
    text += words[random.below(words.size())];
  }
  return text;
}

TEST_CASE("random filters and topics agree with a naive model", "[config]") {
  test::SeededRandom random{test::pick_seed("channel map")};
  std::size_t owned = 0;
  for (int round = 0; round < 2'000; ++round) {
    std::set<std::string> unique;
    for (std::size_t count = 1 + random.below(8); count > 0; --count) {
      unique.insert(random_text(random, {"a", "b", "+", ""}, true));
    }
    std::vector<std::string> filters{unique.begin(), unique.end()};
    for (std::size_t at = filters.size(); at > 1; --at) std::swap(filters[at - 1], filters[random.below(at)]);
    const ChannelMap map = map_of(filters);
    for (int topics = 0; topics < 10; ++topics) {
      const std::string topic = random_text(random, {"a", "b", "c", ""}, false);
      if (topic.empty()) continue;
      const auto index = map.channel_of(topic);
      const std::string found = index ? map.channels()[*index].filter : "none";
      CAPTURE(filters, topic);
      REQUIRE(found == naive::owner(filters, topic));
      owned += index ? 1U : 0U;
    }
  }
  CHECK(owned > 1'000);
}

}  // namespace
}  // namespace hedgerow::config
