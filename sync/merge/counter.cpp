// The state of a counter as bytes, on disk and on the wire:
//
//   counter = version:u8=1 count:varint part{count}                       ascending by replica
//   part    = replica:u64 life:varint later:varint total:zigzag base
//               the last op is life + later
//   base    = kind:u8=0                                                   none
//           | kind:u8=1                                                   as the last op left it: all is hidden
//           | kind:u8=2 later:varint total:zigzag                         as op life + later left it; another
//   zigzag  = varint: 0, -1, 1, -2 … as 0, 1, 2, 3 …
//
// Integers as in sync/log/codec.hpp; replica and life are not 0, and no op's number is beyond kSeqMax.
#include "sync/merge/counter.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <string>
#include <system_error>
#include <utility>

#include "sync/log/codec.hpp"
#include "sync/merge/limits.hpp"

namespace hedgerow::sync {

namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kNoBase = 0;
constexpr std::uint8_t kBaseIsNow = 1;
constexpr std::uint8_t kBaseIsEarlier = 2;
constexpr std::size_t kPartBytesMin = 12;

std::uint64_t to_zigzag(std::int64_t value) {
  const auto bits = static_cast<std::uint64_t>(value) << 1U;
  return value < 0 ? ~bits : bits;
}

std::int64_t from_zigzag(std::uint64_t code) {
  const std::uint64_t bits = code >> 1U;
  return static_cast<std::int64_t>((code & 1U) != 0 ? ~bits : bits);
}

// The sum of many 64-bit integers: 128 bits in two's complement, since boards of 32 bits have no such type.
class WideSum {
 public:
  void add(std::int64_t value) { add(static_cast<std::uint64_t>(value), value < 0 ? ~std::uint64_t{0} : 0); }
  void subtract(std::int64_t value) {
    // -value: all bits turned, plus one.
    add(~static_cast<std::uint64_t>(value), value < 0 ? 0 : ~std::uint64_t{0});
    add(1, 0);
  }

  [[nodiscard]] std::string to_decimal() const {
    const bool is_negative = (high_ >> 63U) != 0;
    const std::uint64_t high = is_negative ? ~high_ + (low_ == 0 ? 1U : 0U) : high_;
    const std::uint64_t low = is_negative ? ~low_ + 1U : low_;
    constexpr std::uint64_t kHalf = 0xFFFF'FFFFU;
    std::array<std::uint64_t, 4> digits = {high >> 32U, high & kHalf, low >> 32U, low & kHalf};  // base 2^32
    std::string reversed;
    do {
      std::uint64_t remainder = 0;
      for (std::uint64_t& digit : digits) {
        const std::uint64_t dividend = (remainder << 32U) | digit;
        digit = dividend / 10U;
        remainder = dividend % 10U;
      }
      reversed += static_cast<char>('0' + remainder);
    } while (digits != std::array<std::uint64_t, 4>{});
    if (is_negative) reversed += '-';
    return {reversed.rbegin(), reversed.rend()};
  }

 private:
  void add(std::uint64_t low, std::uint64_t high) {
    low_ += low;
    high_ += high + (low_ < low ? 1U : 0U);
  }

  std::uint64_t low_ = 0;
  std::uint64_t high_ = 0;
};

std::optional<std::int64_t> sum_of(std::int64_t a, std::int64_t b) {
  using Range = std::numeric_limits<std::int64_t>;
  if (b > 0 ? a > Range::max() - b : a < Range::min() - b) return std::nullopt;
  return a + b;
}

}  // namespace

Expected<std::int64_t> parse_increment(ByteView payload) {
  std::string_view digits = as_text(payload);
  const bool has_plus = digits.starts_with('+');
  if (has_plus) digits.remove_prefix(1);
  std::int64_t amount = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), amount);
  if (error == std::errc::result_out_of_range) {
    return fail(Category::kInvalidInput, "an increment lies within the signed 64-bit integers: use a larger unit");
  }
  if (error != std::errc{} || end != digits.data() + digits.size() || (has_plus && digits.starts_with('-'))) {
    return fail(Category::kInvalidInput, "an increment is a decimal integer such as 1 or -25, and nothing else");
  }
  return amount;
}

Counter::Part* Counter::find(ReplicaId replica) {
  const auto found = std::lower_bound(parts_.begin(), parts_.end(), replica,
                                      [](const Part& part, ReplicaId wanted) { return part.replica < wanted; });
  return found != parts_.end() && found->replica == replica ? &*found : nullptr;
}

Expected<Counter::Part> Counter::part_for(ReplicaId self, Seq seq) {
  if (const Part* const known = find(self)) {
    if (known->now.seq < seq) return *known;
    return fail(Category::kCorrupt, "the counter holds op " + std::to_string(known->now.seq) +
                                        " of this replica, which has not written it: this database is a copy, or was "
                                        "restored; start it as a new replica");
  }
  if (parts_.size() >= kReplicasPerChannelMax) {
    return fail(Category::kLimit, "the counter has parts of " + std::to_string(kReplicasPerChannelMax) +
                                      " replicas, which is the bound: go on in another topic");
  }
  return Part{.replica = self, .life = seq, .now = {}, .base = {}};
}

