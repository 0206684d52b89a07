#include "sync/link/frontier_compare.hpp"

#include <algorithm>

#include "sync/limits.hpp"

namespace hedgerow::sync {
namespace {

// The finishing step of SplitMix64.
std::uint64_t mixed(std::uint64_t value) {
  value = (value ^ (value >> 30U)) * 0xBF58476D1CE4E5B9U;
  value = (value ^ (value >> 27U)) * 0x94D049BB133111EBU;
  return value ^ (value >> 31U);
}

std::uint64_t digest_of(const CheckedMark& mark) {
  return mixed(mixed(mixed(static_cast<std::uint64_t>(mark.replica)) + mark.seq) + mark.check + 1);
}

std::span<const CheckedMark> within(std::span<const CheckedMark> marks, const ReplicaRange& range) {
  const auto number = [](const CheckedMark& mark) { return static_cast<std::uint64_t>(mark.replica); };
  const auto first = std::partition_point(marks.begin(), marks.end(),
                                          [&](const CheckedMark& mark) { return number(mark) < range.first; });
  const auto last =
      std::partition_point(first, marks.end(), [&](const CheckedMark& mark) { return number(mark) <= range.last; });
  return marks.subspan(static_cast<std::size_t>(first - marks.begin()), static_cast<std::size_t>(last - first));
}

std::uint64_t sum_of(std::span<const CheckedMark> marks) {
  std::uint64_t sum = 0;
  for (const CheckedMark& mark : marks) sum += digest_of(mark);
  return sum;
}

// Neighbours of one kind, but for questions, become one.
void add(std::vector<RangeClaim>& claims, const RangeClaim& claim) {
  const bool goes_on = !claims.empty() && claim.kind != RangeClaim::Kind::kAsk && claims.back().kind == claim.kind &&
                       claims.back().range.last + 1 == claim.range.first;
  if (!goes_on) return claims.push_back(claim);
  claims.back().range.last = claim.range.last;
  claims.back().digest += claim.digest;
}

// Asks about parts with about equally many marks, which together are all of the range.
void divide(std::span<const CheckedMark> marks, const ReplicaRange& range, std::vector<RangeClaim>& claims) {
  std::uint64_t first = range.first;
  for (std::size_t part = 0; part < kRangeParts; ++part) {
    const std::size_t begin = part * marks.size() / kRangeParts;
    const std::size_t next = (part + 1) * marks.size() / kRangeParts;
    const std::uint64_t last =
        part + 1 == kRangeParts ? range.last : static_cast<std::uint64_t>(marks[next].replica) - 1;
    claims.push_back({.kind = RangeClaim::Kind::kAsk,
                      .range = {.first = first, .last = last},
                      .digest = sum_of(marks.subspan(begin, next - begin))});
    first = last + 1;
  }
}

}  // namespace

std::uint64_t digest_of(std::span<const CheckedMark> marks, const ReplicaRange& range) {
  return sum_of(within(marks, range));
}

Comparison compare_frontier(std::span<const CheckedMark> marks, std::span<const RangeClaim> claims) {
  Comparison out;
  for (const RangeClaim& claim : claims) {
    if (out.claims.size() + kRangeParts > kRangeClaimsMax) break;
    const auto held = within(marks, claim.range);
    const bool tells = claim.kind != RangeClaim::Kind::kTell;
    const std::uint64_t digest = tells ? sum_of(held) : 0;
    if (tells && digest == claim.digest) {
      for (const CheckedMark& mark : held) out.agreed.push_back({.replica = mark.replica, .seq = mark.seq});
      if (claim.kind == RangeClaim::Kind::kAsk) {
        add(out.claims, {.kind = RangeClaim::Kind::kSame, .range = claim.range, .digest = digest});
      }
    } else if (tells && held.size() > kToldAtOnceMax) {
      divide(held, claim.range, out.claims);  // what was the same may have moved meanwhile
    } else {
      out.told.insert(out.told.end(), held.begin(), held.end());
      if (tells) add(out.claims, {.kind = RangeClaim::Kind::kTell, .range = claim.range});
    }
  }
  return out;
}

}  // namespace hedgerow::sync
