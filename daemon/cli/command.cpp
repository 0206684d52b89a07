#include "daemon/cli/command.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <system_error>
#include <vector>

#include "daemon/cli/message_commands.hpp"
#include "daemon/config/config.hpp"
#include "daemon/config/suggestion.hpp"
#include "daemon/control/limits.hpp"
#include "security/identity/identity.hpp"
#include "security/passwords/user_table.hpp"
#include "security/things/thing_keys.hpp"
#include "sync/base/utf8.hpp"

namespace hedgerow::cli {

namespace {

constexpr std::array kOptions = {Option{"--data", "DIR"},
                                 Option{"--out", "DIR"},
                                 Option{"--role", "ROLE"},
                                 Option{"--address", "HOST", /*repeats=*/true},
                                 Option{"--password-file", "FILE"},
                                 Option{"--since", "TIME"},
                                 Option{"--limit", "N"},
                                 Option{"--count", "N"},
                                 Option{"--delete", ""},
                                 Option{"--no-retain", ""},
                                 Option{"--hex", ""},
                                 Option{"--json", ""},
                                 Option{"--version", ""},
                                 Option{"--help", ""},
                                 Option{"-h", ""}};

// A verb is one or two words, then its operands: words, those in brackets may be left out.
struct VerbRule {
  std::string_view words;
  Verb verb;
  std::string_view operands;
  std::string_view options;  // beside --data, separated by spaces
};

constexpr std::array kVerbs = {
    VerbRule{"status", Verb::kStatus, "", "--json"},
    VerbRule{"get", Verb::kGet, "TOPIC|FILTER", "--json"},
    VerbRule{"set", Verb::kSet, "TOPIC [VALUE]", "--delete --no-retain --json"},
    VerbRule{"watch", Verb::kWatch, "FILTER", "--count --json"},
    VerbRule{"history", Verb::kHistory, "TOPIC|FILTER", "--since --limit --json"},
    VerbRule{"gaps", Verb::kGaps, "[TOPIC|FILTER]", "--json"},
    VerbRule{"reload", Verb::kReload, "", ""},
    VerbRule{"channel apply", Verb::kChannelApply, "FILE", ""},
    VerbRule{"channel list", Verb::kChannelList, "", "--json"},
    VerbRule{"mesh init", Verb::kMeshInit, "NAME", ""},
    VerbRule{"node add", Verb::kNodeAdd, "NAME", "--role --address --out"},
    VerbRule{"node list", Verb::kNodeList, "", "--json"},
    VerbRule{"node remove", Verb::kNodeRemove, "NAME", ""},
    VerbRule{"user add", Verb::kUserAdd, "NAME", "--password-file"},
    VerbRule{"user remove", Verb::kUserRemove, "NAME", ""},
    VerbRule{"user list", Verb::kUserList, "", "--json"},
    VerbRule{"thing add", Verb::kThingAdd, "NAME", "--hex --json"},
    VerbRule{"thing revoke", Verb::kThingRevoke, "NAME", ""},
    VerbRule{"thing list", Verb::kThingList, "", "--json"},
};

constexpr std::array<std::string_view, 4> kLaterVerbs = {"invite", "join", "revoke", "doctor"};

constexpr std::string_view kHelp =
    R"(hedgerow - looks after a mesh of hedgerowd nodes.

usage: hedgerow [--data DIR] VERB

  status [--json]     how the daemon on this board is: its links, and how far behind each channel is
  get TOPIC           the retained message of a topic, as it is; with + or #, one line for each: topic and payload
  set TOPIC [VALUE]   publish a retained message, and return once it is on disk; without VALUE, or with -, it is
                      what comes on standard input
      --delete          delete the retained message
      --no-retain       an ordinary message: for those who listen now, and in the history
  watch FILTER        the retained messages that the filter matches, then what comes, until interrupted
      --count N         end after N messages
  history FILTER      stored messages in the order in which they came here: time, topic, payload. A time with ? behind
                      it comes from a node whose clock nothing had set
      --since TIME      a duration such as 90s, 15m, 24h or 7d, or a time such as 2026-11-22T03:00:00Z
      --limit N         only the newest N
  gaps [FILTER]       what is missing on this node, and why: of the channels that hold these topics, or of all
  reload              have the daemon read its configuration, its users and its things again
  channel apply FILE  define channels for the whole mesh, or change them: FILE holds "channels" as a configuration does
  channel list        the mesh's channels, and which of them this node keeps
  mesh init NAME      make the authority of a new mesh, in DIR/authority
  node add NAME       make the identity of a board or a program, in OUT/identity
      --role ROLE       what it may be: node (a board, the default), app, monitor or admin
      --address HOST    a host name or an IP address under which browsers and other clients without a certificate
                        reach the board, beside NAME; up to 16 times
      --out OUT         default: DIR/nodes/NAME
  node list [--json]  the mesh's nodes, and those that were removed from it
  node remove NAME    take a board out of the mesh for good: its database is not taken back, an empty one would be
  user add NAME       let a user log in with a password, or give the user another one; asks for it on a terminal,
                      else reads a line of standard input
      --password-file FILE   the password is the first line of FILE
  user remove NAME    let a user log in no more
  user list [--json]  who may log in with a password
  thing add NAME      draw an id and a key for a microcontroller, and print them, this once: as a C header for its
                      firmware
      --hex             as one line: the digits of the id and the key, to flash as 24 bytes
      --json            as JSON
  thing revoke NAME   take the key away: the thing is out at once
  thing list [--json] the things that have a key, and their ids

