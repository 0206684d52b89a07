// JsonWriter builds one JSON document as text.
//
// Strings are escaped as RFC 8259 wants; bytes that are not UTF-8 become U+FFFD, so the result is always valid JSON.
// Pure. Thread-compatible: one owner. The caller keeps the calls balanced: begin/end, and a key before each value of an
// object; a violation is a fault of ours and ends the process.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hedgerow::monitor {

class JsonWriter {
 public:
  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();

  JsonWriter& key(std::string_view name);

  JsonWriter& string(std::string_view value);
  JsonWriter& integer(std::int64_t value);
  JsonWriter& unsigned_integer(std::uint64_t value);
  // Rounded to `decimals` (0 to 6) digits after the point, without zeros at the end. Infinities and NaN, which JSON has
  // not, become null.
  JsonWriter& number(double value, int decimals);
  JsonWriter& boolean(bool value);
  JsonWriter& null();

  // key() and value in one call.
  JsonWriter& field(std::string_view name, std::string_view value) { return key(name).string(value); }
  JsonWriter& field(std::string_view name, const char* value) { return key(name).string(value); }
  JsonWriter& field(std::string_view name, std::uint64_t value) { return key(name).unsigned_integer(value); }
  JsonWriter& field(std::string_view name, bool value) { return key(name).boolean(value); }
  JsonWriter& field(std::string_view name, std::optional<std::uint64_t> value);

  // The finished document, without a newline anywhere. REQUIRES: everything begun has ended.
  [[nodiscard]] std::string take();

 private:
  void before_value();
  JsonWriter& begin(char opening, char closing);
  JsonWriter& end(char closing);

  std::string out_;
  std::vector<char> open_;  // the closing brackets still to come
  bool comma_due_ = false;  // a value stands before in the same object or array
  bool value_due_ = false;  // a key was written, its value is next
};

}  // namespace hedgerow::monitor
