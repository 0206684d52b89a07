// The access rules against a naive model: topics are listed one by one, and a filter covers another iff it matches each
// topic that the other one matches.

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "daemon/mqtt/topic.hpp"
#include "security/acl/access_rules.hpp"
#include "tests/support/seeded_random.hpp"

namespace hedgerow::security {
namespace {

using Words = std::vector<std::string>;

// Every sequence of 1 to `levels_max` levels from the alphabet, but the empty text, which is no topic.
Words all_of(const Words& alphabet, std::size_t levels_max) {
  Words all;
  Words longest{alphabet};
  for (std::size_t levels = 1; levels <= levels_max; ++levels) {
    all.insert(all.end(), longest.begin(), longest.end());
    Words longer;
    for (const std::string& head : longest) {
      for (const std::string& level : alphabet) longer.push_back(head + "/" + level);
    }
    longest.swap(longer);
  }
  std::erase(all, "");
  return all;
}

std::vector<bool> matched_by(const std::string& filter, const Words& topics) {
  std::vector<bool> matched;
  matched.reserve(topics.size());
  for (const std::string& topic : topics) matched.push_back(mqtt::matches(filter, topic));
  return matched;
}

bool is_subset(const std::vector<bool>& inner, const std::vector<bool>& outer) {
  for (std::size_t at = 0; at < inner.size(); ++at) {
    if (inner[at] && !outer[at]) return false;
  }
  return true;
}

TEST_CASE("covering agrees with the naive model for all filters of up to three levels", "[acl]") {
  // "z" is in no filter: it stands for all names that the two filters do not mention.
  const Words topics = all_of({"a", "", "$x", "z"}, 4);
  Words filters = all_of({"a", "", "$x", "+"}, 3);
  filters.emplace_back("#");
  for (const std::string& head : all_of({"a", "", "$x", "+"}, 2)) filters.push_back(head + "/#");
  filters.emplace_back("/#");
  std::vector<std::vector<bool>> matched;
  for (const std::string& filter : filters) matched.push_back(matched_by(filter, topics));
  std::size_t differing = 0;
  for (std::size_t wide = 0; wide < filters.size(); ++wide) {
    for (std::size_t narrow = 0; narrow < filters.size(); ++narrow) {
      if (covers(filters[wide], filters[narrow]) == is_subset(matched[narrow], matched[wide])) continue;
      ++differing;
      UNSCOPED_INFO(filters[wide] << " covers " << filters[narrow] << "?");
    }
  }
  CHECK(differing == 0);
}

std::string random_filter(test::SeededRandom& random, const Words& alphabet) {
  std::string filter;
  for (std::size_t levels = 1 + random.below(4); levels > 0; --levels) {
    if (!filter.empty()) filter += '/';
    if (random.one_in(6)) return filter + "#";
    filter += alphabet[random.below(alphabet.size())];
  }
  return filter;
}

std::string filled(std::string filter, const std::string& placeholder, const std::string& value) {
  for (std::size_t at = filter.find(placeholder); at != std::string::npos; at = filter.find(placeholder)) {
    filter.replace(at, placeholder.size(), value);
  }
  return filter;
}

// What the documentation of AccessRules says, word by word.
class Model {
 public:
  explicit Model(const std::vector<AccessRule>& rules) : rules_(rules) {}

  [[nodiscard]] bool may(const Principal& who, const std::string& filter, bool to_subscribe,
                         const Words& topics) const {
    if (who.role == Role::kNode || who.role == Role::kAdmin) return true;
    if (rules_.empty()) return who.loopback || (to_subscribe && who.role == Role::kMonitor);
    bool is_ruled = false;
    for (const AccessRule& rule : rules_) is_ruled = is_ruled || (rule.anonymous && is_there(rule, who));
    if (who.loopback && who.kind == Principal::Kind::kAnonymous && !is_ruled) return true;
    for (const AccessRule& rule : rules_) {
      if (!is_there(rule, who) || !is_about(rule, who)) continue;
      for (const std::string& granted : to_subscribe ? rule.subscribe : rule.publish) {
        if (grants(granted, who, filter, topics)) return true;
      }
    }
    return false;
  }

