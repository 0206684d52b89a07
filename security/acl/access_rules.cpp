#include "security/acl/access_rules.hpp"

#include <algorithm>
#include <gsl/gsl>
#include <utility>

#include "sync/base/topic_levels.hpp"

namespace hedgerow::security {

namespace {

// What %n and %c stand for.
struct Values {
  std::string_view name;
  std::string_view client_id;
};

bool is_usable(std::string_view value) {
  return !value.empty() && value.front() != '$' && value.find_first_of("+#/") == std::string_view::npos;
}

// The placeholder at the beginning of the text; none for an ordinary character.
std::optional<std::string_view> placeholder_value(std::string_view text, const Values& values) {
  if (text.starts_with("%n")) return values.name;
  if (text.starts_with("%c")) return values.client_id;
  return std::nullopt;
}

// Is the literal level, its placeholders filled, this text?
bool is_same_level(std::string_view granted, std::string_view text, const Values& values) {
  while (!granted.empty()) {
    const std::optional<std::string_view> value = placeholder_value(granted, values);
    if (value && !is_usable(*value)) return false;
    const std::string_view expected = value ? *value : granted.substr(0, 1);
    if (!text.starts_with(expected)) return false;
    text.remove_prefix(expected.size());
    granted.remove_prefix(value ? 2 : 1);
  }
  return text.empty();
}

// Level by level. A topic name is a filter that matches itself alone, so this also answers "does it match?".
bool grant_covers(std::string_view granted, std::string_view narrow, const Values& values) {
  // No topic is empty, so these are two ways to say one thing, and the longer one can be compared level by level.
  if (narrow == "#") narrow = "+/#";
  if (narrow == "/#") narrow = "/+/#";
  const bool is_dollar = narrow.starts_with('$');
  TopicLevels wide_levels{granted};
  TopicLevels narrow_levels{narrow};
  for (bool is_first = true;; is_first = false) {
    const std::string_view wide = wide_levels.next();
    const bool is_wildcard = wide == "#" || wide == "+";
    if (is_wildcard && is_first && is_dollar) return false;  // [MQTT-4.7.2-1]
    if (wide == "#") return true;
    if (narrow_levels.at_end()) return false;
    const std::string_view level = narrow_levels.next();
    if (level == "#") return false;
    if (wide != "+" && (level == "+" || !is_same_level(wide, level, values))) return false;
    if (!wide_levels.at_end()) continue;
    return narrow_levels.at_end();
  }
}

bool is_on(const AccessRule& rule, const Principal& principal) {
  return !rule.listener || *rule.listener == principal.listener;
}

bool fits(const AccessRule& rule, const Principal& principal) {
  if (!is_on(rule, principal)) return false;
  switch (principal.kind) {
    case Principal::Kind::kAnonymous: return rule.anonymous;
    case Principal::Kind::kUser: return rule.user && matches_pattern(*rule.user, principal.name);
    case Principal::Kind::kThing: return rule.thing && matches_pattern(*rule.thing, principal.name);
    case Principal::Kind::kCertificate:
      return (rule.role && rule.role == principal.role) || (rule.name && matches_pattern(*rule.name, principal.name));
  }
  return false;
}

bool any_covers(const std::vector<std::string>& granted, std::string_view narrow, const Values& values) {
  return std::any_of(granted.begin(), granted.end(),
                     [&](const std::string& filter) { return grant_covers(filter, narrow, values); });
}

bool is_trusted(const Principal& principal) {
  return principal.kind == Principal::Kind::kCertificate &&
         (principal.role == Role::kNode || principal.role == Role::kAdmin);
}

}  // namespace

AccessRules::AccessRules(std::vector<AccessRule> rules) : rules_(std::move(rules)) {}

std::optional<bool> AccessRules::without_grants(const Principal& principal, bool to_subscribe) const {
  if (is_trusted(principal)) return true;
  if (rules_.empty()) {
    const bool is_monitor = principal.kind == Principal::Kind::kCertificate && principal.role == Role::kMonitor;
    return principal.loopback || (to_subscribe && is_monitor);
  }
  if (principal.kind != Principal::Kind::kAnonymous || !principal.loopback) return std::nullopt;
  const bool is_ruled = std::any_of(rules_.begin(), rules_.end(),
                                    [&](const AccessRule& rule) { return rule.anonymous && is_on(rule, principal); });
  return is_ruled ? std::nullopt : std::optional<bool>{true};
}

bool AccessRules::may_publish(const Principal& principal, std::string_view topic) const {
  if (const std::optional<bool> answer = without_grants(principal, /*to_subscribe=*/false)) return *answer;
  const Values values{.name = principal.name, .client_id = principal.client_id};
  return std::any_of(rules_.begin(), rules_.end(), [&](const AccessRule& rule) {
    return fits(rule, principal) && any_covers(rule.publish, topic, values);
  });
}

bool AccessRules::may_subscribe(const Principal& principal, std::string_view topic_filter) const {
  if (const std::optional<bool> answer = without_grants(principal, /*to_subscribe=*/true)) return *answer;
  const Values values{.name = principal.name, .client_id = principal.client_id};
  return std::any_of(rules_.begin(), rules_.end(), [&](const AccessRule& rule) {
    return fits(rule, principal) && any_covers(rule.subscribe, topic_filter, values);
  });
}

std::string grant_text(const Principal& principal, bool to_publish, const std::string& filter) {
  std::string subject;
  switch (principal.kind) {
    case Principal::Kind::kAnonymous:
      subject = "\"anonymous\": true, \"listener\": \"" + principal.listener + '"';
      break;
    case Principal::Kind::kUser: subject = "\"user\": \"" + principal.name + '"'; break;
    case Principal::Kind::kCertificate: subject = "\"name\": \"" + principal.name + '"'; break;
    case Principal::Kind::kThing: subject = "\"thing\": \"" + principal.name + '"'; break;
  }
  return "{ " + subject + (to_publish ? ", \"publish\": [" : ", \"subscribe\": [") + filter + "] }";
}

bool covers(std::string_view wide, std::string_view narrow) {
  return grant_covers(wide, narrow, {.name = "%n", .client_id = "%c"});
}

bool matches_pattern(std::string_view pattern, std::string_view text) {
  // Greedy with one step back: where a literal fails, the last * takes one character more.
  std::size_t at = 0;
  std::size_t star = std::string_view::npos;
  std::size_t star_text = 0;
  std::size_t read = 0;
  while (read < text.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      star_text = read;
    } else if (at < pattern.size() && pattern[at] == text[read]) {
      ++at;
      ++read;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      read = ++star_text;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', at) == std::string_view::npos;
}

}  // namespace hedgerow::security
