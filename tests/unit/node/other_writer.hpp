// A node to one of whose channels another one writes: what that wrote comes in as a push does.
// Thread rule: one test, one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/node/exchange.hpp"

namespace hedgerow::test {

struct OtherWriter : NodeHarness {
  struct Write {
    std::string payload;
    WallTime then;  // by the writer's clock
    std::optional<std::uint32_t> expiry_s = {};
    std::uint8_t qos = 1;
    bool retain = false;
  };

  explicit OtherWriter(std::string writes_to = "default") : name(std::move(writes_to)) {
    peer = std::make_unique<sync::Engine>(peer_storage, peer_hasher);
    REQUIRE(peer->open({{.name = name, .keep = {.age_ms = 86'400'000, .size_bytes = 1'000'000}}}, sync::ReplicaId{99}));
  }

  // To topic "a".
  void receive_write(const Write& write) {
    REQUIRE(peer->begin());
    auto message = std::make_shared<const sync::Message>(
        sync::Message{.topic = "a", .properties = {}, .payload = to_bytes(write.payload), .expiry_s = write.expiry_s});
    REQUIRE(peer->write(write.then, {.channel = peer->channels().at(0).number,
                                     .kind = {.record = true, .cell = write.retain, .qos = write.qos},
                                     .publisher = 1,
                                     .message = std::move(message)}));
    auto committed = peer->commit();
    REQUIRE(committed);
    settle();
    std::vector<node::Intent> turn;
    for (const sync::ChannelState& channel : engine->channels()) {
      if (channel.name != name) continue;
      turn.emplace_back(sync::ApplySegment{
          .link = {}, .channel = channel.number, .segment = committed->segments.at(0).segment->bytes});
    }
    node::TurnResult result = store_turn->run(wall, turn);
    REQUIRE(result.received.size() == 1);
    REQUIRE(result.received[0].result == sync::ReceiveResult::kApplied);
    result.received.clear();  // no link waits for it
    node->on_turn(now, std::move(result));
    settle();
  }
  void subscribe(TestClient& client, const std::string& filter, unsigned qos) {
    client.send(encode_subscribe(1, {{filter, qos}}));
    settle();
    client.received();
  }

  std::string name;  // of the channel
  MemoryStorage peer_storage{sync::ReplicaId{2}};
  security::Sha256 peer_hasher;
  std::unique_ptr<sync::Engine> peer;
};

}  // namespace hedgerow::test
