// "access": rules on who may publish and subscribe to what, for security::AccessRules.

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "daemon/config/readers.hpp"
#include "daemon/config/sections.hpp"
#include "daemon/config/suggestion.hpp"
#include "daemon/mqtt/topic.hpp"
#include "sync/base/utf8.hpp"

namespace hedgerow::config {

namespace {

using enum Presence;
using security::AccessRule;
using security::Role;

constexpr std::string_view kRule = "an array of rules such as { \"role\": \"app\", \"publish\": [\"pump/#\"] }";
constexpr std::string_view kFilters = "an array of topic filters";
constexpr std::string_view kPattern = "a name, or a pattern such as \"pump-*\"";
constexpr std::string_view kSubjects = "\"role\", \"name\", \"user\", \"thing\" or \"anonymous\"";
constexpr std::size_t kPatternBytesMax = 64;

enum class Direction { kPublish, kSubscribe };

void read_role(SchemaWalk& walk, const JsonValue& value, AccessRule& rule) {
  static constexpr std::array kRoles = {Choice<Role>{"app", Role::kApp}, Choice<Role>{"monitor", Role::kMonitor},
                                        Choice<Role>{"node", Role::kNode}, Choice<Role>{"admin", Role::kAdmin}};
  rule.role = walk.choice<Role>(value, kRoles);
  if (rule.role != Role::kNode && rule.role != Role::kAdmin) return;
  walk.problem(value, "nodes and admins may do everything without a rule: remove this one");
}

std::optional<std::string> read_pattern(SchemaWalk& walk, const JsonValue& value) {
  const std::optional<std::string_view> text = walk.text(value, kPattern);
  if (!text) return std::nullopt;
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.@*";
  const bool is_fine =
      !text->empty() && text->size() <= kPatternBytesMax && text->find_first_not_of(kAllowed) == std::string_view::npos;
  if (is_fine) return std::string{*text};
  walk.unexpected(value, std::string{kPattern} + " of at most 64 characters");
  return std::nullopt;
}

void read_anonymous(SchemaWalk& walk, const JsonValue& value, AccessRule& rule) {
  const std::optional<bool> is_anonymous = walk.boolean(value);
  rule.anonymous = true;  // meant, whatever stands there
  if (is_anonymous == false) walk.problem(value, "found false, expected true, or no such key");
}

// The filter as it is with some name in the place of the placeholders.
std::string filled(std::string_view filter) {
  std::string out{filter};
  for (std::size_t at = out.find('%'); at != std::string::npos && at + 1 < out.size(); at = out.find('%', at + 1)) {
    if (out[at + 1] == 'n' || out[at + 1] == 'c') out.replace(at, 2, "n");
  }
  return out;
}

// What begins like a placeholder and is none: %u, %N, %name, %{n}. Empty: there is none.
std::string_view misspelt_placeholder(std::string_view filter) {
  const auto is_word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '{' || c == '}';
  };
  for (std::size_t at = filter.find('%'); at != std::string_view::npos; at = filter.find('%', at + 1)) {
    std::size_t end = at + 1;
    while (end < filter.size() && is_word(filter[end])) ++end;
    const std::string_view word = filter.substr(at, end - at);
    if (word != "%" && word != "%n" && word != "%c") return word;
  }
  return {};
}

void read_filter(SchemaWalk& walk, const JsonValue& value, Direction direction, std::vector<std::string>& out) {
  const std::optional<std::string_view> text = walk.text(value, kExpectTopicFilter);
  if (!text || !check_filter(walk, value, filled(*text))) return;
  if (mqtt::is_shared_filter(*text)) {
    return walk.problem(value, "found " + quote_text(*text) +
                                   ", but a rule covers shared subscriptions too: write the filter without "
                                   "$share/GROUP/");
  }
  if (const std::string_view wrong = misspelt_placeholder(*text); !wrong.empty()) {
    return walk.problem(value, "found " + quote_text(*text) + ", but " + quote_text(wrong) +
                                   " means nothing here: %n stands for the client's name, %c for its client "
                                   "identifier, and no letter or digit may follow them");
  }
  const bool is_the_nodes = text->starts_with('$') || text->substr(0, text->find('/')) == kSystemTopicRoot;
  if (direction == Direction::kPublish && is_the_nodes) {
    return walk.problem(value, "found " + quote_text(*text) +
                                   ", but topics under hedgerow/ and $ are written by the node alone: remove it");
  }
  out.emplace_back(*text);
}

void read_filters(SchemaWalk& walk, const JsonValue& value, Direction direction, std::vector<std::string>& out) {
  const SchemaWalk::ArrayLimits limits{kFilters, security::kFiltersPerRuleMax, true};
  walk.array(value, limits, [&](const JsonValue& member) { read_filter(walk, member, direction, out); });
}

void read_rule_listener(SchemaWalk& walk, const JsonValue& value, const Config& config, AccessRule& rule) {
  std::string name;
  if (!read_name(walk, value, "listener", name)) return;
  std::vector<std::string_view> known;
  for (const Listener& listener : config.listeners) known.push_back(listener.name);
  if (config.things.udp || config.things.dtls || !config.things.serial.empty()) known.push_back(kThingsListenerName);
  if (std::find(known.begin(), known.end(), name) != known.end()) {
    rule.listener = std::move(name);
    return;
  }
  const std::string_view nearest = nearest_word(name, known);
  walk.problem(value, "there is no listener " + quote_text(name) +
                          (nearest.empty() ? std::string{": give one of them this name, or remove this key"}
                                           : "; did you mean " + quote_text(nearest) + "?"));
}

// A rule for a listener on which nobody of its kind can be.
void check_reachable(SchemaWalk& walk, const JsonValue& value, const Config& config, const AccessRule& rule) {
  if (!rule.listener) return;
  const auto listener = std::find_if(config.listeners.begin(), config.listeners.end(),
                                     [&](const Listener& any) { return any.name == *rule.listener; });
  if (listener == config.listeners.end()) {  // where things are
    const bool by_certificate = rule.name || rule.role;
    if (rule.thing || rule.anonymous || (by_certificate && config.things.dtls)) return;
    return walk.problem(*value.find("listener"),
                        by_certificate
                            ? "only things that come by \"dtls\" show certificates: say where (\"things\"), or "
                              "\"thing\" or \"anonymous\": true in a rule for others"
                            : "things have no passwords, expected \"thing\" or \"anonymous\": true in a rule for them");
  }
  if (rule.thing) {
    return walk.problem(*value.find("listener"), "no thing comes by the listener " + quote_text(*rule.listener) +
                                                     ": remove this key, or say \"things\"");
  }
  const Auth auth = listener->auth;
  const Auth wanted = rule.user ? Auth::kPassword : rule.anonymous ? Auth::kAnonymous : Auth::kCertificate;
  if (auth == wanted) return;
  walk.problem(*value.find("listener"), "the listener " + quote_text(*rule.listener) + " has \"auth\": \"" +
                                            std::string{to_string(auth)} + "\", so this rule, which needs \"" +
                                            std::string{to_string(wanted)} + "\", fits nobody there");
}

void read_rule(SchemaWalk& walk, const JsonValue& value, const Config& config, AccessRule& rule) {
  const std::size_t problems_before = walk.problem_count();
  const std::array fields = {
      Field{"role", kOptional, {}, [&](const JsonValue& member) { read_role(walk, member, rule); }},
      Field{"name", kOptional, {}, [&](const JsonValue& member) { rule.name = read_pattern(walk, member); }},
      Field{"user", kOptional, {}, [&](const JsonValue& member) { rule.user = read_pattern(walk, member); }},
      Field{"thing", kOptional, {}, [&](const JsonValue& member) { rule.thing = read_pattern(walk, member); }},
      Field{"anonymous", kOptional, {}, [&](const JsonValue& member) { read_anonymous(walk, member, rule); }},
      Field{
          "listener", kOptional, {}, [&](const JsonValue& member) { read_rule_listener(walk, member, config, rule); }},
      Field{"publish",
            kOptional,
            {},
            [&](const JsonValue& member) { read_filters(walk, member, Direction::kPublish, rule.publish); }},
      Field{"subscribe",
            kOptional,
            {},
            [&](const JsonValue& member) { read_filters(walk, member, Direction::kSubscribe, rule.subscribe); }},
  };
  walk.object(value, fields);
  if (walk.problem_count() != problems_before) return;
  const int subjects =
      (rule.role ? 1 : 0) + (rule.name ? 1 : 0) + (rule.user ? 1 : 0) + (rule.thing ? 1 : 0) + (rule.anonymous ? 1 : 0);
  if (subjects != 1) {
    walk.problem(value, "this rule has " + std::string{subjects == 0 ? "none" : "several"} + " of the keys " +
                            std::string{kSubjects} + ", expected one: write a rule for each");
  } else if (value.find("publish") == nullptr && value.find("subscribe") == nullptr) {
    walk.problem(value, "this rule grants nothing, expected \"publish\", \"subscribe\" or both");
  } else if (rule.publish.empty() && rule.subscribe.empty() && !rule.anonymous) {
    walk.problem(
        value,
        "this rule grants nothing, since its lists are empty: give it a topic filter, or remove it, for whoever "
        "no rule grants anything may do nothing");
  } else {
    check_reachable(walk, value, config, rule);
  }
}

}  // namespace

void read_access(SchemaWalk& walk, const JsonValue& value, Config& config) {
  const SchemaWalk::ArrayLimits limits{kRule, security::kAccessRulesMax, true};
  walk.array(value, limits, [&](const JsonValue& member) {
    AccessRule rule;
    read_rule(walk, member, config, rule);
    config.access.push_back(std::move(rule));
  });
}

}  // namespace hedgerow::config
