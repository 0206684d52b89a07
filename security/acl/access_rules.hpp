// Who may publish and subscribe to what: rules on topics by certificate name, role, user and thing.
//
// Without any rule, whoever comes by a loopback listener may do everything; beyond loopback the roles node and admin
// may do everything, monitor may subscribe to everything, and all others may do nothing. With rules, node and admin
// still may do everything, and so may the anonymous client of a loopback listener until a rule speaks of anonymous
// clients there; everybody else may do what the rules that fit grant together, and nothing else.
//
// Pure. Thread rule: immutable after construction, so any thread may ask. Asking allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "security/identity/identity.hpp"

namespace hedgerow::security {

// Limits (G6). The configuration is refused beyond them.
inline constexpr std::size_t kAccessRulesMax = 256;
inline constexpr std::size_t kFiltersPerRuleMax = 64;

// A connected client, as the listener and its authentication know it.
struct Principal {
  enum class Kind : std::uint8_t { kAnonymous = 0, kUser = 1, kCertificate = 2, kThing = 3 };  // on disk, with wills
  Kind kind = Kind::kAnonymous;
  std::string name{};          // of the user, the certificate or the thing; empty when anonymous
  std::optional<Role> role{};  // of the certificate
  std::string listener{};      // its name
  std::string client_id{};
  bool loopback = false;  // the listener's address is a loopback address
};

// One rule. Exactly one of its subjects is set; it fits a principal that it describes on the listener that it names.
struct AccessRule {
  std::optional<Role> role{};             // certificates of this role
  std::optional<std::string> name{};      // certificates whose name this pattern matches; * stands for any characters
  std::optional<std::string> user{};      // users, likewise
  std::optional<std::string> thing{};     // things that have proved their key, likewise
  bool anonymous = false;                 // clients without a name
  std::optional<std::string> listener{};  // only there; none: on all listeners
  // Granted topic filters. %n stands for the principal's name, %c for its client identifier; a value that is empty, has
  // one of + # / in it or begins with $ fits no topic, so that nobody names himself into more than was meant.
  std::vector<std::string> publish{};
  std::vector<std::string> subscribe{};

  bool operator==(const AccessRule&) const = default;
};

class AccessRules {
 public:
  AccessRules() = default;  // no rule
  // REQUIRES: filters valid by mqtt::is_valid_topic_filter once the placeholders are filled, none shared.
  explicit AccessRules(std::vector<AccessRule> rules);

  // REQUIRES: a valid topic name. Topics that the node alone writes (hedgerow/#, $…) are the caller's to refuse.
  [[nodiscard]] bool may_publish(const Principal& principal, std::string_view topic) const;

  // True iff one granted filter covers all of `topic_filter`: "a/#" covers "a/+/b".
  // REQUIRES: a valid topic filter without $share/GROUP/.
  [[nodiscard]] bool may_subscribe(const Principal& principal, std::string_view topic_filter) const;

  [[nodiscard]] const std::vector<AccessRule>& rules() const { return rules_; }

 private:
  // Does a general rule answer, before any grant is looked at?
  [[nodiscard]] std::optional<bool> without_grants(const Principal& principal, bool to_subscribe) const;

  std::vector<AccessRule> rules_;
};

// A rule of the configuration that would let the principal do what it may not, as JSON. `filter`: in quotes already.
[[nodiscard]] std::string grant_text(const Principal& principal, bool to_publish, const std::string& filter);

// True iff every topic that matches `narrow` matches `wide` (MQTT 5.0 section 4.7, including that wildcards in the
// first level do not match topics that begin with $). REQUIRES: valid topic filters, not shared.
[[nodiscard]] bool covers(std::string_view wide, std::string_view narrow);

// True iff the whole text matches; * stands for any characters, also none.
[[nodiscard]] bool matches_pattern(std::string_view pattern, std::string_view text);

}  // namespace hedgerow::security
