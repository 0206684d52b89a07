#include "sync/merge/json_cursor.hpp"

#include <algorithm>
#include <array>
#include <gsl/assert>
#include <utility>

#include "sync/base/json_text.hpp"
#include "sync/base/utf8.hpp"
#include "sync/merge/limits.hpp"

namespace hedgerow::sync {

namespace {

constexpr std::array<std::string_view, 3> kWords = {"true", "false", "null"};
constexpr std::size_t kFoundBytesMax = 16;

bool is_in_token(char character) {
  return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
         (character >= '0' && character <= '9') || character == '+' || character == '-' || character == '.';
}

}  // namespace

char JsonCursor::peek() {
  while (at_ < text_.size() && std::string_view{" \t\r\n"}.find(text_[at_]) != std::string_view::npos) ++at_;
  return at_ < text_.size() ? text_[at_] : '\0';
}

bool JsonCursor::fail_at(std::size_t at, std::string what) {
  if (!mistake_) mistake_ = "at byte " + std::to_string(at) + ": " + std::move(what);
  at_ = text_.size();
  return false;
}

Error JsonCursor::error() const {
  Expects(mistake_.has_value());
  return {.category = Category::kInvalidInput, .what = *mistake_};
}

// What stands here, for a message.
std::string JsonCursor::found() const {
  if (at_ >= text_.size()) return "found the end";
  const std::string_view rest = text_.substr(at_);
  std::size_t bytes = 0;
  while (bytes < rest.size() && bytes < kFoundBytesMax && is_in_token(rest[bytes])) ++bytes;
  return "found " + quote_text(rest.substr(0, std::max(bytes, utf8_length(rest))));
}

bool JsonCursor::enter() {
  if (failed()) return false;
  if (depth_ >= kDocumentDepthMax) {
    return fail_at(at_, "objects and arrays more than " + std::to_string(kDocumentDepthMax) +
                            " deep within each other: make the document flatter");
  }
  ++depth_;
  ++at_;
  return true;
}

bool JsonCursor::enter_object() {
  Expects(failed() || peek() == '{');
  if (!enter()) return false;
  keys_.emplace_back();
  return true;
}

std::optional<std::string> JsonCursor::next_key() {
  const auto mistake = [this](std::string what) {
    fail_at(at_, std::move(what));
    return std::nullopt;
  };
  if (failed()) return std::nullopt;
  Expects(!keys_.empty());
  char next = peek();
  if (next == '}') {
    ++at_;
    --depth_;
    keys_.pop_back();
    return std::nullopt;
  }
  if (!keys_.back().empty()) {
    if (next != ',') return mistake(found() + ", expected \",\" or \"}\"");
    ++at_;
    next = peek();
  }
  if (next != '"') return mistake(found() + ", expected a key in double quotes");
  const std::size_t key_at = at_;
  std::string key;
  if (!string(key)) return std::nullopt;
  if (!keys_.back().insert(key).second) {
    fail_at(key_at, "the key " + quote_text(key) + " stands twice in one object");
    return std::nullopt;
  }
  if (peek() != ':') return mistake(found() + ", expected \":\" after the key");
  ++at_;
  return key;
}

bool JsonCursor::value(std::string& out) {
  if (failed()) return false;
  const char next = peek();
  if (next == '{') return object(out);
  if (next == '[') return array(out);
  if (next == '"') {
    out += '"';
    if (!string(out)) return false;
    out += '"';
    return true;
  }
  if (next == '-' || (next >= '0' && next <= '9')) return number(out);
  return word(out);
}

bool JsonCursor::object(std::string& out) {
  if (!enter_object()) return false;
  char before = '{';
  while (const std::optional<std::string> key = next_key()) {
    out += before;
    out += '"' + *key + "\":";
    if (!value(out)) return false;
    before = ',';
  }
  if (before == '{') out += before;
  out += '}';
  return !failed();
}

bool JsonCursor::array(std::string& out) {
  if (!enter()) return false;
  out += '[';
  if (peek() != ']') {
    if (!value(out)) return false;
    while (peek() == ',') {
      ++at_;
      out += ',';
      if (!value(out)) return false;
    }
    if (peek() != ']') return fail_at(at_, found() + ", expected \",\" or \"]\"");
  }
  out += ']';
  ++at_;
  --depth_;
  return true;
}

bool JsonCursor::string(std::string& out) {
  const std::size_t begin = at_++;
  while (at_ < text_.size() && text_[at_] != '"') {
    const std::string_view rest = text_.substr(at_);
    if (rest.front() == '\\') {
      const JsonEscape escape = read_json_escape(rest);
      switch (escape.kind) {
        case JsonEscape::Kind::kUnknown: return fail_at(at_, "an escape that JSON does not have");
        case JsonEscape::Kind::kNoCharacter:
          return fail_at(at_, "no character: \\u takes four hexadecimal digits, and surrogates come in pairs");
        case JsonEscape::Kind::kCharacter: break;
      }
      std::string character;
      append_utf8(character, escape.code);
      append_json_escaped(out, character);
      at_ += escape.bytes;
      continue;
    }
    if (static_cast<unsigned char>(rest.front()) < 0x20) {
      return fail_at(at_, "a control character in a string: write it as an escape");
    }
    const std::size_t bytes = utf8_length(rest);
    if (find_invalid_utf8(rest.substr(0, bytes))) return fail_at(at_, "a byte that is not UTF-8");
    out += rest.substr(0, bytes);
    at_ += bytes;
  }
  if (at_ >= text_.size()) return fail_at(begin, "a string that is not closed");
  ++at_;
  return true;
}

bool JsonCursor::number(std::string& out) {
  const std::size_t begin = at_;
  while (at_ < text_.size() && is_in_token(text_[at_])) ++at_;
  const std::string_view token = text_.substr(begin, at_ - begin);
  if (!is_json_number(token)) {
    at_ = begin;
    return fail_at(begin, found() + ", expected a number");
  }
  out += token;
  return true;
}

bool JsonCursor::word(std::string& out) {
  for (const std::string_view word : kWords) {
    if (!text_.substr(at_).starts_with(word)) continue;
    if (const std::size_t after = at_ + word.size(); after < text_.size() && is_in_token(text_[after])) break;
    out += word;
    at_ += word.size();
    return true;
  }
  return fail_at(at_, found() + ", expected a JSON value");
}

bool JsonCursor::finish() {
  if (failed()) return false;
  if (peek() == '\0' && at_ >= text_.size()) return true;
  return fail_at(at_, found() + " after the end of the document");
}

}  // namespace hedgerow::sync
