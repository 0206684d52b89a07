#include "daemon/config/json_scanner.hpp"

#include <map>
#include <optional>
#include <utility>

#include "sync/base/json_text.hpp"
#include "sync/base/utf8.hpp"

namespace hedgerow::config {

namespace {

constexpr std::size_t kDuplicatesMax = 100;  // more of them teach nothing

constexpr bool is_digit(char character) { return character >= '0' && character <= '9'; }

constexpr bool is_letter(char character) {
  return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') || character == '_';
}

bool is_plain_key(std::string_view key) {
  if (key.empty() || !is_letter(key.front())) return false;
  for (const char character : key) {
    if (!is_letter(character) && !is_digit(character) && character != '-') return false;
  }
  return true;
}

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) { out_.strict = text; }

  tl::expected<ScannedJson, Problems> run() {
    if (document()) return std::move(out_);
    Problems problems = std::move(out_.duplicate_keys);
    problems.push_back(std::move(problem_));
    return tl::unexpected<Problems>(std::move(problems));
  }

 private:
  // --- the text -------------------------------------------------------------------------------------------------

  [[nodiscard]] bool at_end() const { return offset_ >= text_.size(); }
  [[nodiscard]] char peek() const { return at_end() ? '\0' : text_[offset_]; }
  [[nodiscard]] bool sees(std::string_view token) const { return text_.substr(offset_).starts_with(token); }

  void advance() {
    const auto byte = static_cast<unsigned char>(text_[offset_++]);
    if (byte == '\n') {
      ++at_.line;
      at_.column = 1;
    } else if ((byte & 0xC0U) != 0x80U) {  // a continuation byte belongs to the character before it
      ++at_.column;
    }
  }

  void advance(std::size_t count) {
    for (; count > 0; --count) advance();
  }

  void blank() {
    const char character = text_[offset_];
    if (character != '\n' && character != '\r') out_.strict[offset_] = ' ';
    advance();
  }

  // What stands here, for a message.
  [[nodiscard]] std::string found() const {
    if (at_end()) return "the end of the file";
    if (peek() == '"') return "a string";
    std::size_t length = 0;
    while (length < 32 && offset_ + length < text_.size()) {
      const char character = text_[offset_ + length];
      if (!is_letter(character) && !is_digit(character)) break;
      ++length;
    }
    if (length == 0) length = utf8_length(text_.substr(offset_));
    return quote_text(text_.substr(offset_, length));
  }

  bool fail_at(Position at, std::size_t container, std::string what) {
    problem_ = {at, container == ScannedValue::kNoParent ? std::string{} : out_.path_of(container), std::move(what)};
    return false;
  }

  bool fail_here(std::string what) { return fail_at(at_, ScannedValue::kNoParent, std::move(what)); }

  // --- the grammar ----------------------------------------------------------------------------------------------

  bool document() {
    if (text_.size() > kJsonBytesMax) {
      return fail_here("the text has " + std::to_string(text_.size()) + " bytes, at most 1 MiB is read");
    }
    if (const std::optional<std::size_t> bad = find_invalid_utf8(text_)) {
      while (offset_ < *bad) advance();
      return fail_here("this is not UTF-8: save the file in that encoding");
    }
    if (sees("\xEF\xBB\xBF")) {  // a byte order mark
      for (int byte = 0; byte < 3; ++byte) blank();
      at_ = {};
    }
    if (!skip_space()) return false;
    if (at_end()) return fail_here("the file is empty, expected { … }");
    if (!value(ScannedValue::kNoParent, 0, 1, {}, std::nullopt)) return false;
    if (!skip_space()) return false;
    if (!at_end()) return fail_here("found " + found() + " after the end of the document, expected nothing more");
    return true;
  }

  bool skip_space() {
    while (!at_end()) {
      const char character = peek();
      if (character == ' ' || character == '\t' || character == '\r' || character == '\n') {
        advance();
      } else if (sees("//")) {
        while (!at_end() && peek() != '\n') blank();
      } else if (sees("/*")) {
        const Position begin = at_;
        blank();
        blank();
        while (!at_end() && !sees("*/")) blank();
        if (at_end()) return fail_at(begin, ScannedValue::kNoParent, "the comment is not closed, expected */");
        blank();
        blank();
      } else {
        break;
      }
    }
    return true;
  }

