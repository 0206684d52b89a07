// How concurrent writes to one retained message become one. DESIGN 1. All nodes of a mesh must say the same of a
// channel. Thread rule: plain value.
#pragma once

#include <cstdint>
#include <string_view>

namespace hedgerow::sync {

// The numbers are on disk and on the wire.
enum class MergeKind : std::uint8_t {
  kLastWrite = 0,  // the greatest write wins: last_write.hpp
  kDocument = 1,   // a JSON document, merged member by member: document.hpp
  kCounter = 2,    // the sum of what every node added: counter.hpp
};

// As the configuration spells it.
[[nodiscard]] constexpr std::string_view to_string(MergeKind kind) {
  switch (kind) {
    case MergeKind::kLastWrite: return "last-write";
    case MergeKind::kDocument: return "document";
    case MergeKind::kCounter: return "counter";
  }
  return "";
}

}  // namespace hedgerow::sync
