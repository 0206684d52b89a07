// What costs long is done in pieces, a turn of the loop each, so that others are served between: G6.
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/node/exchange.hpp"

using namespace hedgerow;
using namespace hedgerow::test;
using Texts = std::vector<std::string>;

namespace {

constexpr unsigned kMessages = 20;

// A thousand filters of about 125 levels, none of which matches a name of as many levels "a".
std::vector<FilterSent> long_filters() {
  std::string tail;
  for (int i = 0; i < 115; ++i) tail += "/a";
  std::vector<FilterSent> out;
  for (unsigned branch = 0; branch < 990; ++branch) {
    std::string filter;
    for (unsigned level = 0; level < 10; ++level) filter += (branch >> level & 1U) == 0 ? "/a" : "/+";
    out.push_back({filter.substr(1) + tail + "/z", 1});
  }
  return out;
}

std::string long_topic() {
  std::string out = "a";
  for (int i = 1; i < 126; ++i) out += "/a";
  return out;
}

Bytes publishes(unsigned qos) {
  Bytes out;
  for (unsigned i = 1; i <= kMessages; ++i) {
    append(out, encode(PublishSent{
                    .topic = long_topic(), .payload = std::to_string(i), .qos = qos, .packet_id = qos > 0 ? i : 0U}));
  }
  return out;
}

Texts all_messages() {
  Texts out;
  for (unsigned i = 1; i <= kMessages; ++i) out.push_back(long_topic() + "=" + std::to_string(i));
  return out;
}

struct TurnsHarness : NodeHarness {
  [[nodiscard]] bool wants_turn() const { return node->next_deadline() <= now; }
  // Turns of the loop until nothing waits for one.
  unsigned run_turns() {
    unsigned turns = 0;
    for (; wants_turn(); ++turns) {
      REQUIRE(turns < 1000);
      advance({});
      settle();
    }
    return turns;
  }
};

void add_messages(Texts& out, TestClient& client) {
  for (std::string& message : client.messages(/*acknowledge=*/false)) out.push_back(std::move(message));
}

}  // namespace

TEST_CASE_METHOD(TurnsHarness, "who publishes what is dear to match waits for the next turn of the loop",
                 "[node][G6]") {
  TestClient matcher(*this, {.client_id = "matcher"});
  matcher.send(encode_subscribe(1, long_filters()));
  TestClient watcher(*this, {.client_id = "watcher"});
  watcher.send(encode_subscribe(1, {{"#", 0}}));
  settle();
  run_turns();
  watcher.received();
  TestClient publisher(*this, {.client_id = "publisher"});
  publisher.send(publishes(0));
  CHECK(publisher.stream.paused);
  CHECK(wants_turn());
  Texts got;
  add_messages(got, watcher);
  CHECK(got.size() <= 2);
  CHECK(run_turns() >= kMessages / 2 - 1);
  add_messages(got, watcher);
  CHECK(got == all_messages());
  CHECK_FALSE(publisher.stream.paused);
}

TEST_CASE_METHOD(TurnsHarness, "what is dear to match falls behind, and each goes on from the log in turns",
                 "[node][G6][MQTT-4.6.0-5]") {
  TestClient matcher(*this, keeping("matcher"));
  auto filters = long_filters();
  filters.push_back({"#", 1});
  matcher.send(encode_subscribe(1, filters));
  TestClient watcher(*this, {.client_id = "watcher"});
  watcher.send(encode_subscribe(1, {{"#", 1}}));
  TestClient member(*this, keeping("member"));
  member.send(encode_subscribe(1, {{"$share/g/#", 1}}));
  settle();
  run_turns();
  for (TestClient* client : {&matcher, &watcher, &member}) client->received();
  TestClient publisher(*this, {.client_id = "publisher"});
  publisher.send(publishes(1));
  commit();
  Texts got;
  add_messages(got, watcher);
  CHECK(got.size() <= 2);
  CHECK(run_turns() >= kMessages / 2 - 1);
  add_messages(got, watcher);
  CHECK(got == all_messages());
  CHECK(matcher.messages() == all_messages());
  CHECK(member.messages() == all_messages());
  settle();

  // And from the log when it comes back.
  matcher.drop();
  publisher.send(publishes(1));
  settle();
  run_turns();
  TestClient back(*this, keeping("matcher"));
  got.clear();
  add_messages(got, back);
  CHECK(got.size() <= 2);
  CHECK(run_turns() >= kMessages / 2 - 1);
  add_messages(got, back);
  CHECK(got == all_messages());
}

TEST_CASE_METHOD(TurnsHarness, "who subscribes on and on while much is on its way to it waits for the next turn",
                 "[node][G6]") {
  constexpr unsigned kAgain = 500;
  TestClient greedy(*this, {.client_id = "greedy"});
  greedy.send(encode_subscribe(1, long_filters()));  // their retained messages are being read
  advance({});
  greedy.received();
  Bytes again;
  for (unsigned i = 1; i <= kAgain; ++i) append(again, encode_subscribe(i, {{"a", 0}}));
  greedy.send(again);
  CHECK(greedy.stream.paused);
  CHECK(wants_turn());
  std::size_t answers = greedy.received().size();
  CHECK(answers < kAgain / 2);
  CHECK(run_turns() > 1);
  answers += greedy.received().size();
  CHECK(answers == kAgain);
  CHECK_FALSE(greedy.stream.paused);
}
