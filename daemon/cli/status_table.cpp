#include "daemon/cli/status_table.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "daemon/config/cjson_reader.hpp"
#include "sync/base/utf8.hpp"

namespace hedgerow::cli {

namespace {

using config::JsonKind;
using config::JsonValue;

constexpr std::string_view kUnknown = "-";
constexpr std::size_t kDigestShown = 16;          // enough to compare by eye; --json has all of it
constexpr double kExactMax = 9007199254740992.0;  // 2^53: doubles hold whole numbers exactly up to here

// How many columns the text takes, a character each.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char character) {
    return (static_cast<unsigned char>(character) & 0xC0U) != 0x80U;
  }));
}

class Table {
 public:
  using Row = std::vector<std::string>;

  explicit Table(Row head) { rows_.push_back(std::move(head)); }
  void add(Row row) { rows_.push_back(std::move(row)); }

  [[nodiscard]] std::string text() const {
    std::vector<std::size_t> widths(rows_.front().size());
    for (const Row& row : rows_) {
      for (std::size_t at = 0; at < row.size(); ++at) widths[at] = std::max(widths[at], width_of(row[at]));
    }
    std::string out;
    for (const Row& row : rows_) {
      for (std::size_t at = 0; at < row.size(); ++at) {
        out += row[at];
        if (at + 1 < row.size()) out.append(widths[at] - width_of(row[at]) + 2, ' ');
      }
      out += '\n';
    }
    return out;
  }

 private:
  std::vector<Row> rows_;
};

std::string text_of(const JsonValue& object, std::string_view key) {
  const JsonValue* const value = object.find(key);
  if (value == nullptr || value->kind != JsonKind::kString || value->text.empty()) return std::string{kUnknown};
  return value->text;
}

std::string count_of(const JsonValue& object, std::string_view key) {
  const JsonValue* const value = object.find(key);
  const bool is_count = value != nullptr && value->kind == JsonKind::kNumber && value->number >= 0;
  if (!is_count || value->number > kExactMax) return std::string{kUnknown};
  return std::to_string(static_cast<std::uint64_t>(value->number));
}

bool is_true(const JsonValue& object, std::string_view key) {
  const JsonValue* const value = object.find(key);
  return value != nullptr && value->kind == JsonKind::kBoolean && value->boolean;
}

// Calls `show` with each object of the array at the key.
template <class Show>
void for_each(const JsonValue& object, std::string_view key, const Show& show) {
  const JsonValue* const array = object.find(key);
  if (array == nullptr || array->kind != JsonKind::kArray) return;
  for (const config::JsonMember& member : array->members) show(member.value);
}

// "3 d 4 h", "4 h 5 min", "5 min 6 s": the two largest units.
std::string uptime_of(const JsonValue& status) {
  const JsonValue* const value = status.find("uptime_s");
  const bool is_count = value != nullptr && value->kind == JsonKind::kNumber && value->number >= 0;
  if (!is_count || value->number > kExactMax) return std::string{kUnknown};
  struct Unit {
    std::string_view name;
    std::uint64_t seconds;
  };
  constexpr std::array kUnits = {Unit{" d", 86'400}, Unit{" h", 3'600}, Unit{" min", 60}, Unit{" s", 1}};
  std::uint64_t rest = static_cast<std::uint64_t>(value->number);
  std::size_t at = 0;
  while (at + 2 < kUnits.size() && rest < kUnits[at].seconds) ++at;
  std::string out = std::to_string(rest / kUnits[at].seconds) + std::string{kUnits[at].name};
  rest %= kUnits[at].seconds;
  return out + " " + std::to_string(rest / kUnits[at + 1].seconds) + std::string{kUnits[at + 1].name};
}

std::string alarms_of(const JsonValue& status) {
  std::string out;
  const JsonValue* const alarms = status.find("alarms");
  if (alarms == nullptr || alarms->kind != JsonKind::kArray) return out;
  for (const config::JsonMember& alarm : alarms->members) {
    if (alarm.value.kind == JsonKind::kString) out += "ALARM: " + alarm.value.text + "\n";
  }
  return out;
}

std::string listeners_of(const JsonValue& status) {
  Table table{{"LISTENER", "ADDRESS", "SECURITY"}};
  for_each(status, "listeners", [&](const JsonValue& listener) {
    const std::string security = is_true(listener, "tls")         ? "TLS"
                                 : is_true(listener, "plaintext") ? "PLAINTEXT, other machines can reach it"
                                                                  : "this board only";
    table.add({text_of(listener, "name"), text_of(listener, "address"), security});
  });
  return table.text();
}

