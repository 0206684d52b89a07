#include "sync/engine/page.hpp"

#include <algorithm>
#include <gsl/assert>
#include <limits>

#include "sync/engine/merged_cell.hpp"
#include "sync/limits.hpp"
#include "sync/log/codec.hpp"

namespace hedgerow::sync {

namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kTagCell = 1;
constexpr std::uint8_t kTagSegment = 2;

tl::unexpected<Error> corrupt(std::size_t position, std::string what) {
  return fail(Category::kCorrupt, "page: near byte " + std::to_string(position) + ": " + std::move(what));
}

Expected<Cell> read_cell(Reader& in, std::string& topic) {
  const std::uint8_t flags = in.u8();
  Op op;
  op.kind = kind_of_flags(flags);
  Cell cell;
  cell.qos = op.kind.qos;
  cell.order.replica = ReplicaId{in.u64()};
  cell.order.seq = in.varint_up_to(kSeqMax);
  op.stamp.wall_ms = in.varint_up_to(kStampWallMsMax);
  op.stamp.counter = static_cast<std::uint16_t>(in.varint_up_to(std::numeric_limits<std::uint16_t>::max()));
  op.stamp.quality = quality_of_flags(flags);
  const bool is_behind = (flags & kFlagBehind) != 0U;
  op.kind.record = false;
  if (is_behind) op.stamp.behind_ms = in.varint_up_to(kStampWallMsMax);
  cell.order.stamp = op.stamp;
  cell.publisher = in.u64();
  const auto shared = static_cast<std::size_t>(in.varint_up_to(topic.size()));
  const ByteView suffix = in.sized(kTopicBytesMax);
  topic.resize(shared);
  topic.append(as_text(suffix));
  auto message = std::make_shared<Message>();
  message->topic = topic;
  const bool has_properties = (flags & kFlagProperties) != 0U;
  if (has_properties) message->properties = to_bytes(in.sized(kPropertiesBytesMax));
  if ((flags & kFlagExpiry) != 0U) {
    message->expiry_s = static_cast<std::uint32_t>(in.varint_up_to(std::numeric_limits<std::uint32_t>::max()));
  }
  const bool has_state = (flags & kFlagState) != 0U;
  if (has_state) {
    cell.state = to_bytes(in.sized(kCellStateBytesMax));
    auto payload = shown_by(cell.state);
    if (!payload) return corrupt(in.position(), "a cell: " + payload.error().what);
    message->payload = std::move(*payload);
  } else {
    message->payload = to_bytes(in.sized(kPayloadBytesMax));
  }
  const bool misplaced = !op.kind.cell || (is_behind && op.stamp.behind_ms == 0) ||
                         (has_state && message->expiry_s) || (has_properties && message->properties.empty());
  if (!in.ok() || misplaced || cell.order.replica == ReplicaId{} || cell.order.seq == 0) {
    return corrupt(in.position(), "a cell breaks the grammar");
  }
  op.message = message;
  if (const auto sound = check_op(op); !sound) return corrupt(in.position(), "a cell: " + sound.error().what);
  cell.message = std::move(message);
  return cell;
}

Expected<PageSegment> read_segment(Reader& in) {
  const ByteView bytes = in.sized(kSegmentBytesMax);
  if (!in.ok()) return corrupt(in.position(), "a segment is cut off or too long");
  auto segment = decode_segment(bytes);
  if (!segment) return corrupt(in.position(), std::move(segment.error().what));
  return PageSegment{.bytes = bytes, .segment = std::move(*segment)};
}

}  // namespace

Expected<std::optional<PageItem>> PageReader::next() {
  if (in_.position() == 0) {
    if (in_.left() > kPageBytesMax) return corrupt(0, "longer than " + std::to_string(kPageBytesMax) + " bytes");
    if (const std::uint8_t version = in_.u8(); version != kVersion) {
      return corrupt(0, "version " + std::to_string(version) + " is not known here, " + std::to_string(kVersion) +
                            " is: one of the two nodes needs an update");
    }
  }
  if (in_.at_end()) return std::nullopt;
  const std::uint8_t tag = in_.u8();
  if (tag == kTagCell) {
    auto cell = read_cell(in_, topic_);
    if (!cell) return tl::make_unexpected(std::move(cell.error()));
    return PageItem(std::move(*cell));
  }
  if (tag == kTagSegment) {
    auto segment = read_segment(in_);
    if (!segment) return tl::make_unexpected(std::move(segment.error()));
    return PageItem(std::move(*segment));
  }
  return corrupt(in_.position(), "an item of unknown kind " + std::to_string(tag));
}

PageBuilder::PageBuilder() { bytes_.push_back(kVersion); }

bool PageBuilder::add(const Cell& cell, std::size_t bytes_max) {
  const Message& message = *cell.message;
  const std::size_t size_before = bytes_.size();
  const std::string_view topic = message.topic;
  const auto end_of_shared = std::mismatch(topic.begin(), topic.end(), last_topic_.begin(), last_topic_.end()).first;
  const auto shared = static_cast<std::size_t>(end_of_shared - topic.begin());

  Writer out(bytes_);
  out.u8(kTagCell);
  const OpKind kind{.record = false, .cell = true, .qos = cell.qos};
  const bool is_behind = cell.order.stamp.behind_ms != 0;
  out.u8(static_cast<std::uint8_t>(op_flags(kind, cell.order.stamp.quality) | (is_behind ? kFlagBehind : 0U) |
                                   (message.properties.empty() ? 0U : kFlagProperties) |
                                   (message.expiry_s ? kFlagExpiry : 0U) | (cell.state.empty() ? 0U : kFlagState)));
  out.u64(static_cast<std::uint64_t>(cell.order.replica));
  out.varint(cell.order.seq);
  out.varint(cell.order.stamp.wall_ms);
  out.varint(cell.order.stamp.counter);
  if (is_behind) out.varint(cell.order.stamp.behind_ms);
  out.u64(cell.publisher);
  out.varint(shared);
  out.sized(topic.substr(shared));
  if (!message.properties.empty()) out.sized(message.properties);
  if (message.expiry_s) out.varint(*message.expiry_s);
  out.sized(cell.state.empty() ? message.payload : cell.state);

  if (bytes_.size() > bytes_max && items_ > 0) {
    bytes_.resize(size_before);
    return false;
  }
  last_topic_ = message.topic;
  ++items_;
  return true;
}

void PageBuilder::add(ByteView segment) {
  Expects(bytes_.size() + kSegmentOverheadMax + segment.size() <= kPageBytesMax);
  Writer out(bytes_);
  out.u8(kTagSegment);
  out.sized(segment);
  ++items_;
}

}  // namespace hedgerow::sync
