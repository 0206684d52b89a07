#include "daemon/cli/reload.hpp"

#include "daemon/cli/control_client.hpp"
#include "daemon/cli/control_request.hpp"
#include "daemon/config/cjson_reader.hpp"

namespace hedgerow::cli {

namespace {

using config::JsonKind;
using config::JsonValue;

}  // namespace

Expected<std::string> ask_reload(const std::filesystem::path& data) {
  const Expected<std::string> answer = ask_daemon(data, kReloadRequest);
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

}  // namespace hedgerow::cli
