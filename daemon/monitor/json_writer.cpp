#include "daemon/monitor/json_writer.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <gsl/gsl>
#include <system_error>
#include <utility>

#include "sync/base/json_text.hpp"
#include "sync/base/utf8.hpp"

namespace hedgerow::monitor {

namespace {

void append_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const std::string_view good = text.substr(0, find_invalid_utf8(text).value_or(text.size()));
    append_json_escaped(out, good);
    text.remove_prefix(good.size());
    if (text.empty()) break;
    out += "\xEF\xBF\xBD";  // U+FFFD
    text.remove_prefix(1);
  }
  out += '"';
}

}  // namespace

void JsonWriter::before_value() {
  const bool in_object = !open_.empty() && open_.back() == '}';
  Expects(!in_object || value_due_);        // a key stands before each value of an object
  Expects(!open_.empty() || out_.empty());  // one document
  if (comma_due_ && !value_due_) out_ += ',';
  comma_due_ = true;
  value_due_ = false;
}

JsonWriter& JsonWriter::begin(char opening, char closing) {
  before_value();
  out_ += opening;
  open_.push_back(closing);
  comma_due_ = false;
  return *this;
}

JsonWriter& JsonWriter::end(char closing) {
  Expects(!open_.empty() && open_.back() == closing && !value_due_);
  out_ += closing;
  open_.pop_back();
  comma_due_ = true;
  return *this;
}

JsonWriter& JsonWriter::begin_object() { return begin('{', '}'); }
JsonWriter& JsonWriter::end_object() { return end('}'); }
JsonWriter& JsonWriter::begin_array() { return begin('[', ']'); }
JsonWriter& JsonWriter::end_array() { return end(']'); }

JsonWriter& JsonWriter::key(std::string_view name) {
  Expects(!open_.empty() && open_.back() == '}' && !value_due_);
  if (comma_due_) out_ += ',';
  append_string(out_, name);
  out_ += ':';
  value_due_ = true;
  return *this;
}

JsonWriter& JsonWriter::string(std::string_view value) {
  before_value();
  append_string(out_, value);
  return *this;
}

JsonWriter& JsonWriter::integer(std::int64_t value) {
  before_value();
  out_ += std::to_string(value);
  return *this;
}

JsonWriter& JsonWriter::unsigned_integer(std::uint64_t value) {
  before_value();
  out_ += std::to_string(value);
  return *this;
}

JsonWriter& JsonWriter::number(double value, int decimals) {
  Expects(decimals >= 0 && decimals <= 6);
  if (!std::isfinite(value)) return null();
  before_value();
  std::array<char, 400> text{};  // the largest double has 309 digits before the point
  // Not to_chars: its tables take 110 KiB of the daemon. The daemon stays in the locale "C".
  const int length = std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
  Ensures(length > 0 && static_cast<std::size_t>(length) < text.size());
  std::string digits{text.data()};
  if (digits.find('.') != std::string::npos) {
    digits.erase(digits.find_last_not_of('0') + 1);
    if (digits.back() == '.') digits.pop_back();
  }
  out_ += digits == "-0" ? "0" : digits;
  return *this;
}

JsonWriter& JsonWriter::boolean(bool value) {
  before_value();
  out_ += value ? "true" : "false";
  return *this;
}

JsonWriter& JsonWriter::null() {
  before_value();
  out_ += "null";
  return *this;
}

JsonWriter& JsonWriter::field(std::string_view name, std::optional<std::uint64_t> value) {
  key(name);
  return value ? unsigned_integer(*value) : null();
}

std::string JsonWriter::take() {
  Expects(open_.empty() && !value_due_ && !out_.empty());
  comma_due_ = false;
  return std::exchange(out_, {});
}

}  // namespace hedgerow::monitor
