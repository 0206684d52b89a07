// get, set and gaps, and what all answers have in common.
#include <catch2/catch_test_macros.hpp>

#include "daemon/control/limits.hpp"
#include "tests/unit/control/asker.hpp"

using namespace hedgerow;
using namespace hedgerow::test;

namespace {

sync::ChannelNo channel_of(const NodeHarness& harness, std::string_view topic) {
  return harness.node->channels().owner_of(topic)->number;
}

void write_gap(NodeHarness& harness, std::string_view topic, const sync::Gap& gap) {
  REQUIRE(harness.storage.begin());
  REQUIRE(harness.storage.add_gap(channel_of(harness, topic), gap));
  REQUIRE(harness.storage.commit());
}

}  // namespace

TEST_CASE_METHOD(AskerHarness, "get shows a topic's retained message, when it was written and by whom", "[control]") {
  store("a", "1", true);
  store("a/b", "2", true);
  const FakeAnswerPtr answer = ask(R"({"verb":"get","filter":"a"})");
  settle();
  REQUIRE(answer->documents.size() == 2);
  CHECK(answer->documents[0] ==
        R"({"topic":"a","payload":"1","qos":1,"retain":true,"time":"2027-01-15T08:00:00.000Z","clock":"synchronised",)"
        R"("node":"gw-barn","replica":"0000000000000001","channel":"default"})");
  CHECK(answer->documents[1] == kEnd);
}

