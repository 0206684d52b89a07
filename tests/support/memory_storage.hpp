// MemoryStorage: the sync engine's ports in memory, with the manners of a disk: what was not committed is gone after a
// crash, a commit can fail, and a lying disk keeps nothing of what it said was synced.
//
// It holds to tests/contract/storage_contract.hpp, as the real store does.
// Thread rule: one thread, views included.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sync/engine/storage.hpp"

namespace hedgerow::test {

class MemoryStorage final : public sync::Storage, public sync::ReadViews {
 public:
  explicit MemoryStorage(sync::ReplicaId self);

  // Something else that lives in this storage's turns.
  class TurnPart {
   public:
    virtual void on_begin() = 0;
    // The turn that began last is undone.
    virtual void on_rollback() = 0;

   protected:
    ~TurnPart() = default;
  };
  // Call once, before the first turn. The part must live as long as turns do.
  void join(TurnPart& part) { part_ = &part; }

  // Power loss: everything since the last commit is gone; with a lying disk, everything since it began to lie. Open a
  // new Engine afterwards. Ends a turn that is under way, and a broken file.
  void crash();
  // From now on commits report success and keep nothing through a crash; false: the disk is honest again and syncs.
  void set_lying(bool lying);
  // The next commit rolls back and returns this. After kIo every later call fails, until crash().
  void fail_next_commit(Error error) { next_commit_error_ = std::move(error); }
  // The next call that changes something returns this, without doing anything.
  void fail_next_write(Error error) { next_write_error_ = std::move(error); }

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

  // Of what was committed. The view keeps that state for as long as it lives.
  Expected<std::unique_ptr<sync::ReadView>> open_view() override;

  struct Channel {
    std::string name;
    std::map<sync::ReplicaId, sync::ReplicaState> replicas;
    std::map<std::pair<sync::ReplicaId, sync::Seq>, std::shared_ptr<const sync::SegmentRow>> by_seq;
    std::map<sync::Arrival, std::shared_ptr<const sync::SegmentRow>> by_arrival;
    std::map<std::string, sync::Cell, std::less<>> cells;
    std::vector<sync::Gap> gaps;
    std::map<std::pair<std::string, std::uint64_t>, Bytes> staged;  // by peer and page
    sync::LogTotals log;
    std::uint64_t live_cells = 0;
    sync::MergeKind merge = sync::MergeKind::kLastWrite;
  };
  struct State {
    sync::ReplicaId self{};
    sync::Arrival last_arrival = 0;
    sync::Stamp last_stamp;
    std::map<sync::ChannelNo, Channel> channels;
  };
  // All that was committed; and another disk's content in its place. REQUIRES: no turn is under way.
  [[nodiscard]] State image() const;
  void put_image(State image);

 private:
  using Undo = std::function<void(State&)>;

  [[nodiscard]] State& state();
  // Whether a change may go on now, and in which channel.
  Expected<Channel*> change(sync::ChannelNo channel);
  Expected<void> may_change();
  void undo_to(std::size_t length);

  // Shared with the views; copied before a change while any view lives.
  std::shared_ptr<State> state_;
  // How to go back, last change last: first what a lying disk will lose, from turn_start_ on the turn.
  std::vector<Undo> undo_;
  std::size_t turn_start_ = 0;
  TurnPart* part_ = nullptr;
  bool in_turn_ = false;
  bool lying_ = false;
  bool broken_ = false;
  std::optional<Error> next_commit_error_;
  std::optional<Error> next_write_error_;
};

}  // namespace hedgerow::test
