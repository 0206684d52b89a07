// A configuration file, and what is asked of the result: channels of topics, access, the description of --check.
//
//   input := the text of the file
#include <array>
#include <string_view>

#include "daemon/config/channel_map.hpp"
#include "daemon/config/parse.hpp"
#include "security/acl/access_rules.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using hedgerow::fuzz::require;
namespace config = hedgerow::config;
namespace security = hedgerow::security;

constexpr std::array<std::string_view, 6> kTopics = {"a", "pump/1/speed", "/", "$SYS/x", "hedgerow/m/nodes", "a//b"};
constexpr std::array<std::string_view, 5> kFilters = {"#", "+/#", "pump/+/speed", "$SYS/#", "a//#"};

void ask(const security::AccessRules& rules, const security::Principal& who) {
  for (const std::string_view topic : kTopics) {
    const bool may_read = rules.may_subscribe(who, topic);
    static_cast<void>(rules.may_publish(who, topic));
    // Who may read everything may read each topic.
    if (!topic.starts_with('$') && rules.may_subscribe(who, "#")) require(may_read, "# covers every topic");
  }
  for (const std::string_view filter : kFilters) static_cast<void>(rules.may_subscribe(who, filter));
}

void use(const config::Config& config) {
  require(!config.mesh.empty() && !config.data.empty() && !config.listeners.empty(), "what a node needs is there");
  require(config.channels.size() >= 2, "the system channel and one of the user's");
  require(config.limits.connections_per_address <= config.limits.connections, "limits lie within each other");
  require(config.limits.will_bytes <= config.limits.packet_bytes, "a will fits into a packet");
  require(!config::describe(config).empty(), "every configuration has a description");
  const config::ChannelMap channels{config.channels};
  for (const std::string_view topic : kTopics) static_cast<void>(channels.channel_of(topic));
  const security::AccessRules rules{config.access};
  using Kind = security::Principal::Kind;
  for (const config::Listener& listener : config.listeners) {
    require(listener.auth != config::Auth::kCertificate || listener.tls, "certificates need TLS");
    require(listener.tls || config::is_loopback(listener.address) || listener.plaintext_accepted,
            "plaintext that others can reach is declared");
    for (const std::string_view id : {"pump-1", "+", "$x"}) {
      security::Principal who{.listener = listener.name, .client_id = std::string{id}};
      ask(rules, who);
      who.kind = Kind::kUser;
      who.name = "alice";
      ask(rules, who);
      who.kind = Kind::kThing;
      ask(rules, who);
      who.kind = Kind::kCertificate;
      who.role = security::Role::kApp;
      ask(rules, who);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto parsed = config::parse({reinterpret_cast<const char*>(data), size});
  if (parsed) {
    use(*parsed);
  } else {
    require(!parsed.error().empty(), "what is refused has a reason");
    require(!config::format_problems("f", parsed.error()).empty(), "a reason has words");
  }
  return 0;
}
