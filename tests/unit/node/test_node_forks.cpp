// Forks that nothing explains, as who tends a node sees them. G5, daemon/node/channel_alarms.hpp
#include <catch2/catch_test_macros.hpp>

#include "sync/log/segment.hpp"
#include "tests/unit/node/linked_peer.hpp"

using namespace hedgerow;
using namespace hedgerow::test;
using namespace std::chrono_literals;

namespace {

class ForkingPeer : public NodeHarness {
 public:
  ForkingPeer() : peer(*this, LinkedPeer::Greeting{.channels = {{.name = "default"}}}) {}

  // Ops 1 to `count` of a third node.
  void push(std::string_view payload, unsigned count) {
    sync::SegmentBuilder builder;
    builder.start(sync::ReplicaId{7}, 1, {});
    for (unsigned i = 0; i < count; ++i) {
      auto message = std::make_shared<const sync::Message>(
          sync::Message{.topic = "t", .properties = {}, .payload = to_bytes(payload), .expiry_s = {}});
      builder.add({.stamp = {.wall_ms = 1000U + i},
                   .kind = {.record = true, .cell = false, .qos = 1},
                   .publisher = 1,
                   .message = std::move(message)});
    }
    const Bytes segment = builder.finish();
    peer.say(sync::wire::Push{.channel = 0, .segment = segment});
    settle();
  }
  // It holds nothing that says why. Whatever it was asked.
  void describe_nothing() {
    for (sync::wire::PullId id = 1; id <= 4; ++id) peer.say(sync::wire::Describe{.channel = 0, .id = id, .states = {}});
    settle();
  }

  LinkedPeer peer;
};

}  // namespace

TEST_CASE_METHOD(ForkingPeer, "a fork is an alarm once its peer could not explain it", "[node][G5]") {
  push("a", 1);
  push("b", 2);
  advance(1500ms);
  CHECK(node->alarms().empty());
  describe_nothing();
  advance(1500ms);
  REQUIRE(node->alarms().size() == 1);
  CHECK(node->alarms()[0].find("channel \"default\": gw-house holds other messages than this node under one and the "
                               "same name, replica 7: they are not taken from there.") == 0);
}
