#include "daemon/cli/command.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "daemon/config/config.hpp"
#include "daemon/config/suggestion.hpp"
#include "daemon/config/utf8.hpp"
#include "security/identity/identity.hpp"

namespace hedgerow::cli {

namespace {

constexpr std::array kOptions = {Option{"--data", "DIR"}, Option{"--out", "DIR"}, Option{"--json", ""},
                                 Option{"--version", ""}, Option{"--help", ""},   Option{"-h", ""}};

// A verb is one or two words, then its operands.
struct VerbRule {
  std::string_view words;
  Verb verb;
  std::string_view operand;  // empty: takes none
};

constexpr std::array kVerbs = {VerbRule{"status", Verb::kStatus, ""}, VerbRule{"mesh init", Verb::kMeshInit, "NAME"},
                               VerbRule{"node add", Verb::kNodeAdd, "NAME"}};

constexpr std::array<std::string_view, 12> kLaterVerbs = {"get",  "set",    "watch", "history", "gaps",    "invite",
                                                          "join", "revoke", "user",  "thing",   "channel", "doctor"};

constexpr std::string_view kHelp =
    R"(hedgerow - looks after a mesh of hedgerowd nodes.

usage: hedgerow [--data DIR] VERB

  status [--json]            how the daemon on this board is: its links, and how far behind each channel is
  mesh init NAME             make the authority of a new mesh, in DIR/authority
  node add NAME [--out OUT]  make the identity of a board, in OUT/identity (default OUT: DIR/nodes/NAME)

  --data DIR  the data directory (default: the environment's HEDGEROW_DATA, or /var/lib/hedgerow)
  --json      for programs: the whole answer as one JSON document
  --version   the version of this program

Exit status: 0 done, 1 failed, 2 a mistake in the command line.
)";

tl::unexpected<Error> misuse(std::string what) { return fail(Category::kInvalidInput, std::move(what)); }

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
    return fail(Category::kNotInVersion, "the verb " + config::quote_text(first) + " is not in this version");
  }
  std::vector<std::string_view> known;
  for (const VerbRule& rule : kVerbs) known.push_back(rule.words);
  std::string_view nearest = config::nearest_word(two, known);
  if (nearest.empty()) nearest = config::nearest_word(first, known);
  for (const std::string_view verb : known) {
    if (verb.starts_with(first + " ")) nearest = verb;
  }
  return misuse("unknown verb " + config::quote_text(two) +
                (nearest.empty() ? "; hedgerow --help lists them" : "; did you mean " + std::string{nearest} + "?"));
}

}  // namespace

Expected<Command> parse_command(std::span<const std::string_view> arguments,
                                std::optional<std::string_view> data_from_environment) {
  ArgumentReader reader{arguments, kOptions};
  Command command;
  std::vector<std::string_view> words;
  bool wants_version = false;
  bool wants_help = false;
  while (true) {
    const Expected<std::optional<Argument>> next = reader.next();
    if (!next) return tl::unexpected<Error>(next.error());
    if (!*next) break;
    const auto [option, value] = **next;
    if (option.empty()) words.push_back(value);
    if (option == "--data") command.data = value;
    if (option == "--out") command.out = value;
    command.json = command.json || option == "--json";
    wants_version = wants_version || option == "--version";
    wants_help = wants_help || option == "--help" || option == "-h";
  }
  if (wants_help || wants_version) {
    command.verb = wants_help ? Verb::kHelp : Verb::kVersion;
    return command;
  }
  if (words.empty()) return misuse("a verb is missing: status, mesh init NAME or node add NAME");

  std::span<const std::string_view> operands{words};
  const Expected<VerbRule> rule = take_verb(operands);
  if (!rule) return tl::unexpected<Error>(rule.error());
  command.verb = rule->verb;
  const std::string verb{rule->words};
  const std::size_t wanted = rule->operand.empty() ? 0 : 1;
  if (operands.size() < wanted)
    return misuse(verb + " needs a name: hedgerow " + verb + " " + std::string{rule->operand});
  if (operands.size() > wanted) return misuse("unexpected " + config::quote_text(operands[wanted]) + " after " + verb);
  if (wanted == 1) {
    command.name = operands[0];
    const Expected<void> checked = security::check_name("the name " + config::quote_text(command.name), command.name);
    if (!checked) return tl::unexpected<Error>(checked.error());
  }
  if (command.json && command.verb != Verb::kStatus) return misuse("--json goes with status");
  if (!command.out.empty() && command.verb != Verb::kNodeAdd) return misuse("--out goes with node add");
  if (command.data.empty()) {
    const bool is_set = data_from_environment && !data_from_environment->empty();
    command.data = is_set ? *data_from_environment : config::kDefaultDataDirectory;
  }
  if (command.verb == Verb::kNodeAdd && command.out.empty()) command.out = command.data / "nodes" / command.name;
  return command;
}

std::string_view command_help() { return kHelp; }

}  // namespace hedgerow::cli
