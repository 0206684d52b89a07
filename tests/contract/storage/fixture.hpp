// What the parts of the contract share: the harness with two channels, and rows to put into them.
#pragma once

#ifndef STORAGE_HARNESS
#error "include storage_contract.hpp"
#endif

#include <catch2/catch_test_macros.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sync/engine/storage.hpp"
#include "sync/limits.hpp"

namespace hedgerow::test::storage_contract {

using namespace sync;

inline constexpr ReplicaId kX{0xFFFF'FFFF'FFFF'FF01};  // needs all 64 bits
inline constexpr ReplicaId kY{7};
inline constexpr std::size_t kMuch = std::size_t{1} << 20U;

// Storage does not look into a segment: any bytes will do.
inline SegmentRow row(ReplicaId replica, Seq first, std::uint32_t count, Arrival arrival, std::size_t bytes = 100,
                      std::uint64_t newest_wall_ms = 1000) {
  return {.replica = replica,
          .first_seq = first,
          .count = count,
          .first_arrival = arrival,
          .newest_wall_ms = newest_wall_ms,
          .bytes = Bytes(bytes, static_cast<std::uint8_t>(first))};
}

inline Cell cell(std::string_view topic, std::string_view payload, Seq seq = 1) {
  auto message = std::make_shared<Message>();
  message->topic = topic;
  message->payload = to_bytes(payload);
  message->properties = to_bytes("props");
  message->expiry_s = 0xFFFF'FFFE;
  return {.order = {.stamp = {.wall_ms = kStampWallMsMax,
                              .counter = 0xFFFE,
                              .quality = ClockQuality::kSynchronised,
                              .behind_ms = kStampWallMsMax},
                    .replica = kX,
                    .seq = seq},
          .arrival = 9,
          .qos = 2,
          .publisher = ~std::uint64_t{0},
          .message = std::move(message)};
}

inline ReplicaState replica(ReplicaId id, Seq seq, Seq trimmed = 0) {
  ReplicaState state{.replica = id, .seq = seq, .head = {}, .trimmed = trimmed};
  state.head.fill(static_cast<std::uint8_t>(seq));
  return state;
}

class Fixture : public STORAGE_HARNESS {
 public:
  Fixture() {
    turn([this](Storage& storage) {
      channel_ = storage.define_channel("default").value();
      other_ = storage.define_channel("other").value();
    });
  }

  template <class Work>
  void turn(Work work) {
    REQUIRE(this->storage().begin());
    work(this->storage());
    REQUIRE(this->storage().commit());
  }
  void append(ChannelNo channel, std::vector<SegmentRow> rows) {
    turn([&](Storage& storage) {
      for (const SegmentRow& one : rows) REQUIRE(storage.append(channel, one));
    });
  }
  void put(std::vector<Cell> cells) {
    turn([&](Storage& storage) {
      for (const Cell& one : cells) REQUIRE(storage.put_cell(channel_, one));
    });
  }
  [[nodiscard]] std::unique_ptr<ReadView> view() { return this->views().open_view().value(); }

  [[nodiscard]] static std::vector<Seq> firsts(const std::vector<SegmentRow>& rows) {
    std::vector<Seq> out;
    for (const SegmentRow& one : rows) out.push_back(one.first_seq);
    return out;
  }
  [[nodiscard]] static std::vector<std::string> topics(const std::vector<Cell>& cells) {
    std::vector<std::string> out;
    for (const Cell& one : cells) out.push_back(one.message->topic);
    return out;
  }
  using Seqs = std::vector<Seq>;
  using Topics = std::vector<std::string>;

  ChannelNo channel_{};
  ChannelNo other_{};
};

}  // namespace hedgerow::test::storage_contract
