#include "daemon/cli/node_commands.hpp"

#include "daemon/cli/control_client.hpp"
#include "daemon/cli/control_request.hpp"
#include "daemon/cli/status_table.hpp"
#include "daemon/config/cjson_reader.hpp"

namespace hedgerow::cli {

Expected<std::string> node_list(const Command& command) {
  const Expected<std::string> answer = ask_daemon(command.data, kNodeListRequest);
  if (!answer) return tl::unexpected<Error>(answer.error());
  Expected<std::string> table = node_table(*answer);
  if (!table) return tl::unexpected<Error>(table.error());
  return command.json ? *answer + "\n" : std::move(*table);
}

Expected<std::string> node_remove(const Command& command) {
  const std::string request =
      std::to_string(command.name.size()) + " " + std::string{kNodeRemoveRequest} + command.name;
  const Expected<std::string> answer = ask_daemon(command.data, request, kStoreTimeout);
  if (!answer) return tl::unexpected<Error>(answer.error());
  const Expected<config::JsonValue> json = config::read_json(*answer);
  if (const config::JsonValue* const error = json ? json->find("error") : nullptr; error != nullptr) {
    return fail(Category::kRefused, error->text);
  }
  if (!json || json->find("removed") == nullptr) {
    return fail(Category::kCorrupt, "hedgerowd gave no answer that this program understands: are both of one version?");
  }
  return "Node " + command.name +
         " is removed from the mesh: every board that hears of it keeps no link with that database any more.\n"
         "What others have of it stays. The board may come back with an empty database.\n";
}

}  // namespace hedgerow::cli
