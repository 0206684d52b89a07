// The op: one write, named by (channel, replica, sequence number), and the words around it. DESIGN 2.
// Thread rule: plain values; a Message is immutable once shared.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "sync/base/bytes.hpp"
#include "sync/base/hasher.hpp"
#include "sync/base/time.hpp"

namespace hedgerow::sync {

// One life of one node's database: random, never 0.
enum class ReplicaId : std::uint64_t {};

// Contiguous per channel and replica; the first op is 1, 0 means "none".
using Seq = std::uint64_t;

// This node's own count of what it committed, over all channels, in order; the first is 1.
using Arrival = std::uint64_t;

// A channel's number in this node's database. Other nodes know the channel by its name.
enum class ChannelNo : std::uint32_t {};

// Hybrid logical time. Ordered by (wall_ms, counter): order comes from those two alone. The rest says when the op was
// written by its writer's own clock, which ages come from.
struct Stamp {
  std::uint64_t wall_ms = 0;
  std::uint16_t counter = 0;
  ClockQuality quality = ClockQuality::kUnsynchronised;
  // So far the writer's clock stood behind wall_ms, in milliseconds: its node had seen a stamp of a clock that was
  // ahead, and stamps after it until time has caught up. 0: less than kStampBehindMinMs, or a clock that nobody trusts.
  std::uint64_t behind_ms = 0;

  // When the op was written. REQUIRES: check_stamp() of sync/log/segment.hpp holds.
  [[nodiscard]] WallTime written() const { return {.unix_ms = wall_ms - behind_ms, .quality = quality}; }

  friend std::strong_ordering operator<=>(const Stamp& a, const Stamp& b) {
    if (const auto order = a.wall_ms <=> b.wall_ms; order != 0) return order;
    return a.counter <=> b.counter;
  }
  friend bool operator==(const Stamp& a, const Stamp& b) { return (a <=> b) == 0; }
};

// What an application published. Shared by the publish path, the store and every delivery; never copied.
struct Message {
  std::string topic;
  // The forwardable MQTT 5 properties as they stand on the wire, without their length: payload format, content type,
  // response topic, correlation data, user properties.
  Bytes properties;
  Bytes payload;
  std::optional<std::uint32_t> expiry_s;  // Message Expiry Interval, counted from the op's stamp
};
using MessagePtr = std::shared_ptr<const Message>;

// What the op does. At least one of record and cell is set.
struct OpKind {
  bool record = false;   // a message in the log, delivered to sessions
  bool cell = false;     // sets the topic's retained message; an empty payload deletes it
  std::uint8_t qos = 0;  // of the publish: 0 (cell only) to 2
  bool operator==(const OpKind&) const = default;
};

struct Op {
  Stamp stamp;
  OpKind kind;
  // Names the publishing session on its own node, so that No Local holds for what is read back from disk; 0: the node.
  std::uint64_t publisher = 0;
  MessagePtr message;
  // What it changes in a counter, for who takes the op: grammar in sync/engine/merged_cell.hpp. Empty in other
  // channels.
  Bytes change = {};
  std::uint64_t run = 0;  // the first of its replica in this channel since the database was opened: lineage.hpp
};

// The order of writes to one cell: the greatest wins everywhere (last-write). DESIGN 2: ties fall to the replica id.
struct WriteOrder {
  Stamp stamp;
  ReplicaId replica{};
  Seq seq = 0;
  friend std::strong_ordering operator<=>(const WriteOrder& a, const WriteOrder& b) {
    if (const auto order = a.stamp <=> b.stamp; order != 0) return order;
    if (const auto order = a.replica <=> b.replica; order != 0) return order;
    return a.seq <=> b.seq;
  }
  friend bool operator==(const WriteOrder& a, const WriteOrder& b) { return (a <=> b) == 0; }
};

}  // namespace hedgerow::sync
