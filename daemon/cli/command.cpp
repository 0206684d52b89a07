#include "daemon/cli/command.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "daemon/config/config.hpp"
#include "daemon/config/suggestion.hpp"
#include "security/identity/identity.hpp"
#include "security/passwords/user_table.hpp"
#include "sync/base/utf8.hpp"

namespace hedgerow::cli {

namespace {

constexpr std::array kOptions = {Option{"--data", "DIR"},
                                 Option{"--out", "DIR"},
                                 Option{"--role", "ROLE"},
                                 Option{"--address", "HOST", /*repeats=*/true},
                                 Option{"--password-file", "FILE"},
                                 Option{"--json", ""},
                                 Option{"--version", ""},
                                 Option{"--help", ""},
                                 Option{"-h", ""}};

// A verb is one or two words, then its operands.
struct VerbRule {
  std::string_view words;
  Verb verb;
  std::string_view operand;  // empty: takes none
  std::string_view options;  // beside --data, separated by spaces
};

constexpr std::array kVerbs = {
    VerbRule{"status", Verb::kStatus, "", "--json"},
    VerbRule{"reload", Verb::kReload, "", ""},
    VerbRule{"mesh init", Verb::kMeshInit, "NAME", ""},
    VerbRule{"node add", Verb::kNodeAdd, "NAME", "--role --address --out"},
    VerbRule{"user add", Verb::kUserAdd, "NAME", "--password-file"},
    VerbRule{"user remove", Verb::kUserRemove, "NAME", ""},
    VerbRule{"user list", Verb::kUserList, "", "--json"},
};

constexpr std::array<std::string_view, 11> kLaterVerbs = {"get",  "set",    "watch", "history", "gaps",  "invite",
                                                          "join", "revoke", "thing", "channel", "doctor"};

constexpr std::string_view kHelp =
    R"(hedgerow - looks after a mesh of hedgerowd nodes.

usage: hedgerow [--data DIR] VERB

  status [--json]     how the daemon on this board is: its links, and how far behind each channel is
  reload              have the daemon read its configuration and its users again
  mesh init NAME      make the authority of a new mesh, in DIR/authority
  node add NAME       make the identity of a board or a program, in OUT/identity
      --role ROLE       what it may be: node (a board, the default), app, monitor or admin
      --address HOST    a host name or an IP address under which browsers and other clients without a certificate
                        reach the board, beside NAME; up to 16 times
      --out OUT         default: DIR/nodes/NAME
  user add NAME       let a user log in with a password, or give the user another one; asks for it on a terminal,
                      else reads a line of standard input
      --password-file FILE   the password is the first line of FILE
  user remove NAME    let a user log in no more
  user list [--json]  who may log in with a password

