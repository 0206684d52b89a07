#include "daemon/config/parse.hpp"

#include <array>
#include <functional>
#include <gsl/gsl>
#include <map>
#include <optional>
#include <utility>

#include "daemon/config/channel_map.hpp"
#include "daemon/config/cjson_reader.hpp"
#include "daemon/config/json_scanner.hpp"
#include "daemon/config/quantity.hpp"
#include "daemon/config/schema_walk.hpp"
#include "daemon/config/utf8.hpp"
#include "daemon/mqtt/topic.hpp"
#include "security/identity/identity.hpp"

namespace hedgerow::config {

namespace {

using enum Presence;

constexpr std::chrono::seconds kKeepAgeMin{1};
constexpr std::chrono::seconds kKeepAgeMax = std::chrono::hours{24 * 3650};
constexpr std::uint64_t kKeepSizeMin = std::uint64_t{64} << 10U;
constexpr std::uint64_t kKeepSizeMax = std::uint64_t{1} << 40U;

constexpr std::string_view kListenAddress = "an IP address of this board and a port, such as \"127.0.0.1:1883\"";
constexpr std::string_view kPeerAddress = "a host and a port, such as \"gw-house.lan:8883\"";
constexpr std::string_view kTopicFilter = "an MQTT topic filter, such as \"sensors/#\"";
constexpr std::string_view kDuration = "a duration such as \"7d\", \"24h\", \"90m\" or \"30s\"";
constexpr std::string_view kSize = "a size such as \"64MiB\" or \"512KiB\"";
constexpr std::string_view kName = "a name";
constexpr std::string_view kDirectory = "a directory";
constexpr std::string_view kGiveEachItsOwn = "give each its own";

// Builds a Config from the tree. Where something is wrong, a problem is noted and the walk goes on with the default.
class ConfigReader {
 public:
  explicit ConfigReader(const ScannedJson& scan) : walk_(scan) {}

  tl::expected<Config, Problems> read(const JsonValue& root) {
    document(root);
    Problems problems = walk_.take_problems();
    if (!problems.empty()) return tl::unexpected<Problems>(std::move(problems));
    return std::move(config_);
  }

 private:
  // Remembers each text, and reports the second value that has the same one.
  class Unique {
   public:
    Unique(SchemaWalk& walk, std::string_view what, std::string_view remedy)
        : walk_(walk), what_(what), remedy_(remedy) {}

    void insert(const JsonValue& value, const std::string& text) {
      const auto [first, is_new] = seen_.emplace(text, &value);
      if (is_new) return;
      walk_.problem(value, std::string{what_} + " " + quote_text(text) + " stands twice, first at " +
                               walk_.path_of(*first->second) + ": " + std::string{remedy_});
    }

   private:
    SchemaWalk& walk_;
    std::string_view what_;
    std::string_view remedy_;
    std::map<std::string, const JsonValue*> seen_;
  };

  void document(const JsonValue& root) {
    config_.data = kDefaultDataDirectory;
    config_.listeners.push_back({.name = "listener-1",
                                 .address = {.host = "127.0.0.1", .port = 1883},
                                 .tls = false,
                                 .auth = Auth::kAnonymous,
                                 .plaintext_accepted = false});
    config_.channels = {system_channel(), default_channel()};
    const std::array fields = {
        Field{"mesh", kRequired, kName, [this](const JsonValue& value) { name(value, "mesh", config_.mesh); }},
        Field{"node", kOptional, kName, [this](const JsonValue& value) { name(value, "node", config_.node); }},
        Field{"data", kOptional, kDirectory, [this](const JsonValue& value) { data(value); }},
        Field{"listeners", kOptional, {}, [this](const JsonValue& value) { listeners(value); }},
        Field{"peers", kOptional, {}, [this](const JsonValue& value) { peers(value); }},
        Field{"channels", kOptional, {}, [this](const JsonValue& value) { channels(value); }},
    };
    walk_.object(root, fields);
  }

  // True iff `out` was set.
  bool name(const JsonValue& value, std::string_view of, std::string& out) {
    const std::optional<std::string_view> text = walk_.text(value, kName);
    if (!text) return false;
    const Expected<void> checked = security::check_name("the name of a " + std::string{of}, *text);
    if (!checked) {
      walk_.problem(value, checked.error().what);
      return false;
    }
    out = *text;
    return true;
  }

