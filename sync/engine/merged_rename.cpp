#include "sync/engine/merged_rename.hpp"

#include <utility>

#include "sync/engine/merged_cell.hpp"

namespace hedgerow::sync {

Expected<void> MergedRename::rename(Segment& segment) {
  if (kind_ != MergeKind::kCounter) return {};
  for (std::size_t i = 0; i < segment.ops.size(); ++i) {
    Op& op = segment.ops[i];
    const Seq seq = segment.header.first_seq + i;
    if (op.change.empty() || seq <= names_.after) continue;
    auto change = decode_change(op.change);
    if (!change) return tl::make_unexpected(std::move(change.error()));
    CounterRename::Write write{.seq = seq, .before = change->before, .is_reset = op.message->payload.empty()};
    if (!write.is_reset) {
      const auto amount = parse_increment(op.message->payload);
      if (!amount) return tl::make_unexpected(amount.error());
      write.amount = *amount;
    }
    const CounterRename fresh({.from = names_.from, .after = names_.after, .to = names_.to});
    auto renamed = counters_.try_emplace(op.message->topic, fresh).first->second.rename(write, change->changed);
    if (!renamed) return tl::make_unexpected(std::move(renamed.error()));
    const Seq before = change->before > names_.after ? change->before - names_.after : 0;
    op.change = encode_change({.before = before, .changed = std::move(*renamed)});
  }
  return {};
}

Expected<Bytes> MergedRename::renamed(const Cell& cell) const {
  const ByteView body = ByteView(cell.state).subspan(1);
  Bytes out = {cell.state.front()};
  if (kind_ == MergeKind::kDocument) {
    auto document = Document::decode(body);
    if (!document) return tl::make_unexpected(std::move(document.error()));
    document->rename(names_);
    append(out, document->encode());
    return out;
  }
  const auto counter = Counter::decode(body);
  if (!counter) return tl::make_unexpected(counter.error());
  const auto rename = counters_.find(cell.message->topic);
  append(out, (rename == counters_.end() ? *counter : rename->second.rename(*counter)).encode());
  return out;
}

Expected<void> MergedRename::rename_cells(Storage& storage, ChannelState& channel) const {
  if (kind_ == MergeKind::kLastWrite) return {};
  std::string after;
  while (true) {
    auto cell = storage.cell_behind(channel.number, after);
    if (!cell) return tl::make_unexpected(std::move(cell.error()));
    if (!*cell) return {};
    after = (*cell)->message->topic;
    auto state = renamed(**cell);
    if (!state) return tl::make_unexpected(std::move(state.error()));
    if (*state == (*cell)->state) continue;
    (*cell)->state = std::move(*state);
    auto payload = shown_by((*cell)->state);
    if (!payload) return tl::make_unexpected(std::move(payload.error()));
    if (!(*cell)->is_tombstone()) --channel.live_cells;
    auto message = std::make_shared<Message>(*(*cell)->message);
    message->payload = std::move(*payload);
    (*cell)->message = std::move(message);
    if (!(*cell)->is_tombstone()) ++channel.live_cells;
    if (auto put = storage.put_cell(channel.number, **cell); !put) return put;
  }
}

}  // namespace hedgerow::sync
