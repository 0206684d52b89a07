#include "sync/log/chain.hpp"

#include <gsl/assert>

#include "sync/limits.hpp"
#include "sync/log/codec.hpp"
#include "sync/log/segment.hpp"

namespace hedgerow::sync {

namespace {
constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kVersionBehind = 2;
}  // namespace

Hash256 Chain::next(const Hash256& predecessor, const ChainName& name, Seq seq, const Op& op) {
  Expects(name.channel.size() <= kChannelNameBytesMax);
  const Message& message = *op.message;
  const bool expires = message.expiry_s.has_value();
  scratch_.clear();
  Writer out(scratch_);
  const bool is_behind = op.stamp.behind_ms != 0;
  out.u8(is_behind ? kVersionBehind : kVersion);
  out.u8(static_cast<std::uint8_t>(name.channel.size()));
  out.raw(name.channel);
  out.u64(static_cast<std::uint64_t>(name.replica));
  out.u64(seq);
  out.u64(op.stamp.wall_ms);
  out.u16(op.stamp.counter);
  if (is_behind) out.u64(op.stamp.behind_ms);
  out.u8(static_cast<std::uint8_t>(op_flags(op.kind, op.stamp.quality) | (expires ? kFlagExpiry : 0U) |
                                   (op.run != 0 ? kFlagBeginsRun : 0U) | (op.change.empty() ? 0U : kFlagChange)));
  out.u64(op.publisher);
  out.u32(message.expiry_s.value_or(0));
  out.u16(static_cast<std::uint16_t>(message.topic.size()));
  out.raw(message.topic);
  out.u16(static_cast<std::uint16_t>(message.properties.size()));
  out.raw(message.properties);
  out.u32(static_cast<std::uint32_t>(message.payload.size()));
  out.raw(message.payload);
  if (!op.change.empty()) {
    out.u32(static_cast<std::uint32_t>(op.change.size()));
    out.raw(op.change);
  }
  if (op.run != 0) out.u64(op.run);
  out.raw(predecessor);
  hasher_.update(scratch_);
  return hasher_.finish();
}

}  // namespace hedgerow::sync