 private:
  static bool is_there(const AccessRule& rule, const Principal& who) {
    return !rule.listener || *rule.listener == who.listener;
  }
  static bool is_about(const AccessRule& rule, const Principal& who) {
    switch (who.kind) {
      case Principal::Kind::kAnonymous: return rule.anonymous;
      case Principal::Kind::kUser: return rule.user == who.name || rule.user == "*";
      case Principal::Kind::kThing: return rule.thing == who.name || rule.thing == "*";
      case Principal::Kind::kCertificate:
        return (rule.role && rule.role == who.role) || rule.name == who.name || rule.name == "*";
    }
    return false;
  }
  static bool grants(const std::string& granted, const Principal& who, const std::string& filter, const Words& topics) {
    for (const auto& [placeholder, value] : {std::pair{"%n", who.name}, std::pair{"%c", who.client_id}}) {
      const bool is_bad = value.empty() || value.front() == '$' || value.find_first_of("+#/") != std::string::npos;
      if (granted.find(placeholder) != std::string::npos && is_bad) return false;
    }
    const std::string plain = filled(filled(granted, "%n", who.name), "%c", who.client_id);
    return is_subset(matched_by(filter, topics), matched_by(plain, topics));
  }

  const std::vector<AccessRule>& rules_;
};

std::vector<AccessRule> random_rules(test::SeededRandom& random) {
  std::vector<AccessRule> rules(random.below(4));
  for (AccessRule& rule : rules) {
    switch (random.below(5)) {
      case 0: rule.role = random.one_in(2) ? Role::kApp : Role::kMonitor; break;
      case 1: rule.name = random.one_in(2) ? "a" : "*"; break;
      case 2: rule.user = random.one_in(2) ? "a" : "*"; break;
      case 3: rule.thing = random.one_in(2) ? "a" : "*"; break;
      default: rule.anonymous = true; break;
    }
    if (random.one_in(4)) rule.listener = random.one_in(2) ? "lan" : "web";
    for (std::size_t count = random.below(3); count > 0; --count) {
      rule.publish.push_back(random_filter(random, {"a", "b", "%n", "%c", "x%n", "+"}));
      rule.subscribe.push_back(random_filter(random, {"a", "b", "%n", "%c", "x%n", "+"}));
    }
  }
  return rules;
}

Principal random_principal(test::SeededRandom& random) {
  Principal who{.listener = random.one_in(2) ? "lan" : "web", .loopback = random.one_in(3)};
  const Words ids = {"a", "b", "+", "#", "a/b", "$a", ""};
  who.client_id = ids[random.below(ids.size())];
  if (random.one_in(3)) return who;
  who.name = random.one_in(2) ? "a" : "b";
  who.kind = random.one_in(2)   ? Principal::Kind::kUser
             : random.one_in(2) ? Principal::Kind::kThing
                                : Principal::Kind::kCertificate;
  if (who.kind == Principal::Kind::kCertificate) who.role = kAllRoles.at(random.below(kAllRoles.size()));
  return who;
}

TEST_CASE("random rules answer as the naive model does", "[acl]") {
  test::SeededRandom random{test::pick_seed("access rules")};
  const Words topics = all_of({"a", "b", "xa", "z"}, 4);
  std::size_t allowed = 0;
  for (int round = 0; round < 3'000; ++round) {
    const std::vector<AccessRule> rules = random_rules(random);
    const AccessRules access{rules};
    const Principal who = random_principal(random);
    const std::string filter = random_filter(random, {"a", "b", "xa", "+"});
    const std::string topic = topics[random.below(topics.size())];
    CAPTURE(round, filter, topic, who.name, who.client_id);
    const Model model{rules};
    const bool may_subscribe = access.may_subscribe(who, filter);
    REQUIRE(may_subscribe == model.may(who, filter, /*to_subscribe=*/true, topics));
    REQUIRE(access.may_publish(who, topic) == model.may(who, topic, /*to_subscribe=*/false, topics));
    allowed += may_subscribe ? 1U : 0U;
  }
  CHECK(allowed > 300);
}

}  // namespace
}  // namespace hedgerow::security