  bool value(std::size_t parent, std::size_t ordinal, std::size_t depth, std::string key,
             std::optional<Position> key_at) {
    if (out_.values.size() >= kJsonValuesMax) {
      return fail_here("more than " + std::to_string(kJsonValuesMax) + " values, at most that many are read");
    }
    const std::size_t index = out_.values.size();
    out_.values.push_back({.kind = JsonKind::kNull,
                           .at = at_,
                           .key_at = key_at.value_or(at_),
                           .parent = parent,
                           .ordinal = ordinal,
                           .key = std::move(key),
                           .number = {}});
    const char character = peek();
    if (character == '{') return object(index, depth);
    if (character == '[') return array(index, depth);
    if (character == '"') {
      out_.values[index].kind = JsonKind::kString;
      return string(nullptr);
    }
    if (character == '-' || is_digit(character)) return number(index);
    if (word("true") || word("false")) {
      out_.values[index].kind = JsonKind::kBoolean;
      return true;
    }
    if (word("null")) return true;
    const bool is_word = is_letter(character);
    return fail_at(at_, index,
                   "found " + found() + ", expected a value" + (is_word ? ": text stands in double quotes" : ""));
  }

  bool word(std::string_view expected) {
    if (!sees(expected)) return false;
    const std::size_t after = offset_ + expected.size();
    if (after < text_.size() && (is_letter(text_[after]) || is_digit(text_[after]))) return false;
    advance(expected.size());
    return true;
  }

  bool too_deep(std::size_t index) {
    return fail_at(at_, ScannedValue::kNoParent,
                   std::string{out_.values[index].kind == JsonKind::kObject ? "an object" : "an array"} +
                       " nested more than " + std::to_string(kJsonDepthMax) + " deep, at most that is read");
  }

  bool object(std::size_t index, std::size_t depth) {
    out_.values[index].kind = JsonKind::kObject;
    if (depth > kJsonDepthMax) return too_deep(index);
    std::map<std::string, Position, std::less<>> seen;
    advance();
    std::optional<std::size_t> comma;
    for (std::size_t ordinal = 0;; ++ordinal) {
      if (!skip_space()) return false;
      if (peek() == '}') return close(comma);
      if (peek() != '"') {
        return fail_at(at_, index,
                       "found " + found() + ", expected " + (at_end() ? "\"}\"" : "a key in double quotes"));
      }
      const Position key_at = at_;
      std::string key;
      if (!string(&key)) return false;
      if (key.size() > kJsonKeyBytesMax) {
        return fail_at(key_at, index, "a key longer than " + std::to_string(kJsonKeyBytesMax) + " bytes");
      }
      const auto [first, is_new] = seen.emplace(key, key_at);
      if (!skip_space()) return false;
      if (peek() != ':') return fail_at(at_, index, "found " + found() + ", expected \":\" after the key");
      advance();
      if (!skip_space()) return false;
      const std::size_t member = out_.values.size();
      if (!value(index, ordinal, depth + 1, std::move(key), key_at)) return false;
      if (!is_new) note_duplicate(member, first->second);
      if (!separator(index, '}', comma)) return false;
    }
  }

  bool array(std::size_t index, std::size_t depth) {
    out_.values[index].kind = JsonKind::kArray;
    if (depth > kJsonDepthMax) return too_deep(index);
    advance();
    std::optional<std::size_t> comma;
    for (std::size_t ordinal = 0;; ++ordinal) {
      if (!skip_space()) return false;
      if (peek() == ']') return close(comma);
      if (at_end()) return fail_at(at_, index, "found the end of the file, expected \"]\"");
      if (!value(index, ordinal, depth + 1, {}, std::nullopt)) return false;
      if (!separator(index, ']', comma)) return false;
    }
  }

