// Short words for the tests of merged cells. Thread rule: free functions.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "sync/base/bytes.hpp"
#include "sync/log/op.hpp"
#include "sync/merge/document.hpp"

namespace hedgerow::sync {

// The write at that time of that replica; its number follows from the time.
inline WriteOrder at(std::uint64_t wall_ms, std::uint64_t replica = 1) {
  return {.stamp = {.wall_ms = wall_ms}, .replica = ReplicaId{replica}, .seq = wall_ms};
}

inline Document patched(std::string_view patch, const WriteOrder& order) {
  const Expected<Document> document = Document::from_patch(as_bytes(patch), order);
  INFO(patch << (document ? std::string{} : ": " + document.error().what));
  REQUIRE(document);
  return *document;
}

inline Document joined(Document a, const Document& b) {
  REQUIRE(a.join(b));
  return a;
}

struct Written {
  std::string_view patch;
  WriteOrder order;
};
// The state after these writes, taken in the order of the list.
inline Document after(std::initializer_list<Written> writes) {
  Document document;
  for (const Written& write : writes) REQUIRE(document.apply(as_bytes(write.patch), write.order));
  return document;
}

inline std::string shown(const Document& document) { return std::string{as_text(document.render())}; }

// The inverse of to_hex().
inline Bytes from_hex(std::string_view digits) {
  const auto value = [](char digit) { return static_cast<unsigned>(digit <= '9' ? digit - '0' : digit - 'a' + 10); };
  Bytes out;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    out.push_back(static_cast<std::uint8_t>(value(digits[i]) * 16 + value(digits[i + 1])));
  }
  return out;
}

}  // namespace hedgerow::sync
