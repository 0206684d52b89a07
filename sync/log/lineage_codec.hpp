// The lineage as bytes, as stored and as sent.
//
//   lineage = version:u8=1 root:u64 base:varint n:varint run{n}
//   run     = delta:varint mark:u64        delta: beyond the first op of the run before (beyond 0), from 1
//
// root not 0, n at most kRunsPerReplicaMax, numbers up to kSeqMax. Integers as in codec.hpp; nothing follows.
// Pure. Thread rule: free functions.
#pragma once

#include "sync/base/bytes.hpp"
#include "sync/base/expected.hpp"
#include "sync/log/lineage.hpp"

namespace hedgerow::sync {

[[nodiscard]] Bytes encode_lineage(const Lineage& lineage);
// kCorrupt: the bytes break the grammar.
[[nodiscard]] Expected<LineagePtr> decode_lineage(ByteView bytes);

}  // namespace hedgerow::sync