TEST_CASE_METHOD(AskerHarness, "get shows all that a filter matches, and nothing that was deleted or has expired",
                 "[control]") {
  store("a/1", "1", true);
  store("a/2", "2", true);
  store("a/2", "", true);
  store("a/3", "ordinary");
  store("b", "other", true);
  publish({.topic = "a/4",
           .payload = "4",
           .qos = 1,
           .packet_id = 1,
           .retain = true,
           .properties = property(0x02, u32(60))});
  CHECK(answer_to(R"({"verb":"get","filter":"a/#"})") == Texts{"a/1=1", "a/4=4", kEnd});
  advance(std::chrono::minutes{2});
  CHECK(answer_to(R"({"verb":"get","filter":"a/#"})") == Texts{"a/1=1", kEnd});
}

TEST_CASE_METHOD(AskerHarness, "get sees a QoS 0 message that is not stored yet", "[control]") {
  TestClient client(*this, {.client_id = "publisher"});
  client.send(encode(PublishSent{.topic = "a", .payload = "now", .qos = 0, .packet_id = 0, .retain = true}));
  CHECK(answer_to(R"({"verb":"get","filter":"a"})") == Texts{"a=now", kEnd});
}

TEST_CASE_METHOD(AskerHarness, "get shows the node's own values", "[control]") {
  CHECK(answer_to(R"({"verb":"get","filter":"$SYS/broker/version"})") ==
        Texts{"$SYS/broker/version=hedgerow version test", kEnd});
}

TEST_CASE_METHOD(AskerHarness, "get of nothing ends at once", "[control]") {
  CHECK(answer_to(R"({"verb":"get","filter":"a"})") == Texts{kEnd});
}

TEST_CASE_METHOD(AskerHarness, "many retained messages come page by page, as fast as they are taken", "[control][G6]") {
  Texts expected;
  for (int i = 100; i < 300; ++i) {
    store("a/" + std::to_string(i), std::string(1000, 'x'), true);
    expected.push_back("a/" + std::to_string(i) + "=" + std::string(1000, 'x'));
  }
  expected.push_back(kEnd);
  const FakeAnswerPtr answer = ask(R"({"verb":"get","filter":"a/+"})", {}, /*room=*/1);
  settle();
  CHECK(answer->documents.size() < 100);
  CHECK(reads.empty());  // nothing is read ahead
  Texts all;
  for (int round = 0; round < 50 && !answer->finished; ++round) {
    const Texts more = brief(answer->take(1));
    all.insert(all.end(), more.begin(), more.end());
    settle();
  }
  const Texts rest = brief(answer->documents);
  all.insert(all.end(), rest.begin(), rest.end());
  CHECK(all == expected);
}

TEST_CASE_METHOD(AskerHarness, "set answers once the message is on disk", "[control][G1]") {
  const FakeAnswerPtr answer = ask(R"({"verb":"set","topic":"a","retain":true})", "42");
  answer_reads();
  CHECK(answer->documents.empty());
  settle();
  CHECK(answer->documents == Texts{R"({"stored":true})"});
  CHECK(answer_to(R"({"verb":"get","filter":"a"})") == Texts{"a=42", kEnd});
}

TEST_CASE_METHOD(AskerHarness, "set reaches those who subscribe, and an empty value deletes", "[control]") {
  TestClient client(*this, {.client_id = "c"});
  client.send(encode_subscribe(1, {{"a", 1}}));
  settle();
  answer_to(R"({"verb":"set","topic":"a","retain":true})", "42");
  answer_to(R"({"verb":"set","topic":"a","retain":true})", "");
  CHECK(client.messages() == Texts{"a=42", "a="});
  CHECK(answer_to(R"({"verb":"get","filter":"a"})") == Texts{kEnd});
}

TEST_CASE_METHOD(AskerHarness, "a message that is not retained leaves what is", "[control]") {
  answer_to(R"({"verb":"set","topic":"a","retain":true})", "stays");
  answer_to(R"({"verb":"set","topic":"a","retain":false})", "passes");
  CHECK(answer_to(R"({"verb":"get","filter":"a"})") == Texts{"a=stays", kEnd});
}

TEST_CASE_METHOD(AskerHarness, "what nodes write themselves cannot be set", "[control]") {
  for (const char* const topic : {"hedgerow", "hedgerow/orchard/nodes/gw-barn/health", "$SYS/x"}) {
    CHECK(answer_to(std::string(R"({"verb":"set","topic":")") + topic + R"("})", "x") ==
          Texts{R"({"error":"topics that begin with hedgerow/ or $ are written by the nodes themselves"})"});
  }
}

TEST_CASE_METHOD(AskerHarness, "a message larger than a client may send is refused", "[control][G6]") {
  const Texts answer = answer_to(R"({"verb":"set","topic":"a"})", std::string(std::size_t{1} << 20U, 'x'));
  REQUIRE(answer.size() == 1);
  CHECK(answer[0] == R"x({"error":"the message has 1048587 bytes, more than limits.packet_bytes allows (1048576)"})x");
}

TEST_CASE_METHOD(AskerHarness, "a full disk refuses with its reason", "[control][G6]") {
  storage.fail_next_commit({Category::kLimit, "the disk is full: make room"});
  CHECK(answer_to(R"({"verb":"set","topic":"a"})", "x") == Texts{R"({"error":"the disk is full: make room"})"});
  CHECK(answer_to(R"({"verb":"set","topic":"a"})", "x") == Texts{R"({"stored":true})"});
}

TEST_CASE_METHOD(AskerHarness, "gaps shows what is missing here, by channel", "[control][G6]") {
  write_gap(*this, "a", {.replica = sync::ReplicaId{1}, .first = 1, .last = 3, .reason = sync::GapReason::kSize});
  write_gap(*this, "hedgerow/x",
            {.replica = sync::ReplicaId{7}, .first = 2, .last = 2, .reason = sync::GapReason::kTrimmedElsewhere});
  const std::string ours =
      R"({"channel":"default","node":"gw-barn","replica":"0000000000000001","first":1,"last":3,"count":3,)"
      R"("reason":"size","why":"the channel had grown larger than this node keeps"})";
  const std::string other =
      R"({"channel":"hedgerow","node":null,"replica":"0000000000000007","first":2,"last":2,"count":1,)"
      R"("reason":"trimmed elsewhere","why":"no node that this one heard them of held them any more"})";
  CHECK(answer_to(R"({"verb":"gaps"})") == Texts{other, ours, kEnd});
  CHECK(answer_to(R"({"verb":"gaps","filter":"a/b"})") == Texts{ours, kEnd});
  CHECK(answer_to(R"({"verb":"gaps","filter":"hedgerow/orchard"})") == Texts{other, kEnd});
  CHECK(answer_to(R"({"verb":"gaps","filter":"hedgerow/#"})") == Texts{other, ours, kEnd});
  CHECK(answer_to(R"({"verb":"gaps","filter":"a/+"})") == Texts{ours, kEnd});
}

TEST_CASE_METHOD(AskerHarness, "the names of other nodes come from what they say of themselves", "[control]") {
  write_gap(*this, "a", {.replica = sync::ReplicaId{7}, .first = 1, .last = 1, .reason = sync::GapReason::kAge});
  REQUIRE(storage.begin());
  // gw-house has removed gw-barn: what that said of itself is deleted, in the name of the other.
  for (const auto& [topic, payload] : {std::pair{"hedgerow/orchard/nodes/gw-barn/health", ""},
                                       std::pair{"hedgerow/orchard/nodes/gw-house/health", "x"}}) {
    REQUIRE(storage.put_cell(
        channel_of(*this, "hedgerow/x"),
        {.order = {.stamp = {.wall_ms = 1}, .replica = sync::ReplicaId{7}, .seq = 1},
         .arrival = 1,
         .qos = 1,
         .message = std::make_shared<const sync::Message>(sync::Message{
             .topic = topic, .properties = {}, .payload = to_bytes(std::string_view(payload)), .expiry_s = {}})}));
  }
  REQUIRE(storage.commit());
  CHECK(answer_to(R"({"verb":"gaps"})")[0].find(R"("node":"gw-house")") != std::string::npos);
}

TEST_CASE_METHOD(AskerHarness, "a request that makes no sense is refused", "[control]") {
  CHECK(answer_to("{").front().starts_with(R"({"error":)"));
  CHECK(answer_to(R"({"verb":"get","filter":"a#"})").front().starts_with(R"({"error":)"));
  CHECK(answer_to(R"({"verb":"history","filter":"a","since":"soon"})").front().starts_with(R"({"error":)"));
  auto answer = std::make_shared<FakeAnswer>();
  CHECK_FALSE(asked.take({.document = R"({"verb":"status"})"}, answer));
}

TEST_CASE_METHOD(AskerHarness, "one stream too many is refused until another ends", "[control][G6]") {
  std::vector<FakeAnswerPtr> streams;
  for (std::size_t i = 0; i < control::kStreamsMax; ++i) streams.push_back(ask(R"({"verb":"watch","filter":"a"})"));
  settle();
  CHECK(answer_to(R"({"verb":"get","filter":"a"})").front().starts_with(R"({"error":"8 programs read from)"));
  CHECK(answer_to(R"({"verb":"set","topic":"a"})", "x") == Texts{R"({"stored":true})"});
  streams.front()->go();
  CHECK(answer_to(R"({"verb":"get","filter":"a"})") == Texts{"a=x", kEnd});
}

TEST_CASE_METHOD(AskerHarness, "who has gone leaves nothing behind", "[control]") {
  store("a", "1", true);
  for (const char* const request : {R"({"verb":"get","filter":"a"})", R"({"verb":"watch","filter":"a"})",
                                    R"({"verb":"history","filter":"a"})", R"({"verb":"gaps"})"}) {
    const FakeAnswerPtr early = ask(request);
    early->go();
    CHECK(asked.streams() == 0);
    settle();
    CHECK(early->documents.empty());
  }
  const FakeAnswerPtr late = ask(R"({"verb":"watch","filter":"a"})");
  settle();
  late->go();
  CHECK(asked.streams() == 0);
  CHECK(late.use_count() == 1);
  store("a", "2");
  CHECK(brief(late->documents) == Texts{"a=1"});
}

TEST_CASE_METHOD(NodeHarness, "nothing of a spooled channel is shown but its gaps", "[control]") {
  more_channels = {{.name = "video", .filter = "video/#"}};
  restart();
  const sync::ChannelNo video = channel_of(*this, "video/x");
  TestClient publisher(*this, {.client_id = "publisher"});
  publisher.send(encode(PublishSent{.topic = "video/x", .payload = "1", .qos = 1, .packet_id = 1, .retain = true}));
  settle();
  publisher.drop();
  more_channels[0].spooled = true;
  restart();
  REQUIRE(storage.begin());
  REQUIRE(
      storage.add_gap(video, {.replica = sync::ReplicaId{7}, .first = 1, .last = 3, .reason = sync::GapReason::kSize}));
  REQUIRE(storage.commit());
  control::Operator asked{*node, *this, [this] { return wall; }};
  const auto answer_to = [&](std::string document) {
    const auto answer = std::make_shared<FakeAnswer>();
    REQUIRE(asked.take({.document = std::move(document), .body = {}}, answer));
    settle();
    return brief(answer->documents);
  };
  CHECK(answer_to(R"({"verb":"get","filter":"video/x"})") == Texts{kEnd});
  CHECK(answer_to(R"({"verb":"history","filter":"video/#"})") == Texts{kEnd});
  for (const char* request :
       {R"({"verb":"gaps"})", R"({"verb":"gaps","filter":"video/x"})", R"({"verb":"gaps","filter":"video/#"})"}) {
    const Texts gaps = answer_to(request);
    REQUIRE(gaps.size() == 2);
    CHECK(gaps[0].starts_with(R"({"channel":"video",)"));
  }
  CHECK(answer_to(R"({"verb":"gaps","filter":"other/x"})") == Texts{kEnd});
}