  void data(const JsonValue& value) {
    const std::optional<std::string_view> text = walk_.text(value, kDirectory);
    if (!text) return;
    if (text->empty()) return walk_.unexpected(value, kDirectory);
    config_.data = *text;
  }

  // --- listeners ------------------------------------------------------------------------------------------------

  void listeners(const JsonValue& value) {
    config_.listeners.clear();
    Unique names{walk_, "the name", kGiveEachItsOwn};
    std::vector<std::pair<const JsonValue*, HostPort>> addresses;
    const SchemaWalk::ArrayLimits limits{"an array of at least one listener", kListenersMax, false};
    walk_.array(value, limits, [&](const JsonValue& member) {
      Listener listener;
      const JsonValue* name_at = &member;
      listener.name = "listener-" + std::to_string(config_.listeners.size() + 1);
      const std::optional<HostPort> address = read_listener(member, listener, name_at);
      names.insert(*name_at, listener.name);
      if (address) check_free(*member.find("address"), *address, addresses);
      config_.listeners.push_back(std::move(listener));
    });
  }

  // The address where there is a good one.
  std::optional<HostPort> read_listener(const JsonValue& value, Listener& listener, const JsonValue*& name_at) {
    std::optional<HostPort> address;
    std::optional<Auth> auth;
    bool is_tls_sound = true;
    const std::array fields = {
        Field{"name", kOptional, kName,
              [&](const JsonValue& member) {
                if (name(member, "listener", listener.name)) name_at = &member;
              }},
        Field{"address", kRequired, kListenAddress, [&](const JsonValue& member) { address = listen_address(member); }},
        Field{"tls",
              kOptional,
              {},
              [&](const JsonValue& member) {
                const std::optional<bool> tls = walk_.boolean(member);
                is_tls_sound = tls.has_value();
                listener.tls = tls.value_or(true);
              }},
        Field{"protocol",
              kOptional,
              {},
              [&](const JsonValue& member) {
                static constexpr std::array kProtocols = {Choice<bool>{"mqtt", true}};
                static constexpr std::array<std::string_view, 1> kLater = {"websocket"};
                static_cast<void>(walk_.choice<bool>(member, kProtocols, kLater));
              }},
        Field{"auth", kOptional, {}, [&](const JsonValue& member) { auth = read_auth(member); }},
        Field{"plaintext",
              kOptional,
              {},
              [&](const JsonValue& member) {
                static constexpr std::array kWords = {Choice<bool>{"accepted", true}};
                listener.plaintext_accepted = walk_.choice<bool>(member, kWords, {}).value_or(true);
              }},
    };
    walk_.object(value, fields);
    listener.auth = listener.tls ? Auth::kCertificate : Auth::kAnonymous;
    if (auth && is_tls_sound) check_auth(value, *auth, listener.tls);
    if (!address) return std::nullopt;
    listener.address = *address;
    if (is_tls_sound) check_plaintext(value, listener);
    return address;
  }

  std::optional<Auth> read_auth(const JsonValue& value) {
    static constexpr std::array kAuths = {Choice<Auth>{"certificate", Auth::kCertificate},
                                          Choice<Auth>{"anonymous", Auth::kAnonymous}};
    static constexpr std::array<std::string_view, 1> kLater = {"password"};
    return walk_.choice<Auth>(value, kAuths, kLater);
  }

  void check_auth(const JsonValue& value, Auth auth, bool tls) {
    const JsonValue& at = *value.find("auth");
    if (tls && auth == Auth::kAnonymous) {
      walk_.problem(at, "\"anonymous\" with TLS is not in this version, expected \"certificate\"");
    } else if (!tls && auth == Auth::kCertificate) {
      walk_.problem(at, "\"certificate\" needs TLS, expected \"anonymous\" on a listener with \"tls\": false");
    }
  }

