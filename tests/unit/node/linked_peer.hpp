// A peer, gw-house, that is linked to the node under test, gw-barn, and says what the test has it say.
// Thread rule: one test, one thread. Ownership: the harness must outlive it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "sync/link/wire.hpp"
#include "tests/unit/node/node_harness.hpp"

namespace hedgerow::test {

class LinkedPeer {
 public:
  struct Greeting {
    sync::ReplicaId replica{2};
    std::uint64_t incarnation = 500;
    std::vector<sync::wire::Hello::Channel> channels;
  };
  LinkedPeer(NodeHarness& harness, Greeting greeting) : client(harness, ConnectOut{.client_id = "link"}, arrived()) {
    client.send(encode_subscribe(1, {{"hedgerow/orchard/link/gw-house/#", 0}}));
    say(sync::wire::Hello{.mesh = "orchard",
                          .node = "gw-house",
                          .replica = greeting.replica,
                          .incarnation = greeting.incarnation,
                          .software = "test",
                          .channels = std::move(greeting.channels)});
    harness.settle();
  }
  void say(const sync::wire::AnyMessage& message) {
    client.send(encode(PublishSent{.topic = "hedgerow/orchard/link/gw-barn/gw-house",
                                   .payload = std::string(as_text(sync::wire::encode(message)))}));
  }

  TestClient client;

 private:
  static node::Arrived arrived() {
    node::Arrived arrived;
    arrived.identity = security::PeerIdentity{.mesh = "orchard", .node = "gw-house", .role = security::Role::kNode};
    return arrived;
  }
};

}  // namespace hedgerow::test
