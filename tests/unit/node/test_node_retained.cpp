// Retained messages and the flags of PUBLISH through a whole node: section 3.3.1 of MQTT 5.0 and of 3.1.1. Tags V311-…:
// clauses of 3.1.1 with another number or meaning.
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/node/exchange.hpp"

using namespace hedgerow;
using namespace hedgerow::test;
using mqtt::Protocol;
using Texts = std::vector<std::string>;

namespace {

struct RetainedHarness : NodeHarness {
  unsigned last_id = 0;

  void publish(TestClient& publisher, const PublishSent& sent) {
    PublishSent numbered = sent;
    if (sent.qos > 0) numbered.packet_id = ++last_id;
    publisher.send(encode(numbered));
    settle();
  }
  void set(const std::string& topic, const std::string& payload, unsigned qos = 1, bool retain = true) {
    TestClient publisher(*this, {.client_id = "publisher"});
    publish(publisher, {.topic = topic, .payload = payload, .qos = qos, .retain = retain});
  }
  // What a new subscription is sent.
  Texts retained(const std::string& filter = "#") {
    TestClient reader(*this, {.client_id = "reader"});
    reader.send(encode_subscribe(1, {{filter, 1}}));
    settle();
    return reader.messages();
  }
};

}  // namespace

TEST_CASE_METHOD(RetainedHarness, "a new subscription is sent the last retained message of each topic that matches",
                 "[node][MQTT-3.3.1-5][V311-3.3.1-6][V311-3.3.1-8]") {
  set("set/1", "old");
  set("set/1", "new");
  set("set/2", "two", 2);
  set("other", "x");
  CHECK(retained("set/+") == Texts{"set/1=new retained", "set/2=two retained"});
}

TEST_CASE_METHOD(RetainedHarness, "a retained message of QoS 0 takes the place of the one before",
                 "[node][V311-3.3.1-7]") {
  for (const unsigned before : {0U, 1U, 2U}) {
    set("a", "before", before);
    set("a", "after", 0);
    CHECK(retained() == Texts{"a=after retained"});
    set("a", "", 0);
    CHECK(retained().empty());
  }
}

TEST_CASE_METHOD(RetainedHarness,
                 "a retained message of QoS 0 comes after what was published before it, however late that is stored",
                 "[node][V311-3.3.1-7]") {
  TestClient publisher(*this, {.client_id = "publisher"});
  publisher.send(encode(PublishSent{.topic = "a", .payload = "before", .qos = 1, .packet_id = 1, .retain = true}));
  publisher.send(encode(PublishSent{.topic = "a", .payload = "after", .retain = true}));
  wall.unix_ms += 500;
  settle();
  advance(std::chrono::seconds{2});
  CHECK(retained() == Texts{"a=after retained"});
}

TEST_CASE_METHOD(RetainedHarness, "what a subscription that was there is sent has retain 0",
                 "[node][MQTT-3.3.1-12][V311-3.3.1-9]") {
  const ConnectOut old{.protocol = Protocol::kV311, .client_id = "old", .clean_start = false};
  for (const ConnectOut& kind : {old, keeping("new")}) {
    {
      TestClient subscriber(*this, kind);
      subscriber.send(encode_subscribe(1, {{"a", 2}}, kind.protocol));
      settle();
      subscriber.received();
      for (const unsigned qos : {0U, 1U, 2U}) set("a", "live", qos);
      const auto got = deliveries(subscriber.received(), kind.protocol);
      CHECK(got.size() == 3);
      for (const Delivered& message : got) CHECK_FALSE(message.retain);
    }
    set("a", "while it was away");
    TestClient back(*this, kind);
    const auto got = deliveries(back.received(), kind.protocol);
    CHECK(got.size() == 3);  // two were not acknowledged
    for (const Delivered& message : got) CHECK_FALSE(message.retain);
  }
}

TEST_CASE_METHOD(RetainedHarness, "a retained message outlives the session that published it", "[node][V311-3.1.2-7]") {
  TestClient publisher(*this, {.client_id = "p", .clean_start = false, .properties = property(0x11, u32(60))});
  publish(publisher, {.topic = "a", .payload = "kept", .qos = 1, .retain = true});
  publisher.drop();
  advance(std::chrono::seconds{61});
  settle();
  CHECK(session_store.sessions.empty());
  CHECK(retained() == Texts{"a=kept retained"});
}

TEST_CASE_METHOD(RetainedHarness, "a search among retained messages is read in pieces, and others come between",
                 "[node][G6]") {
  constexpr unsigned kTopics = 600;
  TestClient publisher(*this, {.client_id = "publisher"});
  Bytes packets;
  for (unsigned i = 1; i <= kTopics; ++i) {
    append(packets, encode(PublishSent{.topic = "r/" + std::to_string(1000 + i) + "/x",
                                       .payload = std::string(1000, 'x'),
                                       .qos = 1,
                                       .packet_id = i,
                                       .retain = true}));
  }
  publisher.send(packets);
  settle();
  TestClient searcher(*this, {.client_id = "searcher"});
  TestClient reader(*this, {.client_id = "reader"});
  reader.received();
  searcher.send(encode_subscribe(1, {{"+/+/none", 1}}));
  REQUIRE(reads.size() == 1);
  reader.send(encode_subscribe(1, {{"r/1600/x", 1}}));
  unsigned jobs = 0;
  unsigned jobs_before = 0;
  for (; !reads.empty(); ++jobs) {
    NodeHarness::Read read = std::move(reads.front());
    reads.pop_front();
    auto view = storage.open_view();
    REQUIRE(view);
    if (const node::Continuation then = read.job(**view)) then(now);
    node->flush();
    if (jobs_before == 0 && reader.messages().size() == 1) jobs_before = jobs;
  }
  CHECK(jobs_before == 1);
  CHECK(jobs >= kTopics * 1000 / node::kReadPageBytes);
}