std::string links_of(const JsonValue& status) {
  Table table{{"LINK", "STATE", "LAG", "ADDRESS"}};
  std::string reasons;
  bool is_empty = true;
  for_each(status, "links", [&](const JsonValue& link) {
    is_empty = false;
    table.add({text_of(link, "peer"), text_of(link, "state"), count_of(link, "lag"),
               text_of(link, "address") + (is_true(link, "dialled") ? " (dialled)" : " (dialled us)")});
    const std::string reason = text_of(link, "reason");
    if (reason != kUnknown) reasons += "no link with " + text_of(link, "peer") + ": " + reason + "\n";
  });
  return is_empty ? "no links: this node works alone\n" : table.text() + reasons;
}

std::string channels_of(const JsonValue& status) {
  Table table{{"CHANNEL", "BEHIND", "SCOPE", "FILTER", "DIGEST"}};
  for_each(status, "channels", [&](const JsonValue& channel) {
    table.add({text_of(channel, "name"), count_of(channel, "behind"),
               text_of(channel, "scope") + (is_true(channel, "spooled") ? ", spooled" : ""), text_of(channel, "filter"),
               text_of(channel, "digest").substr(0, kDigestShown)});
  });
  return table.text();
}

std::string trimmed_of(const JsonValue& status) {
  Table table{{"MISSED", "CLIENT", "OWNER"}};
  bool is_empty = true;
  for_each(status, "trimmed", [&](const JsonValue& reader) {
    is_empty = false;
    const std::string client = text_of(reader, "client");
    table.add({count_of(reader, "messages"), client == kUnknown ? text_of(reader, "shared") : client,
               text_of(reader, "owner")});
  });
  return is_empty ? std::string() : "\nkeep trimmed what had not been read yet:\n" + table.text();
}

// A daemon's answer, or what it says went wrong.
Expected<JsonValue> read_answer(std::string_view json) {
  Expected<JsonValue> answer = config::read_json(json);
  if (!answer || answer->kind != JsonKind::kObject) {
    return fail(Category::kCorrupt, "hedgerowd gave no answer that this program understands: are both of one version?");
  }
  if (const JsonValue* const error = answer->find("error"); error != nullptr && error->kind == JsonKind::kString) {
    return fail(Category::kUnavailable, error->text);
  }
  return answer;
}

}  // namespace

Expected<std::string> status_table(std::string_view json) {
  const Expected<JsonValue> status = read_answer(json);
  if (!status) return tl::unexpected<Error>(status.error());
  return "node " + text_of(*status, "node") + " of mesh " + text_of(*status, "mesh") + ", up " + uptime_of(*status) +
         ", clock " + text_of(*status, "clock") + ", version " + text_of(*status, "version") + ", replica " +
         text_of(*status, "replica") + "\n" + alarms_of(*status) + "\n" + listeners_of(*status) + "\n" +
         links_of(*status) + "\n" + channels_of(*status) + trimmed_of(*status);
}

Expected<std::string> channel_table(std::string_view json) {
  const Expected<JsonValue> answer = read_answer(json);
  if (!answer) return tl::unexpected<Error>(answer.error());
  Table table{{"CHANNEL", "VERSION", "FILTER", "MERGE", "KEEP", "HERE"}};
  for_each(*answer, "channels", [&](const JsonValue& channel) {
    const JsonValue* const keep = channel.find("keep");
    const std::string kept =
        keep == nullptr ? std::string{kUnknown} : text_of(*keep, "age") + ", " + text_of(*keep, "size");
    table.add({text_of(channel, "name"), count_of(channel, "version"), text_of(channel, "filter"),
               text_of(channel, "merge"), kept, text_of(channel, "here")});
  });
  return table.text();
}

Expected<std::string> node_table(std::string_view json) {
  const Expected<JsonValue> answer = read_answer(json);
  if (!answer) return tl::unexpected<Error>(answer.error());
  Table table{{"NODE", "STATE", "REPLICA"}};
  for_each(*answer, "nodes", [&](const JsonValue& node) {
    table.add({text_of(node, "name"), text_of(node, "state"), text_of(node, "replica")});
  });
  return table.text();
}

}  // namespace hedgerow::cli