  void check_plaintext(const JsonValue& value, Listener& listener) {
    const JsonValue* const plaintext = value.find("plaintext");
    if (is_loopback(listener.address)) listener.plaintext_accepted = false;  // nothing was exposed
    if (listener.tls && plaintext != nullptr) {
      walk_.problem(*plaintext,
                    "this listener has TLS, nothing on it is plaintext: remove this key or add \"tls\": false");
    } else if (!listener.tls && plaintext == nullptr && !is_loopback(listener.address)) {
      walk_.problem(*value.find("tls"),
                    "found false, but other machines can reach " + to_string(listener.address) +
                        ": remove it, or add \"plaintext\": \"accepted\" if devices that know no TLS need this");
    }
  }

  std::optional<HostPort> listen_address(const JsonValue& value) {
    const std::optional<HostPort> address = host_port(value, kListenAddress);
    if (!address || is_ip_address(*address)) return address;
    walk_.unexpected(value, kListenAddress);
    return std::nullopt;
  }

  // Two listeners collide on the same port of the same address, or when one of them takes every address.
  void check_free(const JsonValue& value, const HostPort& address,
                  std::vector<std::pair<const JsonValue*, HostPort>>& taken) {
    const auto is_v6 = [](const HostPort& any) { return any.host.find(':') != std::string::npos; };
    for (const auto& [other_value, other] : taken) {
      if (address.port == 0 || address.port != other.port) continue;
      const bool is_same = address.host == other.host;
      const bool is_wide = (is_wildcard(address) || is_wildcard(other)) && is_v6(address) == is_v6(other);
      if (!is_same && !is_wide) continue;
      walk_.problem(value, to_string(address) + " is taken by " + walk_.path_of(*other_value) + " (" +
                               to_string(other) + "): give each its own port");
      return;
    }
    taken.emplace_back(&value, address);
  }

  std::optional<HostPort> host_port(const JsonValue& value, std::string_view expected) {
    const std::optional<std::string_view> text = walk_.text(value, expected);
    if (!text) return std::nullopt;
    Expected<HostPort> address = parse_host_port(*text);
    if (address) return std::move(*address);
    walk_.problem(value,
                  "found " + quote_text(*text) + ": " + address.error().what + ", expected " + std::string{expected});
    return std::nullopt;
  }

  // --- peers ----------------------------------------------------------------------------------------------------

  void peers(const JsonValue& value) {
    Unique addresses{walk_, "the peer", "remove one of them"};
    const SchemaWalk::ArrayLimits limits{"an array of addresses", kPeersMax, true};
    walk_.array(value, limits, [&](const JsonValue& member) {
      std::optional<HostPort> address = host_port(member, kPeerAddress);
      if (!address) return;
      if (address->port == 0) return walk_.problem(member, "port 0 cannot be dialled, expected the port of the peer");
      if (is_wildcard(*address)) return walk_.unexpected(member, kPeerAddress);
      addresses.insert(member, to_string(*address));
      config_.peers.push_back(std::move(*address));
    });
  }

  // --- channels -------------------------------------------------------------------------------------------------

  void channels(const JsonValue& value) {
    config_.channels = {system_channel()};
    Unique names{walk_, "the name", kGiveEachItsOwn};
    Unique filters{walk_, "the filter", kGiveEachItsOwn};
    const SchemaWalk::ArrayLimits limits{"an array of at least one channel", kChannelsMax, false};
    walk_.array(value, limits, [&](const JsonValue& member) {
      Channel channel;
      read_channel(member, channel);
      if (!channel.name.empty()) names.insert(*member.find("name"), channel.name);
      if (!channel.filter.empty()) filters.insert(*member.find("filter"), channel.filter);
      config_.channels.push_back(std::move(channel));
    });
  }

  void read_channel(const JsonValue& value, Channel& channel) {
    const std::array fields = {
        Field{"name", kRequired, kName, [&](const JsonValue& member) { channel_name(member, channel); }},
        Field{"filter", kRequired, kTopicFilter, [&](const JsonValue& member) { channel_filter(member, channel); }},
        Field{"scope",
              kOptional,
              {},
              [&](const JsonValue& member) {
                static constexpr std::array kScopes = {Choice<Scope>{"mesh", Scope::kMesh},
                                                       Choice<Scope>{"local", Scope::kLocal}};
                channel.scope = walk_.choice<Scope>(member, kScopes, {}).value_or(Scope::kMesh);
              }},
        Field{"keep", kOptional, {}, [&](const JsonValue& member) { keep(member, channel.keep); }},
        Field{"merge",
              kOptional,
              {},
              [&](const JsonValue& member) {
                static constexpr std::array kMerges = {Choice<bool>{"last-write", true}};
                static constexpr std::array<std::string_view, 2> kLater = {"document", "counter"};
                static_cast<void>(walk_.choice<bool>(member, kMerges, kLater));
              }},
        Field{"ack",
              kOptional,
              {},
              [&](const JsonValue& member) {
                static constexpr std::array kAcks = {Choice<bool>{"local", true}};
                static constexpr std::array<std::string_view, 1> kLater = {"peer"};
                static_cast<void>(walk_.choice<bool>(member, kAcks, kLater));
              }},
        Field{"late", kLaterVersion, {}},
    };
    walk_.object(value, fields);
  }

