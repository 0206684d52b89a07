#include <catch2/catch_test_macros.hpp>

#include "tests/unit/control/asker.hpp"

using namespace hedgerow;
using namespace hedgerow::test;

namespace {

PublishSent live(std::string payload, bool retain = false) {
  return {.topic = "a", .payload = std::move(payload), .qos = 0, .packet_id = 0, .retain = retain};
}

}  // namespace

TEST_CASE_METHOD(AskerHarness, "watch shows what is retained, then what comes", "[control]") {
  store("a", "old", true);
  const FakeAnswerPtr answer = ask(R"({"verb":"watch","filter":"a"})");
  settle();
  store("a", "stored");
  store("b", "other");
  store("a", "new", true);
  publish(live("live"));
  CHECK(brief(answer->documents) == Texts{"a=old", "a=stored", "a=new", "a=live"});
  CHECK_FALSE(answer->finished);
}

TEST_CASE_METHOD(AskerHarness, "nothing is missed and nothing comes twice while a watch begins", "[control]") {
  store("a", "1", true);
  const FakeAnswerPtr answer = ask(R"({"verb":"watch","filter":"#"})");
  answer_reads();  // the names; now it watches
  TestClient client(*this, {.client_id = "publisher"});
  client.send(encode(PublishSent{.topic = "b", .payload = "2", .qos = 1, .packet_id = 1, .retain = true}));
  commit();
  settle();
  CHECK(brief(answer->documents) == Texts{"a=1", "b=2"});
}

TEST_CASE_METHOD(AskerHarness, "a live message is shown with the time at which it passed", "[control][G10]") {
  const FakeAnswerPtr answer = ask(R"({"verb":"watch","filter":"a"})");
  settle();
  publish(live("x"));
  REQUIRE(answer->documents.size() == 1);
  CHECK(answer->documents[0] ==
        R"({"topic":"a","payload":"x","qos":0,"retain":false,"time":"2027-01-15T08:00:00.000Z","clock":"synchronised",)"
        R"("node":"gw-barn","replica":"0000000000000001","channel":"default"})");
}

TEST_CASE_METHOD(AskerHarness, "watch ends after as many messages as were asked for", "[control]") {
  store("a", "1", true);
  store("b", "2", true);
  const FakeAnswerPtr answer = ask(R"({"verb":"watch","filter":"#","count":3})");
  settle();
  CHECK_FALSE(answer->finished);
  store("a", "3");
  store("a", "4");
  CHECK(brief(answer->documents) == Texts{"a=1", "b=2", "a=3", kEnd});
  CHECK(asked.streams() == 0);
  CHECK(answer.use_count() == 1);
}

TEST_CASE_METHOD(AskerHarness, "the count may be reached by what is retained, and by what is live", "[control]") {
  store("a", "1", true);
  CHECK(answer_to(R"({"verb":"watch","filter":"#","count":1})") == Texts{"a=1", kEnd});
  const FakeAnswerPtr answer = ask(R"({"verb":"watch","filter":"a","count":2})");
  settle();
  publish(live("2"));
  CHECK(brief(answer->documents) == Texts{"a=1", "a=2", kEnd});
  CHECK(answer_to(R"({"verb":"watch","filter":"$SYS/broker/version","count":1})").size() == 2);
}

TEST_CASE_METHOD(AskerHarness, "stored messages wait for a slow watcher, live ones are counted", "[control][G6]") {
  const FakeAnswerPtr answer = ask(R"({"verb":"watch","filter":"a"})", {}, /*room=*/1);
  settle();
  store("a", "1");
  store("a", "2");
  publish(live("dropped"));
  publish(live("dropped, too"));
  store("a", "3");
  CHECK(brief(answer->documents) == Texts{"a=1"});
  answer->take(2);
  settle();
  CHECK(brief(answer->documents) ==
        Texts{R"({"lost":2,"why":"nobody took them in time, and QoS 0 messages do not wait"})", "a=2"});
  answer->take();
  settle();
  CHECK(brief(answer->documents) == Texts{"a=3"});
}

TEST_CASE_METHOD(AskerHarness, "a node that came since is named from its second message on at the latest",
                 "[control]") {
  const FakeAnswerPtr answer = ask(R"({"verb":"watch","filter":"a"})");
  settle();
  const auto channel = node->channels().owner_of("hedgerow/x")->number;
  REQUIRE(storage.begin());
  REQUIRE(storage.put_cell(
      channel,
      {.order = {.stamp = {.wall_ms = 1}, .replica = sync::ReplicaId{7}, .seq = 1},
       .arrival = 1,
       .qos = 1,
       .message = std::make_shared<const sync::Message>(sync::Message{
           .topic = "hedgerow/orchard/nodes/gw-house/health", .properties = {}, .payload = {'x'}, .expiry_s = {}})}));
  REQUIRE(storage.commit());
  const auto arrive = [&](sync::Seq seq) {
    sync::Op op{.stamp = {.wall_ms = wall.unix_ms, .counter = static_cast<std::uint16_t>(seq)},
                .kind = {.record = true, .cell = false, .qos = 1},
                .publisher = 1,
                .message = std::make_shared<const sync::Message>(
                    sync::Message{.topic = "a", .properties = {}, .payload = {'x'}, .expiry_s = {}})};
    node::TurnResult turn;
    const sync::Arrival arrival = storage.load()->last_arrival + seq;
    auto row = std::make_shared<sync::SegmentRow>(sync::SegmentRow{
        .replica = sync::ReplicaId{7}, .first_seq = seq, .count = 1, .first_arrival = arrival, .bytes = {}});
    turn.committed.segments.push_back({.channel = node->channels().owner_of("a")->number, .segment = row, .ops = {op}});
    turn.committed.last_arrival = arrival;
    node->on_turn(now, std::move(turn));
    settle();
  };
  arrive(1);
  arrive(2);
  REQUIRE(answer->documents.size() == 2);
  CHECK(answer->documents[0].find(R"("node":null)") != std::string::npos);
  CHECK(answer->documents[1].find(R"("node":"gw-house")") != std::string::npos);
}
