// Joining small segments: what was committed op by op travels, and is stored where it arrives, in few rows. DESIGN 2:
// anyone may re-cut segments.
//
// A header names the predecessor's hash, 32 bytes that nothing compresses; an op of telemetry takes fewer.
// Pure. Thread rule: a free function.
#pragma once

#include <vector>

#include "sync/base/bytes.hpp"

namespace hedgerow::sync {

// The same ops in the same order. Segments below kJoinPartBytesMax that follow each other, of one replica, become one,
// up to kJoinBytesMax in all; the others stay as they are, as does what breaks the grammar.
[[nodiscard]] std::vector<Bytes> join_segments(std::vector<Bytes> segments);

}  // namespace hedgerow::sync
