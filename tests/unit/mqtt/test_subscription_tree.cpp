#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "daemon/mqtt/limits.hpp"
#include "daemon/mqtt/subscription_tree.hpp"
#include "daemon/mqtt/topic.hpp"
#include "tests/support/seeded_random.hpp"

using namespace hedgerow;
using namespace hedgerow::mqtt;

namespace {

SubOptions with_id(std::uint32_t id) { return {.subscription_identifier = id, .qos = QoS::kAtLeastOnce}; }

// (subscriber, subscription identifier) of each match, in the order given.
using Found = std::vector<std::pair<SubscriberId, std::uint32_t>>;

Found find(const SubscriptionTree& tree, std::string_view topic) {
  std::vector<SubscriptionTree::Match> matches;
  tree.match(topic, matches);
  Found out;
  for (const auto& match : matches) out.emplace_back(match.subscriber, match.options.subscription_identifier);
  return out;
}

std::string random_levels(test::SeededRandom& random, bool is_filter) {
  static constexpr std::string_view kLevels[] = {"a", "b", "", "$c", "a level longer than eight", "+"};
  std::string out;
  const std::size_t levels = 1 + random.below(5);
  for (std::size_t i = 0; i < levels; ++i) {
    if (i > 0) out += '/';
    if (is_filter && i + 1 == levels && random.one_in(4)) return out + "#";
    out += kLevels[random.below(is_filter ? 6 : 5)];
  }
  return out.empty() ? "a" : out;
}

}  // namespace

TEST_CASE("a subscription is new once", "[mqtt][MQTT-3.8.4-3]") {
  SubscriptionTree tree;
  CHECK(tree.insert("a/b", 1, with_id(1)));
  CHECK_FALSE(tree.insert("a/b", 1, with_id(2)));
  CHECK(tree.size() == 1);
  CHECK(find(tree, "a/b") == Found{{1, 2}});
}

TEST_CASE("an erased subscription is gone, and so are its nodes", "[mqtt][MQTT-3.10.4-1][G6]") {
  SubscriptionTree tree;
  const std::size_t empty = tree.node_count();
  tree.insert("a/b/c", 1, {});
  tree.insert("a/+/#", 1, {});
  CHECK(tree.erase("a/b/c", 1));
  CHECK_FALSE(tree.erase("a/b/c", 1));
  CHECK(tree.erase("a/+/#", 1));
  CHECK(tree.size() == 0);
  CHECK(tree.node_count() == empty);
}

TEST_CASE("erasing what is not there changes nothing", "[mqtt][MQTT-3.10.4-1]") {
  SubscriptionTree tree;
  tree.insert("a/b", 1, {});
  CHECK_FALSE(tree.erase("a", 1));
  CHECK_FALSE(tree.erase("a/b", 2));
  CHECK_FALSE(tree.erase("a/b/c", 1));
  CHECK_FALSE(tree.erase("", 1));
  CHECK(tree.size() == 1);
}

TEST_CASE("all subscriptions of one subscriber go at once", "[mqtt]") {
  SubscriptionTree tree;
  tree.insert("a", 1, {});
  tree.insert("#", 1, {});
  tree.insert("a", 2, with_id(7));
  CHECK(tree.erase_all(1) == 2);
  CHECK(tree.erase_all(1) == 0);
  CHECK(find(tree, "a") == Found{{2, 7}});
}

TEST_CASE("overlapping subscriptions of one subscriber stand together", "[mqtt]") {
  SubscriptionTree tree;
  tree.insert("a/#", 2, with_id(1));
  tree.insert("a/b", 1, with_id(2));
  tree.insert("+/b", 2, with_id(3));
  tree.insert("#", 1, with_id(4));
  Found found = find(tree, "a/b");
  CHECK(std::ranges::is_sorted(found, {}, &Found::value_type::first));
  std::ranges::sort(found);
  CHECK(found == Found{{1, 2}, {1, 4}, {2, 1}, {2, 3}});
}

TEST_CASE("the tree keeps wildcards of the root from names that begin with $", "[mqtt][MQTT-4.7.2-1]") {
  SubscriptionTree tree;
  tree.insert("#", 1, {});
  tree.insert("+/x", 2, {});
  tree.insert("$SYS/#", 3, {});
  CHECK(find(tree, "$SYS/x") == Found{{3, 0}});
  CHECK(find(tree, "$SYS") == Found{{3, 0}});
}

