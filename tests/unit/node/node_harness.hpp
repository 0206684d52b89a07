// A real node in memory for tests: Node, Engine and StoreTurn over MemoryStorage; streams are buffers; the test says
// when the store commits and when reads are answered.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "daemon/compress_zstd/zstd_compressor.hpp"
#include "daemon/node/load_state.hpp"
#include "daemon/node/node.hpp"
#include "daemon/node/store_turn.hpp"
#include "security/crypto_mbedtls/crypto.hpp"
#include "tests/support/memory_sessions.hpp"
#include "tests/support/mqtt_packets.hpp"

namespace hedgerow::test {

// The node's connection to one client.
class FakeStream final : public node::Stream {
 public:
  void send(Bytes& bytes) override {
    append(sent, bytes);
    if (keeps) queued += bytes.size();
    bytes.clear();
  }
  [[nodiscard]] std::size_t queued_bytes() const override { return queued; }
  void pause_reading(bool pause) override { paused = pause; }
  void close() override { closed = true; }
  void cut() override {
    closed = true;
    queued = 0;
  }

  Bytes sent;
  bool keeps = false;      // nothing of it is taken
  std::size_t queued = 0;  // what the test says is stuck
  bool paused = false;
  bool closed = false;
};

// Lets everybody in but mallory, and refuses the topics that the test names.
class FakeAccess final : public node::AccessPort {
 public:
  void authenticate(Instant now, const node::Arrived& arrived, Credentials credentials, Verdict then) override;
  [[nodiscard]] bool knows(const security::Principal& principal) const override {
    return principal.kind != security::Principal::Kind::kUser || principal.name != removed;
  }
  [[nodiscard]] bool may_publish(const security::Principal&, std::string_view topic) const override {
    return topic != forbidden;
  }
  [[nodiscard]] bool may_subscribe(const security::Principal&, std::string_view filter) const override {
    return filter != forbidden;
  }
  std::string forbidden = "forbidden";
  std::string removed;  // a user that is no more
};

class NodeHarness : public node::StorePort {
 public:
  NodeHarness();
  ~NodeHarness() override;

  // StorePort: everything waits for commit() and answer_reads().
  void submit(node::Intent intent) override { intents.push_back(std::move(intent)); }
  [[nodiscard]] std::size_t pending_bytes() const override { return pending; }
  void read(node::ReadJob job, std::function<void(Instant, const Error&)> failed) override {
    reads.push_back({std::move(job), std::move(failed)});
  }

  // One turn of all that waits; its result goes to the node. It may stay open.
  void commit();
  // The end of a turn that stayed open.
  void commit_open();
  void answer_reads();
  // Until nothing waits any more.
  void settle();
  void advance(Duration time);
  // A kill: what was not committed is gone, clients are cut off, a new node starts on the same disk.
  void restart();

  struct Read {
    node::ReadJob job;
    std::function<void(Instant, const Error&)> failed;
  };

  Instant now{std::chrono::hours{1}};
  WallTime wall{.unix_ms = 1'800'000'000'000, .quality = ClockQuality::kSynchronised};
  MemoryStorage storage{sync::ReplicaId{1}};
  MemorySessions session_store{storage};
  FakeAccess access;
  node::NodeLimits limits;                     // from the next start on
  bool conflate = false;                       // likewise
  std::optional<std::uint64_t> retained_max;   // likewise
  std::vector<config::Channel> more_channels;  // likewise
  Duration remote_commit{};                    // likewise
  security::Sha256 hasher;
  security::Sha256 read_hasher;
  compress_zstd::ZstdCompressor compressor;
  std::unique_ptr<sync::Engine> engine;
  std::optional<node::StoreTurn> store_turn;
  std::unique_ptr<node::Node> node;
  std::vector<node::Intent> intents;
  std::deque<Read> reads;
  std::size_t pending = 0;
  std::optional<Error> fatal;
  std::vector<std::string> log;

 private:
  void start();
  std::uint64_t next_random_ = 1000;
};

// A client of the harness's node.
class TestClient {
 public:
  TestClient(NodeHarness& harness, const ConnectOut& connect, node::Arrived arrived = {});
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;
  // Drops. The node that it connected to must still be there.
  ~TestClient();
  // For tests that settle themselves.
  static TestClient unsettled(NodeHarness& harness, const ConnectOut& connect);

  void send(const Bytes& packets);
  // What came since the last call.
  std::vector<ServerPacket> received();
  // "topic=payload" of each PUBLISH that came since the last call; acknowledges QoS 1 if told to.
  std::vector<std::string> messages(bool acknowledge = true);
  void drop();
  void drained();

  FakeStream stream;

 private:
  TestClient(NodeHarness& harness, const ConnectOut& connect, node::Arrived arrived, bool settle);
  NodeHarness& harness_;
  mqtt::Protocol protocol_;
  std::unique_ptr<node::StreamHandler> handler_;  // null: dropped
};

}  // namespace hedgerow::test
