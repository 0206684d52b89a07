// What several messages of the link protocol have in common: marks, states and segments of the grammar in wire.hpp. Not
// for others. Who reads rejects, by the Reader, what breaks the grammar or a bound.
// Thread rule: free functions without state.
#pragma once

#include <cstddef>
#include <vector>

#include "sync/base/bytes.hpp"
#include "sync/engine/storage.hpp"
#include "sync/log/codec.hpp"
#include "sync/log/frontier.hpp"

namespace hedgerow::sync::wire {

struct CountBounds {
  std::size_t max;
  std::size_t item_bytes;  // of the smallest item
};

// No more than can still follow, so that it is safe to reserve.
[[nodiscard]] std::size_t read_count(Reader& in, const CountBounds& bounds);

void put_marks(Writer& out, const Frontier& marks);
[[nodiscard]] Frontier read_marks(Reader& in);

void put_states(Writer& out, const std::vector<ReplicaState>& states);
[[nodiscard]] std::vector<ReplicaState> read_states(Reader& in);

void put_segments(Writer& out, const std::vector<ByteView>& segments);
// Views in the result end with what `in` reads.
[[nodiscard]] std::vector<ByteView> read_segments(Reader& in);

}  // namespace hedgerow::sync::wire
