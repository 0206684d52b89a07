#include "sync/engine/merged_cell.hpp"

#include <algorithm>
#include <gsl/assert>
#include <string>
#include <utility>

#include "sync/limits.hpp"
#include "sync/log/codec.hpp"
#include "sync/merge/document.hpp"

namespace hedgerow::sync {

namespace {

tl::unexpected<Error> broken_state() {
  return fail(Category::kCorrupt, "a retained message whose state is of no kind that is known here");
}

ByteView body_of(ByteView state) { return state.subspan(1); }

Bytes with_kind(MergeKind kind, Bytes body) {
  body.insert(body.begin(), static_cast<std::uint8_t>(kind));
  return body;
}

// The state of a cell that is held; nothing was written yet where there is none.
template <class Merge>
Expected<Merge> load(MergeKind kind, const std::optional<Cell>& held) {
  if (!held) return Merge{};
  if (kind_of(*held) != kind) return broken_state();
  return Merge::decode(body_of(held->state));
}

Seq last_of(const Counter& counter, ReplicaId replica) { return seq_in(counter.writes(), replica); }

// `newest` names the greater of the writes that `held` and the newcomer brought.
template <class Merge>
Cell shown(MergeKind kind, const Merge& merge, const Cell& newest) {
  auto message = std::make_shared<Message>();
  message->topic = newest.message->topic;
  message->properties = newest.message->properties;
  message->payload = merge.render();
  return {.order = newest.order,
          .qos = newest.qos,
          .publisher = newest.publisher,
          .message = std::move(message),
          .state = with_kind(kind, merge.encode())};
}

Cell cell_of(const WriteOrder& order, const Op& op) {
  return {.order = order, .qos = op.kind.qos, .publisher = op.publisher, .message = op.message};
}

const Cell& newest_of(const std::optional<Cell>& held, const Cell& other) {
  return held && held->order > other.order ? *held : other;
}

template <class Merge>
Expected<std::optional<Cell>> joined(MergeKind kind, const std::optional<Cell>& held, const Merge& brought,
                                     const Cell& newcomer) {
  auto merge = load<Merge>(kind, held);
  if (!merge) return tl::make_unexpected(std::move(merge.error()));
  const auto changed = merge->join(brought);
  Ensures(!changed || *changed || held);  // whatever was brought, it is more than nothing
  if (!changed) {
    return fail(changed.error().category, "topic \"" + newcomer.message->topic + "\": " + changed.error().what);
  }
  // A counter may know of an op by a later one of another replica, which need not be of a greater stamp (a will).
  if (!*changed && held->order >= newcomer.order) return std::nullopt;
  return shown(kind, *merge, newest_of(held, newcomer));
}

}  // namespace

Expected<void> prepare_write(MergeKind kind, const std::optional<Cell>& held, ReplicaId self, Seq seq, Op& op) {
  Expects(op.kind.cell && kind != MergeKind::kLastWrite);
  if (op.message->expiry_s) {
    return fail(Category::kNotInVersion, "retained messages of a channel that merges do not expire: publish this one " +
                                             std::string("without a Message Expiry Interval"));
  }
  const ByteView payload = op.message->payload;
  if (kind == MergeKind::kDocument) {
    auto document = load<Document>(kind, held);
    if (!document) return tl::make_unexpected(std::move(document.error()));
    const auto published = document->publish(payload, {.stamp = op.stamp, .replica = self, .seq = seq});
    return published ? Expected<void>{} : tl::make_unexpected(published.error());
  }
  auto counter = load<Counter>(kind, held);
  if (!counter) return tl::make_unexpected(std::move(counter.error()));
  const Seq before = last_of(*counter, self);
  auto changed = [&]() -> Expected<Counter> {
    if (payload.empty()) return counter->reset(self, seq);
    const auto amount = parse_increment(payload);
    if (!amount) return tl::make_unexpected(amount.error());
    return counter->add(*amount, self, seq);
  }();
  if (!changed) return tl::make_unexpected(std::move(changed.error()));
  op.change = encode_change({.before = before, .changed = std::move(*changed)});
  return {};
}

Expected<std::optional<Cell>> after_op(MergeKind kind, const std::optional<Cell>& held, const WriteOrder& order,
                                       ReplicaId root, const Op& op) {
  Expects(op.kind.cell && kind != MergeKind::kLastWrite);
  const Cell newcomer = cell_of(order, op);
  if (kind == MergeKind::kDocument) {
    const auto patch = Document::from_patch(op.message->payload, order);
    if (!patch) return std::nullopt;
    return joined(kind, held, *patch, newcomer);
  }
  const auto change = decode_change(op.change);
  if (!change || last_of(change->changed, root) != order.seq) return std::nullopt;
  return joined(kind, held, change->changed, newcomer);
}

Seq told_of(const Op& op, ReplicaId replica) {
  if (op.change.empty()) return 0;
  const auto change = decode_change(op.change);
  return change ? last_of(change->changed, replica) : 0;
}

Seq told_of(const Cell& counter, ReplicaId replica) {
  const auto brought = Counter::decode(body_of(counter.state));
  return brought ? last_of(*brought, replica) : 0;
}

Expected<std::optional<Cell>> after_join(const std::optional<Cell>& held, const Cell& other) {
  switch (const MergeKind kind = kind_of(other)) {
    case MergeKind::kLastWrite: break;
    case MergeKind::kDocument: {
      const auto brought = Document::decode(body_of(other.state));
      if (!brought) return tl::make_unexpected(brought.error());
      return joined(kind, held, *brought, other);
    }
    case MergeKind::kCounter: {
      const auto brought = Counter::decode(body_of(other.state));
      if (!brought) return tl::make_unexpected(brought.error());
      return joined(kind, held, *brought, other);
    }
  }
  return broken_state();
}

// A place takes at least three bytes of a state, and of a patch at least four.
bool may_outgrow(MergeKind kind, const std::optional<Cell>& held, std::size_t payload_bytes) {
  if (kind != MergeKind::kDocument) return false;  // a counter has no more parts than the channel has replicas
  constexpr std::size_t kGrowthMax = kDocumentPlaceBytes / 3 + 2;
  const std::size_t bytes = (held ? held->state.size() : 0) + payload_bytes;
  return bytes > (kDocumentBytesMax - kDocumentPlaceBytes) / kGrowthMax;
}

Expected<bool> has_write_beyond(const Cell& cell, const Frontier& frontier) {
  const auto any_beyond = [&frontier](const auto& writes) {
    return std::any_of(writes.begin(), writes.end(),
                       [&](const auto& write) { return write.seq > seq_in(frontier, write.replica); });
  };
  switch (kind_of(cell)) {
    case MergeKind::kLastWrite: return cell.order.seq > seq_in(frontier, cell.order.replica);
    case MergeKind::kDocument: {
      const auto document = Document::decode(body_of(cell.state));
      if (!document) return tl::make_unexpected(document.error());
      return any_beyond(document->writes());
    }
    case MergeKind::kCounter: {
      const auto counter = Counter::decode(body_of(cell.state));
      if (!counter) return tl::make_unexpected(counter.error());
      return any_beyond(counter->writes());
    }
  }
  return broken_state();
}

Expected<Bytes> shown_by(ByteView state) {
  if (state.empty()) return broken_state();
  switch (MergeKind{state.front()}) {
    case MergeKind::kLastWrite: break;
    case MergeKind::kDocument: {
      const auto document = Document::decode(body_of(state));
      if (!document) return tl::make_unexpected(document.error());
      return document->render();
    }
    case MergeKind::kCounter: {
      const auto counter = Counter::decode(body_of(state));
      if (!counter) return tl::make_unexpected(counter.error());
      return counter->render();
    }
  }
  return broken_state();
}

Bytes encode_change(const CounterChange& change) {
  Bytes bytes;
  Writer out(bytes);
  out.varint(change.before);
  out.raw(change.changed.encode());
  return bytes;
}

Expected<CounterChange> decode_change(ByteView bytes) {
  Reader in(bytes);
  CounterChange change;
  change.before = in.varint_up_to(kSeqMax);
  auto changed = Counter::decode(in.raw(in.left()));
  if (!in.ok()) return fail(Category::kCorrupt, "a counter's change is cut off");
  if (!changed) return tl::make_unexpected(std::move(changed.error()));
  change.changed = std::move(*changed);
  return change;
}

}  // namespace hedgerow::sync
