#include "daemon/control/request.hpp"

#include <array>
#include <cmath>

#include "daemon/config/cjson_reader.hpp"
#include "daemon/control/limits.hpp"
#include "daemon/monitor/json_writer.hpp"
#include "daemon/mqtt/limits.hpp"
#include "daemon/mqtt/topic.hpp"
#include "daemon/node/replay_since.hpp"
#include "sync/base/utf8.hpp"

namespace hedgerow::control {

namespace {

using config::JsonKind;
using config::JsonValue;

constexpr std::array kVerbs = {Verb::kGet, Verb::kSet, Verb::kWatch, Verb::kHistory, Verb::kGaps};

std::string_view filter_key(Verb verb) { return verb == Verb::kSet ? "topic" : "filter"; }
std::string_view most_key(Verb verb) { return verb == Verb::kWatch ? "count" : "limit"; }

tl::unexpected<Error> ill_formed(std::string_view key, std::string_view expected) {
  return fail(Category::kInvalidInput, "the request's \"" + std::string{key} + "\" is not " + std::string{expected});
}

Expected<std::uint64_t> read_most(std::string_view key, const JsonValue& value) {
  const double number = value.kind == JsonKind::kNumber ? value.number : 0;
  if (number < 1 || number > static_cast<double>(kMessagesMax) || std::floor(number) != number) {
    return ill_formed(key, "a whole number from 1 to " + std::to_string(kMessagesMax));
  }
  return static_cast<std::uint64_t>(number);
}

}  // namespace

std::string_view to_string(Verb verb) {
  switch (verb) {
    case Verb::kGet: return "get";
    case Verb::kSet: return "set";
    case Verb::kWatch: return "watch";
    case Verb::kHistory: return "history";
    case Verb::kGaps: return "gaps";
  }
  return "";
}

std::string to_json(const Request& request) {
  monitor::JsonWriter out;
  out.begin_object().field("verb", to_string(request.verb));
  if (!request.filter.empty()) out.field(filter_key(request.verb), request.filter);
  if (request.verb == Verb::kSet) out.field("retain", request.retain);
  if (!request.since.empty()) out.field("since", request.since);
  if (request.most) out.field(most_key(request.verb), *request.most);
  return out.end_object().take();
}

Expected<std::optional<Request>> parse_request(std::string_view document) {
  if (find_invalid_utf8(document)) return fail(Category::kInvalidInput, "the request is not UTF-8");
  const Expected<JsonValue> json = config::read_json(document);
  if (!json) return fail(Category::kInvalidInput, "the request is not JSON: " + json.error().what);
  const JsonValue* const name = json->find("verb");
  if (name == nullptr || name->kind != JsonKind::kString) return std::optional<Request>{};
  for (const Verb verb : kVerbs) {
    if (name->text != to_string(verb)) continue;
    Request request{.verb = verb};
    const JsonValue* const filter = json->find(filter_key(verb));
    const bool is_text = filter != nullptr && filter->kind == JsonKind::kString && !filter->text.empty();
    if (!is_text && (filter != nullptr || verb != Verb::kGaps)) return ill_formed(filter_key(verb), "a text");
    if (is_text) request.filter = filter->text;
    if (const JsonValue* const retain = json->find("retain")) {
      if (retain->kind != JsonKind::kBoolean) return ill_formed("retain", "true or false");
      request.retain = retain->boolean;
    }
    if (const JsonValue* const since = json->find("since")) {
      if (since->kind != JsonKind::kString) return ill_formed("since", "a text");
      request.since = since->text;
    }
    if (const JsonValue* const most = json->find(most_key(verb))) {
      const Expected<std::uint64_t> number = read_most(most_key(verb), *most);
      if (!number) return tl::unexpected<Error>(number.error());
      request.most = *number;
    }
    return std::optional<Request>{std::move(request)};
  }
  return std::optional<Request>{};
}

Expected<void> check_request(const Request& request) {
  if (!request.since.empty()) {
    if (const auto since = node::parse_since(request.since, WallTime{}); !since) {
      return tl::unexpected<Error>(since.error());
    }
  }
  if (request.verb == Verb::kGaps && request.filter.empty()) return {};
  const std::string shown = quote_text(request.filter);
  if (to_json(request).size() >= kRequestBytesMax) {
    return fail(Category::kInvalidInput, shown + " is too long to ask for: make it shorter");
  }
  if (mqtt::topic_level_count(request.filter) > mqtt::kTopicLevelsMax) {
    return fail(Category::kInvalidInput,
                shown + " has more than " + std::to_string(mqtt::kTopicLevelsMax) + " levels: make it shorter");
  }
  if (request.verb == Verb::kSet) {
    if (mqtt::is_valid_topic_name(request.filter)) return {};
    return fail(Category::kInvalidInput,
                shown + " is no topic to publish to: + and # and control characters are not allowed");
  }
  if (mqtt::is_shared_filter(request.filter)) {
    return fail(Category::kInvalidInput,
                shown + " is a shared subscription, which divides messages: give the filter alone");
  }
  if (mqtt::is_valid_topic_filter(request.filter)) return {};
  return fail(Category::kInvalidInput,
              shown +
                  " is no topic and no filter: + stands alone in its level, # alone in the last one, as in "
                  "sensors/+/state or sensors/#");
}

}  // namespace hedgerow::control
