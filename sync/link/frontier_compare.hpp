// Comparing two frontiers by digest (DESIGN 5): two nodes that hold the same find that out in tens of bytes, however
// many replicas have written; two that differ in a few marks find these by dividing the ranges that differ.
//
// Each asks the other about all of it, by one digest. Of a range that is asked about, the other answers "the same";
// or, where it holds few marks there, tells them and asks to be told; or divides it by what it holds, and asks about
// each part. So every answer speaks of smaller parts, until all is known on both sides.
//
// Pure functions. Thread rule: plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "sync/log/frontier.hpp"

namespace hedgerow::sync {

// A mark of a frontier, and how the chain's hash begins there; 0: unknown. As in an announcement.
struct CheckedMark {
  ReplicaId replica{};
  Seq seq = 0;
  std::uint16_t check = 0;
};

// Replicas by their numbers, both ends included.
struct ReplicaRange {
  std::uint64_t first = 0;
  std::uint64_t last = std::numeric_limits<std::uint64_t>::max();
  bool operator==(const ReplicaRange&) const = default;
};

struct RangeClaim {
  enum class Kind : std::uint8_t {
    kAsk = 0,   // my marks there have this digest: what do yours say?
    kSame = 1,  // mine have the one that you asked about
    kTell = 2,  // there I told you mine: tell me yours
  };
  Kind kind = Kind::kAsk;
  ReplicaRange range;
  std::uint64_t digest = 0;  // 0 for kTell
  bool operator==(const RangeClaim&) const = default;
};

// Up to so many marks it is cheaper to tell them than to ask.
inline constexpr std::size_t kToldAtOnceMax = 16;
// Into so many parts a range is divided.
inline constexpr std::size_t kRangeParts = 16;

// Of the marks in the range: their sum as random numbers. It tells apart what differs by chance, not what a peer
// forges, which could as well announce what it likes.
[[nodiscard]] std::uint64_t digest_of(std::span<const CheckedMark> marks, const ReplicaRange& range = {});

struct Comparison {
  Frontier agreed;                // marks that the peer holds just so
  std::vector<CheckedMark> told;  // marks that it is to be told
  // What it is to be answered: at most kRangeClaimsMax, ordered, none overlaps. What is left out for that is asked
  // about again.
  std::vector<RangeClaim> claims;
};

// REQUIRES: marks ordered by replica; the claims ordered, and no two ranges overlap.
[[nodiscard]] Comparison compare_frontier(std::span<const CheckedMark> marks, std::span<const RangeClaim> claims);

}  // namespace hedgerow::sync
