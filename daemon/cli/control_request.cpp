#include "daemon/cli/control_request.hpp"

#include "daemon/config/cjson_reader.hpp"
#include "sync/base/utf8.hpp"

namespace hedgerow::cli {

Expected<std::string> parse_control_request(std::string_view line) {
  // cJSON passes over bytes that are no UTF-8; what may be echoed to a terminal must be text.
  const bool is_text = !find_invalid_utf8(line);
  const Expected<config::JsonValue> request =
      is_text ? config::read_json(line) : fail(Category::kInvalidInput, "the text is not UTF-8");
  if (!request) return fail(Category::kInvalidInput, "the request is not JSON: " + request.error().what);
  const config::JsonValue* const verb = request->find("verb");
  if (verb == nullptr || verb->kind != config::JsonKind::kString) {
    return fail(Category::kInvalidInput, "the request has no verb, expected {\"verb\":\"status\"}");
  }
  return verb->text;
}

}  // namespace hedgerow::cli