  void channel_name(const JsonValue& value, Channel& channel) {
    if (!name(value, "channel", channel.name)) return;
    if (channel.name != kSystemChannelName) return;
    walk_.problem(value, "the name \"hedgerow\" belongs to the node's own channel: choose another");
    channel.name.clear();
  }

  void channel_filter(const JsonValue& value, Channel& channel) {
    const std::optional<std::string_view> text = walk_.text(value, kTopicFilter);
    if (!text) return;
    if (text->size() > kFilterBytesMax) {
      return walk_.problem(value, "found a filter of " + std::to_string(text->size()) + " bytes, expected at most " +
                                      std::to_string(kFilterBytesMax));
    }
    if (!mqtt::is_valid_topic_filter(*text)) {
      return walk_.unexpected(value,
                              std::string{kTopicFilter} + ": + stands alone in its level, # alone in the last one");
    }
    if (text->starts_with('$')) {
      return walk_.problem(value, "found " + quote_text(*text) +
                                      ", but topics that begin with $ are in no channel: the node alone writes them");
    }
    if (text->substr(0, text->find('/')) == kSystemTopicRoot) {
      return walk_.problem(value,
                           "found " + quote_text(*text) + ", but topics under hedgerow/ are in the node's own channel");
    }
    channel.filter = *text;
  }

  void keep(const JsonValue& value, Keep& out) {
    const std::array fields = {
        Field{"age", kOptional, {}, [&](const JsonValue& member) { keep_age(member, out); }},
        Field{"size", kOptional, {}, [&](const JsonValue& member) { keep_size(member, out); }},
    };
    walk_.object(value, fields);
  }

  void keep_age(const JsonValue& value, Keep& out) {
    const std::optional<std::string_view> text = walk_.text(value, kDuration);
    if (!text) return;
    const std::optional<std::chrono::seconds> age = parse_duration(*text);
    if (!age) return walk_.unexpected(value, kDuration);
    if (*age < kKeepAgeMin || *age > kKeepAgeMax) {
      return walk_.unexpected(value, "from " + format_duration(kKeepAgeMin) + " to " + format_duration(kKeepAgeMax));
    }
    out.age = *age;
  }

  void keep_size(const JsonValue& value, Keep& out) {
    const std::optional<std::string_view> text = walk_.text(value, kSize);
    if (!text) return;
    const std::optional<std::uint64_t> size = parse_size(*text);
    if (!size) return walk_.unexpected(value, kSize);
    if (*size < kKeepSizeMin || *size > kKeepSizeMax) {
      return walk_.unexpected(value, "from " + format_size(kKeepSizeMin) + " to " + format_size(kKeepSizeMax));
    }
    out.size_bytes = *size;
  }

  SchemaWalk walk_;
  Config config_;
};

// The number of values in a tree: one more than the number of the last one.
std::size_t count_values(const JsonValue& root) {
  const JsonValue* last = &root;
  while (!last->members.empty()) last = &last->members.back().value;
  return last->order + 1;
}

}  // namespace

tl::expected<Config, Problems> parse(std::string_view text) {
  tl::expected<ScannedJson, Problems> scan = scan_json(text);
  if (!scan) return tl::unexpected<Problems>(std::move(scan.error()));
  const Expected<JsonValue> root = read_json(scan->strict);
  if (!root) return tl::unexpected<Problems>(Problems{{Position{}, {}, root.error().what}});
  Expects(count_values(*root) == scan->values.size());  // scanner and reader saw the same document
  return ConfigReader{*scan}.read(*root);
}

}  // namespace hedgerow::config
