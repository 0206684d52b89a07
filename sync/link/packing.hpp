// Answers of catch-up, compressed where that pays. DESIGN 5.
//
// The answering side packs where it reads, away from the loop; the asking side unpacks what it asked for as it comes.
// Pure over the port. Thread rule: free functions.
#pragma once

#include <vector>

#include "sync/base/bytes.hpp"
#include "sync/base/compressor.hpp"
#include "sync/base/expected.hpp"
#include "sync/engine/pull.hpp"
#include "sync/link/wire.hpp"

namespace hedgerow::sync {

// Joins small segments (sync/log/join.hpp), and fills in `packed` where the bulk of the answer then shrinks by an
// eighth at least.
void pack(const Compressor& compressor, PullAnswer& answer);

// `packed`, expanded. kInvalidInput: it is broken; kLimit: no memory. REQUIRES: !packed.is_empty(), as decoded
[[nodiscard]] Expected<Bytes> unpack(const Compressor& compressor, const wire::Packed& packed);

}  // namespace hedgerow::sync