  // Consumes a comma after a member, and remembers where it stands; leaves a closing bracket.
  bool separator(std::size_t index, char closing, std::optional<std::size_t>& comma) {
    comma.reset();
    if (!skip_space()) return false;
    if (peek() == closing) return true;
    if (peek() != ',') {
      return fail_at(at_, index,
                     "found " + found() + ", expected \",\" or \"" + closing + "\" after the member before it");
    }
    comma = offset_;
    advance();
    return true;
  }

  bool close(std::optional<std::size_t> trailing_comma) {
    if (trailing_comma) out_.strict[*trailing_comma] = ' ';
    advance();
    return true;
  }

  void note_duplicate(std::size_t member, Position first) {
    if (out_.duplicate_keys.size() >= kDuplicatesMax) return;
    const ScannedValue& value = out_.values[member];
    out_.duplicate_keys.push_back({value.key_at, out_.path_of(member),
                                   "the key stands twice, first at " + std::to_string(first.line) + ":" +
                                       std::to_string(first.column) + ": remove one of them"});
  }

  bool number(std::size_t index) {
    out_.values[index].kind = JsonKind::kNumber;
    const std::size_t begin = offset_;
    const Position begin_at = at_;
    while (is_digit(peek()) || is_letter(peek()) || peek() == '+' || peek() == '-' || peek() == '.') advance();
    const std::string_view token = text_.substr(begin, offset_ - begin);
    if (token.size() > kJsonNumberBytesMax) {
      return fail_at(begin_at, index, "a number longer than " + std::to_string(kJsonNumberBytesMax) + " characters");
    }
    if (!is_json_number(token)) {
      return fail_at(begin_at, index,
                     "found " + quote_text(token) + ", expected a number such as 8883; text stands in double quotes");
    }
    out_.values[index].number = token;
    return true;
  }

  // --- strings --------------------------------------------------------------------------------------------------

  // Consumes a string; its decoded text is appended to *decoded unless that is null.
  bool string(std::string* decoded) {
    const Position begin = at_;
    advance();
    while (true) {
      if (at_end() || peek() == '\n' || peek() == '\r') {
        return fail_at(begin, ScannedValue::kNoParent,
                       "the string is not closed, expected \" before the end of the line");
      }
      const char character = peek();
      if (character == '"') {
        advance();
        return true;
      }
      if (static_cast<unsigned char>(character) < 0x20) {
        return fail_here("a control character in a string: write it as an escape such as \\t");
      }
      if (character == '\\') {
        if (!escape(decoded)) return false;
        continue;
      }
      if (decoded != nullptr) decoded->push_back(character);
      advance();
    }
  }

  bool escape(std::string* decoded) {
    const JsonEscape escape = read_json_escape(text_.substr(offset_));
    switch (escape.kind) {
      case JsonEscape::Kind::kUnknown:
        return fail_here("an unknown escape in a string, expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX");
      case JsonEscape::Kind::kNoCharacter:
        return fail_here("not a character: \\u takes four hexadecimal digits, and \\uD800 to \\uDFFF only in pairs");
      case JsonEscape::Kind::kCharacter: break;
    }
    if (escape.code == 0) return fail_here("a NUL character, which no text here may hold");
    if (decoded != nullptr) append_utf8(*decoded, escape.code);
    advance(escape.bytes);
    return true;
  }

  std::string_view text_;
  std::size_t offset_ = 0;
  Position at_;
  ScannedJson out_;
  Problem problem_;
};

}  // namespace

std::string ScannedJson::path_of(std::size_t index) const {
  std::vector<std::size_t> way;
  for (; values[index].parent != ScannedValue::kNoParent; index = values[index].parent) way.push_back(index);
  std::string path;
  for (auto step = way.rbegin(); step != way.rend(); ++step) {
    const ScannedValue& value = values[*step];
    if (values[value.parent].kind == JsonKind::kArray) {
      path += "[" + std::to_string(value.ordinal) + "]";
    } else if (is_plain_key(value.key)) {
      path += (path.empty() ? "" : ".") + value.key;
    } else {
      path += "[" + quote_text(value.key) + "]";
    }
  }
  return path;
}

tl::expected<ScannedJson, Problems> scan_json(std::string_view text) { return Scanner{text}.run(); }

}  // namespace hedgerow::config