TEST_CASE("a match costs no more than the nodes there are", "[mqtt][G6]") {
  SubscriptionTree tree;
  std::string filter = "+";
  std::string topic = "a";
  for (std::size_t level = 1; level < kTopicLevelsMax; ++level) {
    tree.insert(filter + "/#", level, {});
    filter += "/+";
    topic += "/a";
  }
  CHECK(find(tree, topic).size() == kTopicLevelsMax - 1);
  // Far deeper than any filter: only as deep as the tree.
  for (int i = 0; i < 30'000; ++i) topic += "/a";
  CHECK(find(tree, topic).size() == kTopicLevelsMax - 1);
}

// All filters of `levels` levels, each "a" or "+", with `tail` behind them.
std::vector<std::string> branches(std::size_t levels, const std::string& tail) {
  std::vector<std::string> out{""};
  for (std::size_t level = 0; level < levels; ++level) {
    std::vector<std::string> longer;
    for (const std::string& filter : out) {
      longer.push_back(filter + "a/");
      longer.push_back(filter + "+/");
    }
    out = std::move(longer);
  }
  for (std::string& filter : out) filter += tail;
  return out;
}

TEST_CASE("levels without another way between them are one node, before and after changes", "[mqtt][G6]") {
  std::string tail;
  std::string topic = "a/a/a/a/a/a/a/a";
  for (int i = 0; i < 115; ++i) {
    tail += i % 2 == 0 ? "a/" : "+/";
    topic += "/a";
  }
  const auto filters = branches(8, tail + "z");
  SubscriptionTree tree;
  for (const std::string& filter : filters) tree.insert(filter, 1, {});
  CHECK(tree.node_count() <= 2 * filters.size());
  // Subscriptions half-way split what they stand on; without them it is as it was.
  for (const std::string& filter : branches(8, tail.substr(0, 40) + "#")) {
    tree.insert(filter, 2, {});
    tree.insert(filter.substr(0, filter.size() - 2), 3, {});
    tree.insert(filter.substr(0, filter.size() - 6) + "/b/c", 4, {});
  }
  CHECK(tree.erase_all(4) == filters.size());
  CHECK(tree.erase_all(3) == filters.size());
  CHECK(tree.erase_all(2) == filters.size());
  CHECK(tree.node_count() <= 2 * filters.size());
  std::vector<SubscriptionTree::Match> matches;
  CHECK(tree.match(topic + "/y", matches) <= 2 * filters.size() + filters.size() * 116);
  CHECK(matches.empty());
  tree.match(topic + "/z", matches);
  CHECK(matches.size() == filters.size());
}

TEST_CASE("ten thousand subscribers of one filter are found in order", "[mqtt]") {
  SubscriptionTree tree;
  for (SubscriberId id = 10'000; id > 0; --id) tree.insert("a", id, {});
  const Found found = find(tree, "a");
  REQUIRE(found.size() == 10'000);
  CHECK(found.front().first == 1);
  CHECK(found.back().first == 10'000);
}

TEST_CASE("the tree agrees with a list of filters under random changes", "[mqtt][MQTT-3.3.2-3]") {
  const std::uint64_t seed = test::pick_seed("subscription tree");
  CAPTURE(seed);
  test::SeededRandom random{seed};
  SubscriptionTree tree{random.next()};
  std::map<std::pair<std::string, SubscriberId>, std::uint32_t> model;
  bool agrees = true;
  for (std::uint32_t step = 1; step <= 2'000 && agrees; ++step) {
    const std::string filter = random_levels(random, true);
    const SubscriberId subscriber = random.below(20);
    if (random.one_in(200)) {
      agrees = tree.erase_all(subscriber) ==
               std::erase_if(model, [&](const auto& entry) { return entry.first.second == subscriber; });
    } else if (random.one_in(2)) {
      agrees = tree.erase(filter, subscriber) == (model.erase({filter, subscriber}) > 0);
    } else {
      agrees = tree.insert(filter, subscriber, with_id(step)) == !model.contains({filter, subscriber});
      model[{filter, subscriber}] = step;
    }
    const std::string topic = random_levels(random, false);
    std::multiset<std::pair<SubscriberId, std::uint32_t>> expected;
    for (const auto& [key, id] : model) {
      if (matches(key.first, topic)) expected.emplace(key.second, id);
    }
    const Found found = find(tree, topic);
    agrees = agrees && std::multiset<std::pair<SubscriberId, std::uint32_t>>(found.begin(), found.end()) == expected;
    agrees = agrees && tree.size() == model.size();
  }
  CHECK(agrees);
  for (SubscriberId subscriber = 0; subscriber < 20; ++subscriber) tree.erase_all(subscriber);
  CHECK(tree.node_count() == SubscriptionTree{}.node_count());
}
