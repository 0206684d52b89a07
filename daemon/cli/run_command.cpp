#include "daemon/cli/run_command.hpp"

#include "daemon/cli/channel_commands.hpp"
#include "daemon/cli/control_client.hpp"
#include "daemon/cli/control_request.hpp"
#include "daemon/cli/message_commands.hpp"
#include "daemon/cli/node_commands.hpp"
#include "daemon/cli/reload.hpp"
#include "daemon/cli/status_table.hpp"
#include "daemon/cli/thing_commands.hpp"
#include "daemon/cli/user_commands.hpp"
#include "daemon/config/config.hpp"
#include "daemon/monitor/status.hpp"
#include "licenses.hpp"
#include "security/pki_mbedtls/authority.hpp"

namespace hedgerow::cli {

namespace {

// For a line that can be copied into a shell.
std::string shell_word(const std::string& text) {
  constexpr std::string_view kSafe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=@%+";
  if (!text.empty() && text.find_first_not_of(kSafe) == std::string::npos) return text;
  std::string out = "'";
  for (const char character : text) out += character == '\'' ? std::string{"'\\''"} : std::string{character};
  return out + "'";
}

Expected<std::string> mesh_init(const Command& command) {
  const Expected<void> made = security::create_authority(command.data, command.name);
  if (!made) return tl::unexpected<Error>(made.error());
  const std::string data = shell_word(command.data.string());
  return "The authority of mesh " + command.name + " is in " + (command.data / "authority").string() +
         ".\nKeep its authority.key safe and to yourself: whoever has it can add nodes.\n"
         "Next, once for each board: hedgerow --data " +
         data + " node add NAME\n";
}

std::string next_for_board(const std::string& name, const std::string& mesh, const std::filesystem::path& identity) {
  return "Next: copy this folder into the data directory of that board, owned by the user that runs hedgerowd:\n"
         "  scp -pr " +
         shell_word(identity.string()) + " " + name + ":" + std::string{config::kDefaultDataDirectory} +
         "/\n"
         "Then write \"mesh\": \"" +
         mesh + "\" into its configuration and start hedgerowd there.\n";
}

std::string next_for_program(const std::filesystem::path& identity) {
  const auto file = [&](const char* name) { return shell_word((identity / name).string()); };
  return "Next: give these files to the MQTT program, for a listener with \"auth\": \"certificate\". For example:\n"
         "  mosquitto_sub -h BOARD -p 8883 --cafile " +
         file("authority.crt") + " --cert " + file("node.crt") + " --key " + file("node.key") + " -t '#'\n";
}

Expected<std::string> node_add(const Command& command) {
  const std::filesystem::path authority = command.data / "authority";
  const Expected<std::string> mesh = security::authority_mesh(authority);
  if (!mesh) return tl::unexpected<Error>(mesh.error());
  const security::IssueOptions options{.role = command.role, .addresses = command.addresses};
  const Expected<void> issued = security::issue_node(authority, command.name, command.out, options);
  if (!issued) return tl::unexpected<Error>(issued.error());
  const std::filesystem::path identity = command.out / "identity";
  const std::string made = "The identity of " + std::string{security::role_text(command.role)} + " " + command.name +
                           " of mesh " + *mesh + " is in " + identity.string() + ", valid for " +
                           std::to_string(options.validity_days) + " days.\n";
  return made + (command.role == security::Role::kNode ? next_for_board(command.name, *mesh, identity)
                                                       : next_for_program(identity));
}

Expected<std::string> reload(const Command& command) {
  const Expected<std::string> notes = ask_reload(command.data, kReloadRequest);
  if (!notes) return tl::unexpected<Error>(notes.error());
  return "hedgerowd has read its configuration, its users and its things again.\n" + *notes;
}

Expected<std::string> status(const Command& command) {
  const Expected<std::string> answer = ask_daemon(command.data, monitor::kStatusRequest);
  if (!answer) return tl::unexpected<Error>(answer.error());
  Expected<std::string> table = status_table(*answer);
  if (!table) return tl::unexpected<Error>(table.error());
  return command.json ? *answer + "\n" : std::move(*table);
}

}  // namespace

Expected<std::string> run_command(const Command& command, const Console& console) {
  switch (command.verb) {
    case Verb::kChannelApply: return channel_apply(command);
    case Verb::kChannelList: return channel_list(command);
    case Verb::kGaps:
    case Verb::kGet:
    case Verb::kHistory:
    case Verb::kWatch: return show_messages(command, console);
    case Verb::kHelp: return std::string{command_help()};
    case Verb::kVersion: return "hedgerow " + std::string{version()} + "\n";
    case Verb::kMeshInit: return mesh_init(command);
    case Verb::kNodeAdd: return node_add(command);
    case Verb::kNodeList: return node_list(command);
    case Verb::kNodeRemove: return node_remove(command);
    case Verb::kReload: return reload(command);
    case Verb::kSet: return set_message(command, console);
    case Verb::kStatus: return status(command);
    case Verb::kThingAdd: return thing_add(command, console);
    case Verb::kThingList: return thing_list(command);
    case Verb::kThingRevoke: return thing_revoke(command);
    case Verb::kUserAdd: return user_add(command);
    case Verb::kUserList: return user_list(command);
    case Verb::kUserRemove: return user_remove(command);
  }
  return fail(Category::kInvalidInput, "unknown verb");
}

}  // namespace hedgerow::cli
