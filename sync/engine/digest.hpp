// The digest of a channel: two nodes with equal frontiers print the same one (G3).
//
//   digest = SHA-256( "hedgerow channel digest 1" cell* zero:u8 replica* )
//   cell   = one:u8 topic_length:u32 topic wall_ms:u64 counter:u16 replica:u64 seq:u64 qos:u8 publisher:u64
//            expiry_s:u64 properties_length:u32 properties payload_length:u32 payload
//            in byte order of the topics, without tombstones; expiry_s is 2^64 - 1 without expiry
//   replica = replica:u64 seq:u64 head:32
//            in order of the replicas, without those at 0; head is zeros where branches part from it there, or where
//            nothing of a branch is held yet: who trimmed more does not know it
//
// Records enter by the head of their replica's chain, which covers every op up to the frontier. So keep, which trims
// differently on every node, does not change the digest, nor does the order of arrival. Tombstones are left out since
// nodes may drop them at different times. Pure over the port, streaming: memory is bounded by one batch. Thread rule:
// free function; one thread a view and hasher.
#pragma once

#include <string_view>

#include "sync/base/expected.hpp"
#include "sync/base/hasher.hpp"
#include "sync/engine/storage.hpp"

namespace hedgerow::sync {

enum class DigestCheck : std::uint8_t {
  kHeads,    // takes the stored heads for the records: reads the cells only
  kRecords,  // also reads every record in the log and recomputes the chains: the same digest, or kCorrupt with the
             // place
};

[[nodiscard]] Expected<Hash256> channel_digest(ReadView& view, Hasher& hasher, ChannelNo channel,
                                               std::string_view channel_name, DigestCheck check);

}  // namespace hedgerow::sync
