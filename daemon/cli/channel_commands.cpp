#include "daemon/cli/channel_commands.hpp"

#include <cstdint>

#include "daemon/cli/control_client.hpp"
#include "daemon/cli/control_request.hpp"
#include "daemon/cli/status_table.hpp"
#include "daemon/config/cjson_reader.hpp"
#include "daemon/config/load.hpp"
#include "daemon/config/parse.hpp"

namespace hedgerow::cli {

Expected<std::string> channel_apply(const Command& command) {
  const Expected<std::string> text = config::read_text(command.file);
  if (!text) return tl::unexpected<Error>(text.error());
  // The daemon looks at it again; here the file has a name.
  if (const auto parsed = config::parse_channels(*text); !parsed) {
    return fail(Category::kInvalidInput, config::format_problems(command.file.string(), parsed.error()));
  }
  const std::string request = std::to_string(text->size()) + " " + std::string{kChannelApplyRequest} + *text;
  const Expected<std::string> answer = ask_daemon(command.data, request, kStoreTimeout);
  if (!answer) return tl::unexpected<Error>(answer.error());
  const Expected<config::JsonValue> json = config::read_json(*answer);
  const config::JsonValue* const error = json ? json->find("error") : nullptr;
  if (error != nullptr) return fail(Category::kRefused, command.file.string() + ": " + error->text);
  const config::JsonValue* const applied = json ? json->find("applied") : nullptr;
  if (applied == nullptr) {
    return fail(Category::kCorrupt, "hedgerowd gave no answer that this program understands: are both of one version?");
  }
  std::string out;
  for (const config::JsonMember& definition : applied->members) {
    const config::JsonValue* const name = definition.value.find("name");
    const config::JsonValue* const version = definition.value.find("version");
    if (name == nullptr || version == nullptr) continue;
    out += "channel " + name->text + ": version " + std::to_string(static_cast<std::uint64_t>(version->number)) + "\n";
  }
  if (!out.empty()) out += "Nodes that keep such a channel take it over with their next start: hedgerow channel list\n";
  return out;
}

Expected<std::string> channel_list(const Command& command) {
  const Expected<std::string> answer = ask_daemon(command.data, kChannelListRequest);
  if (!answer) return tl::unexpected<Error>(answer.error());
  Expected<std::string> table = channel_table(*answer);
  if (!table) return tl::unexpected<Error>(table.error());
  return command.json ? *answer + "\n" : std::move(*table);
}

}  // namespace hedgerow::cli