  --data DIR  the data directory (default: the environment's HEDGEROW_DATA, or /var/lib/hedgerow)
  --json      for programs: JSON; messages and gaps one document a line
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

// How many operands a verb may have, and must.
struct OperandCount {
  std::size_t least = 0;
  std::size_t most = 0;
};
OperandCount count_operands(const VerbRule& rule) {
  OperandCount out;
  std::string_view rest = rule.operands;
  while (!rest.empty()) {
    ++out.most;
    if (rest.front() != '[') ++out.least;
    const std::size_t space = rest.find(' ');
    rest = space == std::string_view::npos ? std::string_view{} : rest.substr(space + 1);
  }
  return out;
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

// Operands that are names.
Expected<void> take_name(Command& command, std::string_view name) {
  command.name = name;
  const bool is_user = command.verb == Verb::kUserAdd || command.verb == Verb::kUserRemove;
  if (is_user) return security::check_user_name(name);
  if (command.verb == Verb::kThingAdd) return security::check_thing_name(name);
  return security::check_name("the name " + quote_text(name), name);
}

Expected<void> check_value(const Command& command) {
  if (command.deletes) {
    if (command.value) return misuse("set --delete takes no value: it deletes the retained message");
    if (!command.retain) return misuse("--delete and --no-retain exclude each other");
  } else if (command.retain && command.value && command.value->empty()) {
    return misuse("an empty retained message deletes the one that is there: say set --delete");
  }
  return {};
}

// Operands that are topics, filters and values.
Expected<void> take_topic(Command& command, std::span<const std::string_view> operands) {
  if (!operands.empty()) {
    command.topic = operands[0];
    if (operands[0].empty()) return misuse("a topic is not empty");
  }
  if (operands.size() > 1 && operands[1] != "-") command.value = operands[1];
  if (const Expected<void> checked = check_value(command); !checked) return checked;
  const Expected<void> checked = control::check_request(request_of(command));
  return checked ? Expected<void>{} : misuse(checked.error().what);
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

Expected<std::uint64_t> read_count(std::string_view option, std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc{} && end == text.data() + text.size() && value >= 1 && value <= control::kMessagesMax) {
    return value;
  }
  return misuse(std::string{option} + " " + quote_text(text) + " is no whole number from 1 to " +
                std::to_string(control::kMessagesMax));
}

// What an option with a value says.
Expected<void> take_value(Command& command, const Argument& argument) {
  const auto& [option, value] = argument;
  if (option == "--data") command.data = value;
  if (option == "--out") command.out = value;
  if (option == "--password-file") command.password_file = value;
  if (option == "--since") command.since = value;
  if (option == "--limit" || option == "--count") {
    const Expected<std::uint64_t> count = read_count(option, value);
    if (!count) return tl::unexpected<Error>(count.error());
    command.most = *count;
  }
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
    command.hex = command.hex || option == "--hex";
    command.deletes = command.deletes || option == "--delete";
    command.retain = command.retain && option != "--no-retain";
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
  const OperandCount wanted = count_operands(*rule);
  const bool is_of_names = rule->operands == "NAME";
  const bool is_of_files = rule->operands == "FILE";
  if (operands.size() < wanted.least) {
    return misuse(verb + " needs a " +
                  (is_of_names   ? "name"
                   : is_of_files ? "file"
                                 : "topic") +
                  ": hedgerow " + verb + " " + std::string{rule->operands});
  }
  if (operands.size() > wanted.most) {
    return misuse("unexpected " + quote_text(operands[wanted.most]) + " after " + verb);
  }
  if (const Expected<void> checked = check_options(*rule, of_verb); !checked) {
    return tl::unexpected<Error>(checked.error());
  }
  if (is_of_files) {
    command.file = operands[0];
  } else if (wanted.most > 0) {
    const Expected<void> taken = is_of_names ? take_name(command, operands[0]) : take_topic(command, operands);
    if (!taken) return tl::unexpected<Error>(taken.error());
  }
  if (command.hex && command.json) return misuse("--hex and --json exclude each other");
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
