// The chain: every op's hash covers its predecessor's, so a replica's history in a channel cannot be changed,
// reordered, cut in the middle or moved elsewhere without every later hash showing it. DESIGN 2; G5.
//
//   hash(op) = SHA-256(
//     version:u8                         1; 2 with behind_ms
//     channel_length:u8 channel          the channel's name
//     replica:u64 seq:u64
//     wall_ms:u64 counter:u16
//     [behind_ms:u64]                    only where the writer's clock stood behind wall_ms
//     flags:u8                           bit 0 record, 1 cell, 2-3 QoS, 4 synchronised clock, 5 begins a run, 6 expiry,
//                                        7 change
//     publisher:u64
//     expiry_s:u32                       0 without expiry
//     topic_length:u16 topic
//     properties_length:u16 properties
//     payload_length:u32 payload
//     [change_length:u32 change]         only where it has one
//     [run:u64]                          only where it begins one
//     predecessor:32                     hash of op seq - 1; zeros before the first
//   )
//
// It depends on nothing else: not on how ops are cut into segments, nor on arrival.
// Pure. Thread rule: one thread a Chain.
#pragma once

#include <string_view>

#include "sync/base/bytes.hpp"
#include "sync/base/hasher.hpp"
#include "sync/log/op.hpp"

namespace hedgerow::sync {

// Borrows the name.
struct ChainName {
  std::string_view channel;
  ReplicaId replica{};
};

class Chain {
 public:
  // The hasher must outlive it.
  explicit Chain(Hasher& hasher) : hasher_(hasher) {}

  // The hash of `op` as number `seq` of that chain, after `predecessor`. REQUIRES: check_op(op) (segment.hpp)
  [[nodiscard]] Hash256 next(const Hash256& predecessor, const ChainName& name, Seq seq, const Op& op);

  [[nodiscard]] Hasher& hasher() { return hasher_; }

 private:
  Hasher& hasher_;
  Bytes scratch_;  // reused, so that an op costs no allocation
};

}  // namespace hedgerow::sync
