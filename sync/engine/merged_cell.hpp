// Cells of channels that merge: a document or a counter behind one retained message. DESIGN 1 and 5.
//
// Such a cell keeps the state of its merge beside the message that it shows, and joins what comes: a local write, a
// peer's op, a peer's state of the cell. Joins do not depend on order, repetition or grouping (sync/README.md), so
// nodes that met the same writes hold the same state and show the same (G3), and what was overwritten stays so (G4).
//
//   state  = kind:u8 bytes      kind as MergeKind, not 0; bytes as Document::encode() or Counter::encode() has them
//   change = before:varint bytes
//              of an op in a counter's channel: bytes as Counter::encode() has what the op changed; before: the number
//              of the last op of the same replica that touched this counter, 0: none
//
// The cell's order, QoS, publisher and properties are those of the greatest write that the state has met. It never
// expires: its parts came from writes of different ages.
// An op that says nothing here (no JSON, no change) is a record only, and changes no cell on any node.
// Pure. Thread rule: free functions.
#pragma once

#include <cstddef>
#include <optional>

#include "sync/base/expected.hpp"
#include "sync/engine/storage.hpp"
#include "sync/log/frontier.hpp"
#include "sync/merge/counter.hpp"
#include "sync/merge/limits.hpp"
#include "sync/merge/merge_kind.hpp"

namespace hedgerow::sync {

// A kind, and a document or counter of the greatest size.
inline constexpr std::size_t kCellStateBytesMax = 1 + kDocumentBytesMax;

// Makes `op`, which is about to be written here as number `seq` of `self`, one that others can merge. kInvalidInput:
// its payload is none that merges; kNotInVersion: it would expire; kLimit: the cell would grow too large. REQUIRES: it
// sets a cell, in a channel that merges
[[nodiscard]] Expected<void> prepare_write(MergeKind kind, const std::optional<Cell>& held, ReplicaId self, Seq seq,
                                           Op& op);

// The cell after the op that `order` names, and that was written under the name `root`. None: it is as before. kLimit:
// both together are too large; the op must not be taken then, or nodes would differ. kCorrupt: `held` is broken.
[[nodiscard]] Expected<std::optional<Cell>> after_op(MergeKind kind, const std::optional<Cell>& held,
                                                     const WriteOrder& order, ReplicaId root, const Op& op);

// How far the op, or the cell, of a counter says that `replica` has written; 0 where it does not say.
[[nodiscard]] Seq told_of(const Op& op, ReplicaId replica);
[[nodiscard]] Seq told_of(const Cell& counter, ReplicaId replica);

// The cell after a peer's state of it; likewise.
[[nodiscard]] Expected<std::optional<Cell>> after_join(const std::optional<Cell>& held, const Cell& other);

// False where after_op() of ops with so many bytes of payload in all cannot meet its kLimit. Looks at sizes only.
[[nodiscard]] bool may_outgrow(MergeKind kind, const std::optional<Cell>& held, std::size_t payload_bytes);

[[nodiscard]] inline MergeKind kind_of(const Cell& cell) {
  return cell.state.empty() ? MergeKind::kLastWrite : MergeKind{cell.state.front()};
}

// Whether some write that the cell still shows the effect of is beyond the frontier. It may be another than the
// greatest. kCorrupt: the state is broken.
[[nodiscard]] Expected<bool> has_write_beyond(const Cell& cell, const Frontier& frontier);

// The payload of the cell, from its state alone. kCorrupt: the state is not exactly what a node encodes.
[[nodiscard]] Expected<Bytes> shown_by(ByteView state);

struct CounterChange {
  Seq before = 0;
  Counter changed;
};
[[nodiscard]] Bytes encode_change(const CounterChange& change);
[[nodiscard]] Expected<CounterChange> decode_change(ByteView bytes);

}  // namespace hedgerow::sync
