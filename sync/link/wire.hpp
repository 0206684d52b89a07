// What two nodes say to each other on a link: the messages, their bytes, and the bounded decoder. DESIGN 5.
//
// Thread rule: plain values and pure functions. Ownership: a decoded message borrows (ByteView) from the bytes that it
// was decoded from.
//
//   message    := version:u8 type:u8 body          a body ends where the message ends
//   number     := varint of sync/log/codec.hpp; u64 likewise
//   text       := length:number bytes              mesh, node, software, channel names, topics: UTF-8
//
//   1 hello    := mesh:text node:text replica:u64 incarnation:u64 software:text
//                 count:number { name:text merge:u8 filter:text }*count
//                 The channels that the sender replicates: merge as MergeKind, filter as its configuration has it
//                 (empty where it has none). In every later message of this sender on this link, `channel` is a
//                 position in that list, from 0.
//   2 frontier := channel:number flags:u8 marks [{ check:u16 }*marks]
//                 An announcement. Flag 1: answer with yours; flag 2: checks follow.
//                 check: how the chain's hash at that number begins, or 0: unknown
//   3 push     := channel:number segment           a segment as stored, grammar in sync/log/segment.hpp
//   4 pull     := channel:number id:number window:number token:text marks
//   5 range    := channel:number id:number more:u8 unpacked:number (segments | frame:text)
//   6 page     := channel:number id:number page_no:number unpacked:number page:text next_token:text states
//                 The last page has an empty token, and only it has states.
//                 `unpacked` is 0; or the frame, likewise the page, is a zstd frame (RFC 8878) of so many bytes, those
//                 of `segments`, likewise of the page.
//   7 restart  := channel:number id:number         the log lost what the token relies on: ask anew without one
//   8 live     := origin:u64 counter:number flags:u8 [expiry_s:number] topic:text properties:text payload
//                 flag 1: retain, flag 2: expiry_s is there
//   9 describe := channel:number id:number states  instead of 5 to 7: the requester lacks the name of a branch (forks)
//
//  10 compare  := channel:number count:number { kind:u8 first:u64 last:u64 [digest:u64] }*count
//                 Instead of 2 where there are many marks: sync/link/frontier_compare.hpp. Kinds: 0 ask, 1 same, 2
//                 tell, which has no digest. Ranges of replicas, ascending; none overlaps.
//  11 tree     := channel:number what:u8 marks
//                 What 0: prune, others bring these replicas, announce them only; 1: graft, push them again. At least
//                 one mark: how far the sender holds the replica, or has it in its hands.
//
//   segments   := count:number { segment:text }*count
//   marks      := count:number { replica:u64 seq:number }*count                          ascending by replica
//   states     := count:number { replica:u64 seq:number head:32 trimmed:number lineage:text }*count   likewise;
//                 lineage: empty, or as in sync/log/lineage_codec.hpp
//
// Hello is the first message of each side. A peer of another version is refused by its first byte: version and type
// keep their places for ever.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "sync/base/bytes.hpp"
#include "sync/base/expected.hpp"
#include "sync/engine/pull.hpp"
#include "sync/link/frontier_compare.hpp"
#include "sync/log/op.hpp"
#include "sync/merge/merge_kind.hpp"

namespace hedgerow::sync::wire {

// 2: frontiers have checks, states of replicas lineages, describe. 3: compare, tree
inline constexpr std::uint8_t kVersion = 3;

enum class Type : std::uint8_t {
  kHello = 1,
  kFrontier = 2,
  kPush = 3,
  kPull = 4,
  kRange = 5,
  kPage = 6,
  kRestart = 7,
  kLive = 8,
  kDescribe = 9,
  kCompare = 10,
  kTree = 11,
};

// A channel's position in the sender's Hello.
using ChannelIndex = std::uint32_t;

// Names one pull on one link; an answer repeats it. Drawn by the puller, never reused within a process.
using PullId = std::uint64_t;

struct Hello {
  std::string mesh;
  std::string node;
  ReplicaId replica{};
  std::uint64_t incarnation = 0;  // drawn anew whenever the process starts: tells a restart, and ourselves
  std::string software;
  struct Channel {
    std::string name;
    MergeKind merge = MergeKind::kLastWrite;
    std::string filter = {};
  };
  std::vector<Channel> channels;
};

struct Announcement {
  ChannelIndex channel = 0;
  bool answer_wanted = false;
  Frontier marks;                          // what the receiver is told anew; marks left out stand as told before
  std::vector<std::uint16_t> checks = {};  // of the marks, each; or empty
};

struct Push {
  ChannelIndex channel = 0;
  ByteView segment;
};

struct Pull {
  ChannelIndex channel = 0;
  PullId id = 0;
  PullRequest request;
};

// Bulk that is sent compressed: see sync/link/packing.hpp. Empty: it is sent as it is.
struct Packed {
  ByteView bytes;
  std::size_t unpacked_bytes = 0;  // from 1
  [[nodiscard]] bool is_empty() const { return unpacked_bytes == 0; }
};

struct Range {
  ChannelIndex channel = 0;
  PullId id = 0;
  bool more = false;
  std::vector<ByteView> segments;
  Packed packed = {};  // instead of the segments: decode_segments() of what it is expanded into
};

struct Page {
  ChannelIndex channel = 0;
  PullId id = 0;
  std::uint64_t page_no = 0;
  ByteView page;
  Bytes next_token;                    // empty: this is the last
  std::vector<ReplicaState> frontier;  // with the last only
  Packed packed = {};                  // instead of the page
};

struct Restart {
  ChannelIndex channel = 0;
  PullId id = 0;
};

struct Live {
  std::uint64_t origin = 0;   // the incarnation of the node where it was published
  std::uint64_t counter = 0;  // that node's count of its live messages, from 1
  bool retain = false;
  MessagePtr message;
};

struct Describe {
  ChannelIndex channel = 0;
  PullId id = 0;
  std::vector<ReplicaState> states;
};

struct Compare {
  ChannelIndex channel = 0;
  std::vector<RangeClaim> claims;
};

struct Tree {
  enum class What : std::uint8_t { kPrune = 0, kGraft = 1 };
  ChannelIndex channel = 0;
  What what{};
  Frontier marks;  // at least one
};

// In the order of Type.
using AnyMessage = std::variant<Hello, Announcement, Push, Pull, Range, Page, Restart, Live, Describe, Compare, Tree>;

// REQUIRES: within the bounds of sync/limits.hpp.
[[nodiscard]] Bytes encode(const AnyMessage& message);

// kInvalidInput: the bytes break the grammar or a bound. kNotInVersion: the peer speaks another version. The sentence
// is fit to be the reason of a close. Views in the result end with `bytes`.
[[nodiscard]] Expected<AnyMessage> decode(ByteView bytes);

// What a Range compresses: `segments` of the grammar.
[[nodiscard]] Bytes encode_segments(const std::vector<ByteView>& segments);
// kInvalidInput as decode(). Views in the result end with `bytes`.
[[nodiscard]] Expected<std::vector<ByteView>> decode_segments(ByteView bytes);

}  // namespace hedgerow::sync::wire
