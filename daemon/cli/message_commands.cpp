#include "daemon/cli/message_commands.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>

#include "daemon/cli/control_client.hpp"
#include "daemon/config/cjson_reader.hpp"
#include "daemon/monitor/json_writer.hpp"
#include "daemon/mqtt/topic.hpp"
#include "sync/base/base64.hpp"
#include "sync/base/utf8.hpp"
#include "sync/limits.hpp"

namespace hedgerow::cli {

namespace {

using config::JsonKind;
using config::JsonValue;

tl::unexpected<Error> not_understood() {
  return fail(Category::kCorrupt, "hedgerowd gave no answer that this program understands: are both of one version?");
}

std::string_view text_of(const JsonValue& object, std::string_view key) {
  const JsonValue* const value = object.find(key);
  return value != nullptr && value->kind == JsonKind::kString ? std::string_view{value->text} : std::string_view{};
}

std::uint64_t number_of(const JsonValue& object, std::string_view key) {
  const JsonValue* const value = object.find(key);
  const bool is_count = value != nullptr && value->kind == JsonKind::kNumber && value->number >= 0;
  return is_count ? static_cast<std::uint64_t>(value->number) : 0;
}

std::string count_messages(std::uint64_t count) {
  return std::to_string(count) + (count == 1 ? " message" : " messages");
}

std::string payload_of(const JsonValue& message) {
  if (message.find("payload") != nullptr) return std::string{text_of(message, "payload")};
  const std::optional<Bytes> bytes = from_base64(text_of(message, "payload_base64"));
  return bytes ? std::string{as_text(*bytes)} : std::string{};
}

// On one line, whatever it is.
std::string one_line(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const auto byte = static_cast<unsigned char>(text.front());
    const bool is_c1 = byte == 0xC2 && length == 2 && static_cast<unsigned char>(text[1]) < 0xA0;
    const bool is_broken = byte >= 0x80 && length == 1;
    if (byte == '\n') {
      out += "\\n";
    } else if (byte == '\r') {
      out += "\\r";
    } else if ((byte < 0x20 && byte != '\t') || byte == 0x7F || is_c1 || is_broken) {
      for (const char character : text.substr(0, length)) {
        out += "\\x";
        out += kDigits[static_cast<unsigned char>(character) >> 4U];
        out += kDigits[static_cast<unsigned char>(character) & 0x0FU];
      }
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  return out;
}

std::string message_line(const JsonValue& message) {
  return one_line(text_of(message, "topic")) + " " + one_line(payload_of(message)) + "\n";
}

// Every time that is shown says how far it can be trusted.
std::string time_of(const JsonValue& message) {
  return std::string{text_of(message, "time")} + (text_of(message, "clock") == "synchronised" ? " " : "?");
}

std::string gap_line(const JsonValue& gap) {
  const std::string_view node = text_of(gap, "node");
  const std::string writer =
      node.empty() ? "a node that is not known here (replica " + std::string{text_of(gap, "replica")} + ")"
                   : "node " + one_line(node);
  return "channel " + one_line(text_of(gap, "channel")) + ": " + count_messages(number_of(gap, "count")) + " of " +
         writer + " (its numbers " + std::to_string(number_of(gap, "first")) + " to " +
         std::to_string(number_of(gap, "last")) + "): " + one_line(text_of(gap, "why")) + "\n";
}

// What one command shows.
class Show {
 public:
  Show(const Command& command, const Console& console) : command_(command), console_(console) {}

  // Says whether more follows.
  Expected<bool> take(std::string_view document) {
    const Expected<JsonValue> json = config::read_json(document);
    if (!json || json->kind != JsonKind::kObject) return not_understood();
    if (json->find("error") != nullptr) return fail(Category::kRefused, std::string{text_of(*json, "error")});
    if (json->find("end") != nullptr) return false;
    if (json->find("lost") != nullptr) {
      const std::uint64_t lost = number_of(*json, "lost");
      console_.note(count_messages(lost) + (lost == 1 ? " is" : " are") +
                    " left out: " + one_line(text_of(*json, "why")));
      if (!command_.json) return true;
    } else {
      ++shown_;
    }
    const Expected<void> written =
        console_.write(command_.json ? std::string{document} + "\n" : text_for_people(*json));
    if (!written) return tl::unexpected<Error>(written.error());
    return true;
  }

  [[nodiscard]] std::uint64_t shown() const { return shown_; }

 private:
  [[nodiscard]] std::string text_for_people(const JsonValue& document) const {
    if (command_.verb == Verb::kGaps) return gap_line(document);
    if (command_.verb == Verb::kHistory) return time_of(document) + " " + message_line(document);
    const bool is_alone = command_.verb == Verb::kGet && !mqtt::has_wildcard(command_.topic);
    if (!is_alone) return message_line(document);
    return payload_of(document) + (console_.is_terminal ? "\n" : "");
  }

  const Command& command_;
  const Console& console_;
  std::uint64_t shown_ = 0;
};

Expected<std::string> read_value(const Console& console) {
  if (::isatty(console.input) == 1) {
    console.note("type the value, then Ctrl-D at the beginning of a line");
  }
  std::string value;
  std::array<char, 16 * 1024> buffer{};
  while (true) {
    const ssize_t count = ::read(console.input, buffer.data(), buffer.size());
    if (count == 0) return value;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail(Category::kIo, std::string{"standard input cannot be read: "} + std::strerror(errno));
    value.append(buffer.data(), static_cast<std::size_t>(count));
    if (value.size() > sync::kPayloadBytesMax) {
      return fail(Category::kLimit,
                  "the value is longer than a message may be, " + std::to_string(sync::kPayloadBytesMax) + " bytes");
    }
  }
}

}  // namespace

control::Request request_of(const Command& command) {
  control::Request request{
      .filter = command.topic, .retain = command.retain, .since = command.since, .most = command.most};
  switch (command.verb) {
    case Verb::kGaps: request.verb = control::Verb::kGaps; break;
    case Verb::kHistory: request.verb = control::Verb::kHistory; break;
    case Verb::kSet: request.verb = control::Verb::kSet; break;
    case Verb::kWatch: request.verb = control::Verb::kWatch; break;
    case Verb::kChannelApply:
    case Verb::kChannelList:
    case Verb::kGet:
    case Verb::kHelp:
    case Verb::kMeshInit:
    case Verb::kNodeAdd:
    case Verb::kNodeList:
    case Verb::kNodeRemove:
    case Verb::kReload:
    case Verb::kStatus:
    case Verb::kThingAdd:
    case Verb::kThingList:
    case Verb::kThingRevoke:
    case Verb::kUserAdd:
    case Verb::kUserList:
    case Verb::kUserRemove:
    case Verb::kVersion: break;
  }
  return request;
}

Expected<std::string> show_messages(const Command& command, const Console& console) {
  Show show{command, console};
  const Expected<void> asked = ask_daemon_for_all(command.data, to_json(request_of(command)) + "\n", console.output,
                                                  [&](std::string_view document) { return show.take(document); });
  if (!asked) return tl::unexpected<Error>(asked.error());
  if (show.shown() > 0) return std::string{};
  if (command.verb == Verb::kGet) {
    return fail(Category::kNotFound, mqtt::has_wildcard(command.topic)
                                         ? "no retained message matches " + quote_text(command.topic)
                                         : "no message is retained at " + quote_text(command.topic));
  }
  if (command.verb == Verb::kGaps && !command.json) return std::string{"nothing is missing\n"};
  return std::string{};
}

Expected<std::string> set_message(const Command& command, const Console& console) {
  Expected<std::string> value = command.deletes ? std::string{} : command.value ? *command.value : read_value(console);
  if (!value) return tl::unexpected<Error>(value.error());
  if (value->empty() && command.retain && !command.deletes) {
    return fail(Category::kInvalidInput,
                "nothing came on standard input, and an empty retained message deletes the one that is there: say set "
                "--delete if you mean that");
  }
  if (value->size() > sync::kPayloadBytesMax) {
    return fail(Category::kLimit,
                "the value is longer than a message may be, " + std::to_string(sync::kPayloadBytesMax) + " bytes");
  }
  const std::string request = std::to_string(value->size()) + " " + to_json(request_of(command)) + "\n" + *value;
  const Expected<std::string> answer = ask_daemon(command.data, request, kStoreTimeout);
  if (!answer) return tl::unexpected<Error>(answer.error());
  const Expected<JsonValue> json = config::read_json(*answer);
  if (!json || json->kind != JsonKind::kObject) return not_understood();
  if (json->find("error") != nullptr) return fail(Category::kRefused, std::string{text_of(*json, "error")});
  if (json->find("stored") == nullptr) return not_understood();
  if (!command.json) return std::string{};
  monitor::JsonWriter out;
  out.begin_object()
      .field("topic", command.topic)
      .field("bytes", std::uint64_t{value->size()})
      .field("retain", command.retain)
      .field("stored", true);
  return out.end_object().take() + "\n";
}

}  // namespace hedgerow::cli
