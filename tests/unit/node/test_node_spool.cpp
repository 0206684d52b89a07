// Channels that a node spools: held for other nodes, and none of its own. DESIGN 5.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "tests/unit/node/other_writer.hpp"

using namespace hedgerow;
using namespace hedgerow::test;
using Texts = std::vector<std::string>;

namespace {

// Topic "a", which here is of the channel "default", is of the channel "video" where the other node writes.
struct SpoolHarness : OtherWriter {
  SpoolHarness() : OtherWriter("video") {
    more_channels = {{.name = "video", .filter = "a", .spooled = true}};
    restart();
  }
  void receive(std::string payload, bool retain = false) {
    receive_write({.payload = std::move(payload), .then = wall, .retain = retain});
  }
  void publish(std::string payload, bool retain = false) {
    TestClient publisher(*this, {.client_id = "publisher"});
    publisher.send(
        encode(PublishSent{.topic = "a", .payload = std::move(payload), .qos = 1, .packet_id = 1, .retain = retain}));
    settle();
  }
  [[nodiscard]] const node::ChannelTable::Entry& video() const {
    const auto& entries = node->channels().entries();
    return *std::find_if(entries.begin(), entries.end(),
                         [](const node::ChannelTable::Entry& entry) { return entry.channel.name == "video"; });
  }
  [[nodiscard]] sync::Seq held() const {
    for (const sync::ChannelState& channel : engine->channels()) {
      if (channel.number != video().number) continue;
      sync::Seq out = 0;
      for (const auto& replica : channel.replicas) out += replica.seq;
      return out;
    }
    return 0;
  }
};

}  // namespace

TEST_CASE_METHOD(SpoolHarness, "a spooled channel is exchanged, and owns no topic here", "[node]") {
  CHECK(node->channels().is_replicated(video()));
  CHECK(node->channels().is_spooled(video().number));
  CHECK(node->channels().owner_of("a")->channel.name == "default");
  CHECK_FALSE(node->channels().is_spooled(node->channels().owner_of("a")->number));
}

TEST_CASE_METHOD(SpoolHarness, "what is spooled is held, and delivered to nobody", "[node]") {
  const bool keeps = GENERATE(false, true);
  const std::string filter = GENERATE("a", "#", "$share/g/a");
  remote_commit = GENERATE(Duration{}, Duration{std::chrono::seconds{5}});
  restart();
  TestClient client(*this, keeps ? keeping("client") : ConnectOut{.client_id = "client"});
  subscribe(client, filter, 1);
  receive("1");
  receive("2", true);
  CHECK(held() == 2);
  publish("own");
  CHECK(client.messages() == Texts{"a=own"});
}

TEST_CASE_METHOD(SpoolHarness, "a session that was away passes over what was spooled meanwhile", "[node]") {
  {
    TestClient client(*this, keeping("client"));
    subscribe(client, "a", 1);
  }
  publish("1");
  receive("2");
  publish("3");
  const bool reads_disk = GENERATE(false, true);
  if (reads_disk) restart();
  TestClient client(*this, keeping("client"));
  settle();
  // After a kill nobody knows what was sent.
  CHECK(client.messages() == (reads_disk ? Texts{"a=1 dup", "a=3 dup"} : Texts{"a=1", "a=3"}));
}

TEST_CASE_METHOD(SpoolHarness, "no replay and no retained message comes out of a spool", "[node]") {
  receive("spooled", true);
  TestClient early(*this, {.client_id = "early"});
  subscribe(early, "a", 1);
  CHECK(early.messages().empty());
  early.drop();
  publish("own", true);
  if (GENERATE(false, true)) restart();
  TestClient client(*this, {.client_id = "client"});
  client.send(encode_subscribe(1, {{"a", 1}}, mqtt::Protocol::kV5, user_property("hedgerow-replay", "24h")));
  settle();
  CHECK(client.messages() == Texts{"a=own"});
}

TEST_CASE_METHOD(SpoolHarness, "a channel that was spooled is there when it is kept again, and the other way round",
                 "[node]") {
  receive("spooled", true);
  more_channels[0].spooled = false;
  restart();
  TestClient keeps(*this, {.client_id = "keeps"});
  keeps.send(encode_subscribe(1, {{"a", 1}}));
  settle();
  CHECK(keeps.messages() == Texts{"a=spooled retained"});
  keeps.drop();
  more_channels[0].spooled = true;
  restart();
  TestClient spools(*this, {.client_id = "spools"});
  spools.send(encode_subscribe(1, {{"a", 1}}));
  settle();
  CHECK(spools.messages().empty());
  CHECK(held() == 1);
}
