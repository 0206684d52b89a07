// A board that serves clients: the real node with its sessions and links, the real turn of the store and the real
// engine, over a disk. The seed says when turns begin, when the loop thread hears of them, and when reads
// run. Thread rule: one simulation, one thread. Ownership: scheduler and wires must outlive it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/compress_zstd/zstd_compressor.hpp"
#include "daemon/node/node.hpp"
#include "daemon/node/store_turn.hpp"
#include "tests/sim/board_clock.hpp"
#include "tests/sim/client_wire.hpp"
#include "tests/sim/disk.hpp"
#include "tests/sim/mixing_hasher.hpp"
#include "tests/sim/options.hpp"
#include "tests/sim/subject.hpp"
#include "tests/sim/wires.hpp"

namespace hedgerow::sim {

class ClientBoard final : public LinkEnd, private node::StorePort {
 public:
  // `end`: the power has gone in the middle of something, or the node will not go on: crash() is to follow.
  ClientBoard(std::size_t index, const Options& options, Scheduler& scheduler, Wires& wires, std::function<void()> end);
  ~ClientBoard() override;

  // False: the power went again before it was up.
  bool start();
  // Power loss: what was not committed is gone.
  void crash();
  void keep_power() { disk_->keep_power(); }
  // There is no room for the next turn.
  void fill_disk() { disk_is_full_ = true; }
  // A client's connection. REQUIRES: is_up()
  void accept(const std::shared_ptr<ClientWire>& wire);

  // LinkEnd:
  [[nodiscard]] bool is_up() const override { return node_ != nullptr; }
  void link_up(sync::LinkId link, bool dialled) override;
  void link_down(sync::LinkId link) override;
  void message(sync::LinkId link, ByteView bytes) override;
  void drained(sync::LinkId link) override;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] BoardClock& clock() { return clock_; }
  // Nothing waits for the store, and nothing is missing that some peer is known to hold.
  [[nodiscard]] bool is_idle() const;
  [[nodiscard]] const std::vector<sync::ChannelState>& channels() const { return engine_->channels(); }
  // The payload of each retained message of clients, by topic.
  [[nodiscard]] std::map<std::string, std::string> retained();

 private:
  // The sending end of a link.
  class Output;
  // Of a connection, the node's side.
  struct Served {
    std::shared_ptr<ClientWire> wire;
    std::unique_ptr<node::StreamHandler> handler;
  };
  class OpenAccess final : public node::AccessPort {
   public:
    void authenticate(Instant now, const node::Arrived& arrived, Credentials credentials, Verdict then) override;
    [[nodiscard]] bool knows(const security::Principal& /*principal*/) const override { return true; }
    [[nodiscard]] bool may_publish(const security::Principal& /*principal*/,
                                   std::string_view /*topic*/) const override {
      return true;
    }
    [[nodiscard]] bool may_subscribe(const security::Principal& /*principal*/,
                                     std::string_view /*topic_filter*/) const override {
      return true;
    }
  };

  // StorePort:
  void submit(node::Intent intent) override;
  [[nodiscard]] std::size_t pending_bytes() const override { return 0; }
  void read(node::ReadJob job, std::function<void(Instant, const Error&)> failed) override;

  // Runs the event unless the board crashes before.
  void unless_crashed(Instant when, std::function<void()> event);
  void start_turn();
  void run_turn();
  // True: the power has gone.
  bool has_lost_power();
  void commit_when_due();
  void hand_back(node::TurnResult result);
  void gone(std::uint64_t connection);
  // After whatever may have reached the node.
  void settle();
  void arm_timer();

  std::string name_;
  Options options_;
  Scheduler& scheduler_;
  Wires& wires_;
  Random random_;
  std::function<void()> end_;
  std::unique_ptr<Disk> disk_;
  BoardClock clock_;
  MixingHasher hasher_;
  MixingHasher read_hasher_;
  compress_zstd::ZstdCompressor compressor_;
  OpenAccess access_;

  // One life, from start() to crash().
  std::uint64_t life_ = 0;
  std::unique_ptr<sync::Engine> engine_;
  std::optional<node::StoreTurn> turn_;
  std::unique_ptr<node::Node> node_;
  std::map<sync::LinkId, std::unique_ptr<Output>> outputs_;  // by the network's numbers
  std::map<std::uint64_t, Served> served_;
  std::uint64_t last_connection_ = 0;
  std::vector<node::Intent> intents_;
  bool turn_under_way_ = false;
  bool disk_is_full_ = false;
  std::uint64_t turns_opened_ = 0;
  std::size_t handing_back_ = 0;
  std::size_t reading_ = 0;
  Instant last_hand_back_ = Instant::min();
  Instant last_read_ = Instant::min();
  Instant armed_ = Instant::max();
};

}  // namespace hedgerow::sim
