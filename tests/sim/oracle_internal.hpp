// What the checkers share: how it names ops, reads stores and says what does not hold.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "sync/engine/engine.hpp"
#include "tests/sim/subject.hpp"

namespace hedgerow::sim {

inline constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

[[noreturn]] void violated(const char* guarantee, const Subject& node, const std::string& what);

template <class T>
T must(const Subject& node, Expected<T> result) {
  if (!result) violated("storage", node, result.error().what);
  return std::move(*result);
}

// CHANNEL/REPLICA:NUMBER
[[nodiscard]] std::string name_of(const std::pair<std::string, sync::ReplicaId>& key, sync::Seq seq);
// All of an op but its stamp, as bytes.
[[nodiscard]] Bytes content_of(const sync::Message& message, std::uint64_t publisher, unsigned qos);
[[nodiscard]] std::unique_ptr<sync::ReadView> view_of(const Subject& node);

}  // namespace hedgerow::sim