void Counter::put(const Part& part) {
  if (Part* const known = find(part.replica)) {
    *known = part;
    return;
  }
  const auto behind =
      std::find_if(parts_.begin(), parts_.end(), [&](const Part& other) { return other.replica > part.replica; });
  parts_.insert(behind, part);
}

Expected<Counter> Counter::add(std::int64_t amount, ReplicaId self, Seq seq) {
  Expected<Part> part = part_for(self, seq);
  if (!part) return tl::make_unexpected(std::move(part.error()));
  const std::optional<std::int64_t> total = sum_of(part->now.total, amount);
  if (!total) {
    return fail(Category::kLimit,
                "this node's running total would leave the signed 64-bit integers: go on in another "
                "topic, in a larger unit");
  }
  part->now = {.seq = seq, .total = *total};
  put(*part);
  Counter changed;
  changed.parts_.push_back(*part);
  return changed;
}

Expected<Counter> Counter::reset(ReplicaId self, Seq seq) {
  Expected<Part> part = part_for(self, seq);
  if (!part) return tl::make_unexpected(std::move(part.error()));
  part->now.seq = seq;
  put(*part);
  for (Part& each : parts_) each.base = each.now;
  return *this;
}

Counter::Part Counter::joined(const Part& a, const Part& b) {
  if (a.life != b.life) return a.life > b.life ? a : b;
  Part both = a;
  both.now = std::max(a.now, b.now);
  both.base = std::max(a.base, b.base);
  return both;
}

Expected<bool> Counter::join(const Counter& other) {
  Counter both;
  both.parts_.reserve(std::max(parts_.size(), other.parts_.size()));
  auto left = parts_.begin();
  auto right = other.parts_.begin();
  while (left != parts_.end() || right != other.parts_.end()) {
    if (right == other.parts_.end() || (left != parts_.end() && left->replica < right->replica)) {
      both.parts_.push_back(*left++);
    } else if (left == parts_.end() || right->replica < left->replica) {
      both.parts_.push_back(*right++);
    } else {
      both.parts_.push_back(joined(*left++, *right++));
    }
  }
  if (both == *this) return false;
  if (both.parts_.size() > kReplicasPerChannelMax) {
    return fail(Category::kLimit, "the counter would have parts of more than " +
                                      std::to_string(kReplicasPerChannelMax) + " replicas, which is the bound");
  }
  *this = std::move(both);
  return true;
}

bool Counter::is_visible() const {
  return std::any_of(parts_.begin(), parts_.end(), [](const Part& part) { return !part.is_hidden(); });
}

Bytes Counter::render() const {
  if (!is_visible()) return {};
  WideSum sum;
  for (const Part& part : parts_) {
    sum.add(part.now.total);
    if (part.base) sum.subtract(part.base->total);
  }
  return to_bytes(sum.to_decimal());
}

std::vector<Counter::LastOp> Counter::writes() const {
  std::vector<LastOp> out;
  out.reserve(parts_.size());
  for (const Part& part : parts_) out.push_back({.replica = part.replica, .seq = part.now.seq});
  return out;
}

Bytes Counter::encode() const {
  Bytes bytes;
  Writer out(bytes);
  out.u8(kVersion);
  out.varint(parts_.size());
  for (const Part& part : parts_) {
    out.u64(static_cast<std::uint64_t>(part.replica));
    out.varint(part.life);
    out.varint(part.now.seq - part.life);
    out.varint(to_zigzag(part.now.total));
    if (!part.base || *part.base == part.now) {
      out.u8(part.base ? kBaseIsNow : kNoBase);
      continue;
    }
    out.u8(kBaseIsEarlier);
    out.varint(part.base->seq - part.life);
    out.varint(to_zigzag(part.base->total));
  }
  return bytes;
}

Expected<Counter> Counter::decode(ByteView bytes) {
  const auto corrupt = [](const std::string& what) {
    return fail(Category::kCorrupt, "counter: " + what + "; it is not what a node encodes");
  };
  Reader in(bytes);
  if (in.u8() != kVersion) return corrupt("an unknown version");
  const std::uint64_t count = in.varint_up_to(std::min(kReplicasPerChannelMax, in.left() / kPartBytesMin));
  Counter counter;
  counter.parts_.reserve(static_cast<std::size_t>(count));
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    Part part;
    part.replica = ReplicaId{in.u64()};
    part.life = in.varint_up_to(kSeqMax);
    if (part.replica <= (counter.parts_.empty() ? ReplicaId{} : counter.parts_.back().replica)) in.reject();
    if (part.life == 0) in.reject();
    part.now.seq = part.life + in.varint_up_to(kSeqMax - part.life);
    part.now.total = from_zigzag(in.varint());
    const std::uint8_t kind = in.u8();
    if (kind > kBaseIsEarlier) in.reject();
    if (kind == kBaseIsNow) part.base = part.now;
    if (kind == kBaseIsEarlier && in.ok()) {
      part.base = Count{.seq = part.life + in.varint_up_to(part.now.seq - part.life)};
      part.base->total = from_zigzag(in.varint());
      if (*part.base == part.now) in.reject();
    }
    counter.parts_.push_back(part);
  }
  if (!in.at_end()) return corrupt("broken at byte " + std::to_string(in.position()));
  return counter;
}

}  // namespace hedgerow::sync
