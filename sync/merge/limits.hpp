// The bounds of merged cells (G6). Beyond one of them the answer is an error that names it. A document's or counter's
// state travels and is stored whole, like a payload.
// Thread rule: constants.
#pragma once

#include <cstddef>

#include "sync/limits.hpp"

namespace hedgerow::sync {

// Objects and arrays within each other.
inline constexpr std::size_t kDocumentDepthMax = 32;
// A place of a document (a member, deleted ones too) counts its key, its value and this much, which is what its
// encoding needs beside them at most.
inline constexpr std::size_t kDocumentPlaceBytes = 80;
inline constexpr std::size_t kDocumentBytesMax = kPayloadBytesMax;
// A publish on this node that lets a document grow beyond this is refused. So parts that were written apart can meet,
// which nobody can refuse.
inline constexpr std::size_t kDocumentPublishBytesMax = kDocumentBytesMax / 4;

inline constexpr std::size_t kCounterPartBytesMax = 8 + 5 * 10;
inline constexpr std::size_t kCounterBytesMax = 8 + kReplicasPerChannelMax * kCounterPartBytesMax;
static_assert(kCounterBytesMax <= kPayloadBytesMax);

}  // namespace hedgerow::sync
