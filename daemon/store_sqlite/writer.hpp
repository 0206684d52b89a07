// Writer: the engine's Storage over the one connection that writes.
// Thread rule: owned by the store thread. Ownership: the connection and the checkpointer outlive it.
#pragma once

#include <optional>

#include "daemon/store_sqlite/checkpointer.hpp"
#include "daemon/store_sqlite/connection.hpp"
#include "daemon/store_sqlite/log_sizes.hpp"
#include "sync/engine/storage.hpp"

namespace hedgerow::store_sqlite {

class Writer final : public sync::Storage {
 public:
  // The checkpointer folds the write-ahead log in between two turns, where it must.
  Writer(Connection& connection, Checkpointer& checkpointer);

  // Counts what the channels hold. Call once, before anything else.
  Expected<void> count_logs();

  Expected<sync::StoredState> load() override;
  [[nodiscard]] sync::LogTotals log_totals(sync::ChannelNo channel) const override;
  Expected<void> begin() override;
  Expected<void> commit() override;
  void rollback() override;
  Expected<sync::ChannelNo> define_channel(std::string_view name) override;
  Expected<void> put_merge(sync::ChannelNo channel, sync::MergeKind merge) override;
  Expected<void> append(sync::ChannelNo channel, const sync::SegmentRow& row) override;
  Expected<void> put_replica(sync::ChannelNo channel, const sync::ReplicaState& state) override;
  Expected<void> put_lineage(sync::ChannelNo channel, sync::ReplicaId replica, const sync::Lineage& lineage) override;
  Expected<void> put_clock(sync::Arrival last_arrival, const sync::Stamp& last_stamp) override;
  Expected<std::optional<sync::HeldCell>> held_cell(sync::ChannelNo channel, std::string_view topic) override;
  Expected<void> put_cell(sync::ChannelNo channel, const sync::Cell& cell) override;
  Expected<std::optional<sync::Cell>> whole_cell(sync::ChannelNo channel, std::string_view topic) override;
  Expected<std::optional<sync::Cell>> cell_behind(sync::ChannelNo channel, std::string_view after_topic) override;
  Expected<void> put_live_cells(sync::ChannelNo channel, std::uint64_t live_cells) override;
  Expected<void> add_gap(sync::ChannelNo channel, const sync::Gap& gap) override;
  Expected<std::optional<sync::Gap>> gap_from_below(sync::ChannelNo channel, sync::ReplicaId replica,
                                                    sync::Seq seq) override;
  Expected<void> end_gap(sync::ChannelNo channel, const sync::Gap& gap, sync::Seq last) override;
  Expected<std::vector<Trimmed>> trim(sync::ChannelNo channel, std::uint64_t size_bytes, std::uint64_t oldest_wall_ms,
                                      std::size_t segments_max) override;
  Expected<void> stage_page(sync::ChannelNo channel, std::string_view peer, std::uint64_t page_no,
                            ByteView page) override;
  Expected<std::optional<Bytes>> staged_page(sync::ChannelNo channel, std::string_view peer,
                                             std::uint64_t page_no) override;
  Expected<void> drop_staged(sync::ChannelNo channel, std::string_view peer) override;
  Expected<void> put_self(sync::ReplicaId self) override;
  Expected<std::optional<sync::SegmentRow>> segment_from(sync::ChannelNo channel, sync::ReplicaId replica,
                                                         sync::Seq from) override;
  Expected<void> replace(sync::ChannelNo channel, const sync::SegmentRow& row) override;
  Expected<void> rename(sync::ChannelNo channel, sync::ReplicaId from, sync::Seq after, sync::ReplicaId to) override;
  Expected<void> branch_off(sync::ChannelNo channel, sync::ReplicaId from, sync::Seq after,
                            sync::ReplicaId to) override;
  Expected<void> divide(sync::ChannelNo channel, const sync::SegmentRow& first,
                        const sync::SegmentRow& second) override;

 private:
  Expected<std::uint64_t> row_bytes(std::uint64_t place);
  // REQUIRES a turn. kNotFound: no such channel.
  Expected<void> check_turn(sync::ChannelNo channel) const;
  Expected<void> write_sizes();

  struct Statements {
    explicit Statements(Connection& connection);
    Statement begin, commit;
    Statement load_node, load_clock, load_channels, load_replicas, count_log;
    Statement count_unmarked, put_mark, drop_marks;
    Statement find_channel, add_channel, put_size;
    Statement append, put_replica, held_cell, whole_cell, put_cell, put_live_cells;
    Statement gap_before, end_gap, add_gap, drop_gap;
    Statement oldest, drop;
    Statement stage, staged, drop_staged;
  };

  Connection& connection_;
  Checkpointer& checkpointer_;
  Statements sql_;
  LogSizes sizes_;
  bool in_turn_ = false;
  bool lacked_room_ = false;  // in the turn before
  bool room_tried_ = false;   // since the last commit: not at every turn again
};

}  // namespace hedgerow::store_sqlite
