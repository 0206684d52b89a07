#include <algorithm>
#include <catch2/catch_test_macros.hpp>

#include "tests/support/seeded_random.hpp"
#include "tests/unit/control/asker.hpp"

using namespace hedgerow;
using namespace hedgerow::test;

TEST_CASE_METHOD(AskerHarness, "history shows stored messages in order, with their times", "[control]") {
  store("a", "1");
  advance(std::chrono::seconds{1});
  store("a", "2", true);
  store("b", "other");
  publish({.topic = "a", .payload = "live", .qos = 0, .packet_id = 0});
  const FakeAnswerPtr answer = ask(R"({"verb":"history","filter":"a"})");
  settle();
  REQUIRE(answer->documents.size() == 3);
  CHECK(brief(answer->documents) == Texts{"a=1", "a=2", kEnd});
  CHECK(answer->documents[1].find(R"("retain":true,"time":"2027-01-15T08:00:01.000Z","clock":"synchronised",)"
                                  R"("node":"gw-barn")") != std::string::npos);
}

TEST_CASE_METHOD(AskerHarness, "a clock that nothing had set is named with the time", "[control][G10]") {
  wall.quality = ClockQuality::kUnsynchronised;
  store("a", "1");
  const FakeAnswerPtr answer = ask(R"({"verb":"history","filter":"a"})");
  settle();
  CHECK(answer->documents[0].find(R"("clock":"unsynchronised")") != std::string::npos);
}

TEST_CASE_METHOD(AskerHarness, "history begins where it was asked to", "[control]") {
  store("a", "1");
  advance(std::chrono::hours{2});
  store("a", "2");
  CHECK(answer_to(R"({"verb":"history","filter":"a","since":"1h"})") == Texts{"a=2", kEnd});
  CHECK(answer_to(R"({"verb":"history","filter":"a","since":"2027-01-15T08:00:00Z"})") == Texts{"a=1", "a=2", kEnd});
  CHECK(answer_to(R"({"verb":"history","filter":"a","since":"2027-01-15T08:00:00.001Z"})") == Texts{"a=2", kEnd});
  advance(std::chrono::seconds{1});
  CHECK(answer_to(R"({"verb":"history","filter":"a","since":"2099-01-01T00:00:00Z"})") == Texts{kEnd});
}

TEST_CASE_METHOD(AskerHarness, "history leaves out what has expired", "[control]") {
  publish({.topic = "a", .payload = "1", .qos = 1, .packet_id = 1, .properties = property(0x02, u32(60))});
  CHECK(answer_to(R"({"verb":"history","filter":"a"})") == Texts{"a=1", kEnd});
  advance(std::chrono::minutes{2});
  CHECK(answer_to(R"({"verb":"history","filter":"a"})") == Texts{kEnd});
}

TEST_CASE_METHOD(AskerHarness, "what may have expired is left out of get, which says so, and marked in history",
                 "[control][G10][G6]") {
  publish(
      {.topic = "a", .payload = "1", .qos = 1, .packet_id = 1, .retain = true, .properties = property(0x02, u32(60))});
  CHECK(answer_to(R"({"verb":"get","filter":"a"})") == Texts{"a=1", kEnd});
  restart();
  wall.quality = ClockQuality::kUnsynchronised;
  control::Operator after_restart{*node, *this, [this] { return wall; }};
  const auto ask_anew = [&](const char* document) {
    const auto answer = std::make_shared<FakeAnswer>();
    REQUIRE(after_restart.take({.document = document, .body = {}}, answer));
    settle();
    return answer;
  };
  const auto got = ask_anew(R"({"verb":"get","filter":"a"})");
  REQUIRE(got->documents.size() == 2);
  CHECK(got->documents[0].find(R"({"lost":1,"why":"they may have expired)") == 0);
  const auto past = ask_anew(R"({"verb":"history","filter":"a"})");
  REQUIRE(past->documents.size() == 2);
  CHECK(past->documents[0].find(R"("withheld":true)") != std::string::npos);
}

TEST_CASE_METHOD(AskerHarness, "what comes after the question is not part of the answer", "[control]") {
  store("a", "1");
  const FakeAnswerPtr answer = ask(R"({"verb":"history","filter":"a"})", {}, /*room=*/0);
  settle();
  store("a", "2");
  answer->take();
  settle();
  CHECK(brief(answer->documents) == Texts{"a=1", "a=2", kEnd});
  const FakeAnswerPtr begun = ask(R"({"verb":"history","filter":"a"})");
  answer_reads();
  CHECK(begun->finished);
}

TEST_CASE_METHOD(AskerHarness, "the newest messages are found however far back they lie", "[control]") {
  const std::uint64_t seed = 20'261'122;
  INFO("seed " << seed);
  SeededRandom random(seed);
  Texts all;
  for (int i = 0; i < 400; ++i) {
    const bool wanted = i < 3 || random.below(40) == 0;
    store(wanted ? "w" : "noise", std::to_string(i));
    if (wanted) all.push_back("w=" + std::to_string(i));
  }
  for (std::size_t most = 1; most <= all.size() + 1; ++most) {
    const std::size_t count = std::min(most, all.size());
    Texts expected(all.end() - static_cast<std::ptrdiff_t>(count), all.end());
    expected.push_back(kEnd);
    CHECK(answer_to(R"({"verb":"history","filter":"w","limit":)" + std::to_string(most) + "}") == expected);
  }
  CHECK(answer_to(R"({"verb":"history","filter":"nothing","limit":5})") == Texts{kEnd});
}

TEST_CASE_METHOD(AskerHarness, "a long history comes page by page, as fast as it is taken", "[control][G6]") {
  Texts expected;
  for (int i = 0; i < 600; ++i) {
    store("a", std::string(1000, 'x') + std::to_string(i));
    expected.push_back("a=" + std::string(1000, 'x') + std::to_string(i));
  }
  expected.push_back(kEnd);
  const FakeAnswerPtr answer = ask(R"({"verb":"history","filter":"#"})", {}, /*room=*/1);
  settle();
  CHECK(answer->documents.size() < 300);
  CHECK(reads.empty());
  Texts all;
  for (int round = 0; round < 100 && !answer->finished; ++round) {
    const Texts more = brief(answer->take(1));
    all.insert(all.end(), more.begin(), more.end());
    settle();
  }
  const Texts rest = brief(answer->documents);
  all.insert(all.end(), rest.begin(), rest.end());
  CHECK(all == expected);
}

TEST_CASE_METHOD(AskerHarness, "a disk that cannot be read ends the answer with its reason", "[control]") {
  store("a", "1");
  const FakeAnswerPtr answer = ask(R"({"verb":"history","filter":"a"})");
  REQUIRE(reads.size() == 1);
  const Read read = std::move(reads.front());
  reads.pop_front();
  read.failed(now, {Category::kIo, "the disk is gone"});
  CHECK(answer->documents == Texts{R"({"error":"the disk is gone"})"});
  CHECK(asked.streams() == 0);
}
