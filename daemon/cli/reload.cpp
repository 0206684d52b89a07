#include "daemon/cli/reload.hpp"

#include <unistd.h>

#include <cerrno>

#include "daemon/cli/control_client.hpp"
#include "daemon/cli/control_request.hpp"
#include "daemon/config/cjson_reader.hpp"

namespace hedgerow::cli {

namespace {

using config::JsonKind;
using config::JsonValue;

}  // namespace

Expected<std::string> ask_reload(const std::filesystem::path& data, std::string_view request) {
  const Expected<std::string> answer = ask_daemon(data, request);
  if (!answer) return tl::unexpected<Error>(answer.error());
  const Expected<JsonValue> document = config::read_json(*answer);
  const JsonValue* const error = document ? document->find("error") : nullptr;
  if (error != nullptr && error->kind == JsonKind::kString) return fail(Category::kUnavailable, error->text);
  const JsonValue* const reloaded = document ? document->find("reloaded") : nullptr;
  if (reloaded == nullptr || reloaded->kind != JsonKind::kBoolean || !reloaded->boolean) {
    return fail(Category::kCorrupt, "hedgerowd gave no answer that this program understands: are both of one version?");
  }
  std::string notes;
  const JsonValue* const list = document->find("notes");
  if (list == nullptr || list->kind != JsonKind::kArray) return notes;
  for (const config::JsonMember& member : list->members) {
    if (member.value.kind == JsonKind::kString) notes += member.value.text + "\n";
  }
  return notes;
}

Expected<void> check_data(const std::filesystem::path& data) {
  if (::access(data.c_str(), R_OK | X_OK) == 0) return {};
  if (errno == EACCES) {
    return fail(Category::kRefused,
                data.string() + " belongs to another user: run hedgerow as the user that runs hedgerowd, or with sudo");
  }
  return fail(Category::kNotFound,
              "there is no directory " + data.string() + ": name the data directory with --data DIR");
}

Expected<std::string> tell_daemon(const std::filesystem::path& data, const std::string& done) {
  const Expected<std::string> notes = ask_reload(data, kReloadKeysRequest);
  if (notes) return done + "\nhedgerowd knows it already.\n" + *notes;
  if (notes.error().category == Category::kNotFound) {
    return done + "\nNo hedgerowd runs on " + data.string() + " now: it will know when it starts.\n";
  }
  return fail(notes.error().category,
              done + "\nBut hedgerowd was not told: " + notes.error().what + "\nWhen that is mended: hedgerow reload");
}

}  // namespace hedgerow::cli
