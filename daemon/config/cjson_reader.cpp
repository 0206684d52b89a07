#include "daemon/config/cjson_reader.hpp"

#include <cjson/cJSON.h>

#include <cstddef>
#include <memory>
#include <string>

namespace hedgerow::config {

namespace {

constexpr std::size_t kDepthMax = 64;

struct Delete {
  void operator()(cJSON* item) const { cJSON_Delete(item); }
};

JsonKind kind_of(const cJSON& item) {
  if (cJSON_IsObject(&item)) return JsonKind::kObject;
  if (cJSON_IsArray(&item)) return JsonKind::kArray;
  if (cJSON_IsString(&item)) return JsonKind::kString;
  if (cJSON_IsNumber(&item)) return JsonKind::kNumber;
  if (cJSON_IsBool(&item)) return JsonKind::kBoolean;
  return JsonKind::kNull;
}

// False iff the document is nested too deep.
bool convert(const cJSON& item, std::size_t depth, std::size_t& order, JsonValue& out) {
  if (depth > kDepthMax) return false;
  out.kind = kind_of(item);
  out.order = order++;
  switch (out.kind) {
    case JsonKind::kNull: return true;
    case JsonKind::kBoolean: out.boolean = cJSON_IsTrue(&item) != 0; return true;
    case JsonKind::kNumber: out.number = item.valuedouble; return true;
    case JsonKind::kString: out.text = item.valuestring; return true;
    case JsonKind::kArray:
    case JsonKind::kObject: break;
  }
  for (const cJSON* child = item.child; child != nullptr; child = child->next) {
    JsonMember& member = out.members.emplace_back();
    if (child->string != nullptr) member.key = child->string;
    if (!convert(*child, depth + 1, order, member.value)) return false;
  }
  return true;
}

}  // namespace

const JsonValue* JsonValue::find(std::string_view key) const {
  if (kind != JsonKind::kObject) return nullptr;
  for (const JsonMember& member : members) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

Expected<JsonValue> read_json(std::string_view text) {
  const char* end = nullptr;
  const std::unique_ptr<cJSON, Delete> root{cJSON_ParseWithLengthOpts(text.data(), text.size(), &end, 0)};
  if (root == nullptr) return fail(Category::kInvalidInput, "the text is not JSON");
  const std::string_view rest = text.substr(static_cast<std::size_t>(end - text.data()));
  if (rest.find_first_not_of(" \t\r\n") != std::string_view::npos) {
    return fail(Category::kInvalidInput, "something follows after the end of the JSON document");
  }
  JsonValue value;
  std::size_t order = 0;
  if (!convert(*root, 1, order, value)) {
    return fail(Category::kLimit, "the JSON document is nested more than " + std::to_string(kDepthMax) + " deep");
  }
  return value;
}

}  // namespace hedgerow::config