  --data DIR  the data directory (default: the environment's HEDGEROW_DATA, or /var/lib/hedgerow)
  --json      for programs: the whole answer as one JSON document
  --version   the version of this program

Exit status: 0 done, 1 failed, 2 a mistake in the command line.
)";

tl::unexpected<Error> misuse(std::string what) { return fail(Category::kInvalidInput, std::move(what)); }

// "a, b or c"
std::string list_words(const std::vector<std::string_view>& words) {
  std::string out;
  for (std::size_t at = 0; at < words.size(); ++at) {
    if (at > 0) out += at + 1 == words.size() ? " or " : ", ";
    out += words[at];
  }
  return out;
}

// The rule whose words begin the list; `words` keeps the operands.
Expected<VerbRule> take_verb(std::span<const std::string_view>& words) {
  const std::string first{words.front()};
  const std::string two = words.size() > 1 ? first + " " + std::string{words[1]} : first;
  for (const VerbRule& rule : kVerbs) {
    if (rule.words != first && rule.words != two) continue;
    words = words.subspan(rule.words == first ? 1 : 2);
    return rule;
  }
  if (std::find(kLaterVerbs.begin(), kLaterVerbs.end(), first) != kLaterVerbs.end()) {
    return fail(Category::kNotInVersion, "the verb " + quote_text(first) + " is not in this version");
  }
  std::vector<std::string_view> known;
  std::vector<std::string_view> of_first;  // the verbs that begin with this word
  for (const VerbRule& rule : kVerbs) {
    known.push_back(rule.words);
    if (rule.words.starts_with(first + " ")) of_first.push_back(rule.words);
  }
  if (words.size() == 1 && of_first.size() > 1) return misuse(first + " needs another word: " + list_words(of_first));
  std::string_view nearest = config::nearest_word(two, known);
  if (nearest.empty()) nearest = config::nearest_word(first, known);
  if (nearest.empty() && of_first.size() == 1) nearest = of_first.front();
  if (nearest.empty() && !of_first.empty()) {
    return misuse("unknown verb " + quote_text(two) + ", expected " + list_words(of_first));
  }
  return misuse("unknown verb " + quote_text(two) +
                (nearest.empty() ? "; hedgerow --help lists them" : "; did you mean " + std::string{nearest} + "?"));
}

bool takes_option(const VerbRule& rule, std::string_view option) {
  return !option.empty() &&
         (" " + std::string{rule.options} + " ").find(" " + std::string{option} + " ") != std::string::npos;
}

// An option that another verb takes.
Expected<void> check_options(const VerbRule& rule, const std::vector<std::string_view>& given) {
  for (const std::string_view option : given) {
    if (takes_option(rule, option)) continue;
    std::vector<std::string_view> takers;
    for (const VerbRule& other : kVerbs) {
      if (takes_option(other, option)) takers.push_back(other.words);
    }
    return misuse(std::string{option} + " goes with " + list_words(takers));
  }
  return {};
}

Expected<void> check_operand(const VerbRule& rule, std::string_view name) {
  const bool is_user = rule.verb == Verb::kUserAdd || rule.verb == Verb::kUserRemove;
  if (is_user) return security::check_user_name(name);
  return security::check_name("the name " + quote_text(name), name);
}

Expected<security::Role> read_role(std::string_view text) {
  if (const std::optional<security::Role> role = security::parse_role(text)) return *role;
  std::vector<std::string_view> known;
  for (const security::Role role : security::kAllRoles) known.push_back(security::role_text(role));
  const std::string_view nearest = config::nearest_word(text, known);
  return misuse("unknown role " + quote_text(text) + ", expected " + list_words(known) +
                (nearest.empty() ? std::string{} : "; did you mean " + std::string{nearest} + "?"));
}

Expected<void> add_address(std::string_view text, std::vector<security::HostAddress>& addresses) {
  Expected<security::HostAddress> address = security::parse_host_address(text);
  if (!address) return misuse("--address " + quote_text(text) + " " + address.error().what);
  if (addresses.size() == security::kHostAddressesMax) {
    return misuse("--address " + quote_text(text) + " is one too many: give at most " +
                  std::to_string(security::kHostAddressesMax));
  }
  addresses.push_back(*std::move(address));
  return {};
}

// What an option with a value says.
Expected<void> take_value(Command& command, const Argument& argument) {
  const auto& [option, value] = argument;
  if (option == "--data") command.data = value;
  if (option == "--out") command.out = value;
  if (option == "--password-file") command.password_file = value;
  if (option == "--address") return add_address(value, command.addresses);
  if (option == "--role") {
    const Expected<security::Role> role = read_role(value);
    if (!role) return tl::unexpected<Error>(role.error());
    command.role = *role;
  }
  return {};
}

// True iff only some verbs take the option.
bool is_of_verb(std::string_view option) {
  return std::any_of(kVerbs.begin(), kVerbs.end(), [&](const VerbRule& rule) { return takes_option(rule, option); });
}

}  // namespace

Expected<Command> parse_command(std::span<const std::string_view> arguments,
                                std::optional<std::string_view> data_from_environment) {
  ArgumentReader reader{arguments, kOptions};
  Command command;
  std::vector<std::string_view> words;
  bool wants_version = false;
  bool wants_help = false;
  std::vector<std::string_view> of_verb;  // options that not every verb takes
  while (true) {
    const Expected<std::optional<Argument>> next = reader.next();
    if (!next) return tl::unexpected<Error>(next.error());
    if (!*next) break;
    const auto [option, value] = **next;
    if (option.empty()) words.push_back(value);
    if (const Expected<void> taken = take_value(command, **next); !taken) return tl::unexpected<Error>(taken.error());
    if (is_of_verb(option)) of_verb.push_back(option);
    command.json = command.json || option == "--json";
    wants_version = wants_version || option == "--version";
    wants_help = wants_help || option == "--help" || option == "-h";
  }
  if (wants_help || wants_version) {
    command.verb = wants_help ? Verb::kHelp : Verb::kVersion;
    return command;
  }
  if (words.empty()) return misuse("a verb is missing, such as status; hedgerow --help lists them");

  std::span<const std::string_view> operands{words};
  const Expected<VerbRule> rule = take_verb(operands);
  if (!rule) return tl::unexpected<Error>(rule.error());
  command.verb = rule->verb;
  const std::string verb{rule->words};
  const std::size_t wanted = rule->operand.empty() ? 0 : 1;
  if (operands.size() < wanted)
    return misuse(verb + " needs a name: hedgerow " + verb + " " + std::string{rule->operand});
  if (operands.size() > wanted) return misuse("unexpected " + quote_text(operands[wanted]) + " after " + verb);
  if (wanted == 1) {
    command.name = operands[0];
    if (const Expected<void> checked = check_operand(*rule, command.name); !checked) {
      return tl::unexpected<Error>(checked.error());
    }
  }
  if (const Expected<void> checked = check_options(*rule, of_verb); !checked) {
    return tl::unexpected<Error>(checked.error());
  }
  if (command.role != security::Role::kNode && !command.addresses.empty()) {
    return misuse("--address goes with role node: nobody dials a program");
  }
  if (command.data.empty()) {
    const bool is_set = data_from_environment && !data_from_environment->empty();
    command.data = is_set ? *data_from_environment : config::kDefaultDataDirectory;
  }
  if (command.verb == Verb::kNodeAdd && command.out.empty()) command.out = command.data / "nodes" / command.name;
  return command;
}

std::string_view command_help() { return kHelp; }

}  // namespace hedgerow::cli
