// Engine::fill(): what another node trimmed comes back from one that still holds it.
#include <catch2/catch_test_macros.hpp>

#include "sync/limits.hpp"
#include "tests/unit/sync/sync_node.hpp"

namespace hedgerow::test {
namespace {

constexpr ReplicaId kWriter{1};

Bytes fill_token(const std::vector<FillRange>& ranges) {
  Bytes token;
  for (const FillRange& range : ranges) add_fill_range(token, range);
  return token;
}

// b trimmed the writer's 1 to 7 and holds 8 and 9; `holder` has all, `late` came to b empty.
class FillFixture {
 public:
  FillFixture() {
    for (int i = 1; i <= 6; ++i) writer.write("t/" + std::to_string(i), "old", kRetained);
    writer.write("t/1", "new", kRetained);
    give(holder, 0);
    give(b, 0);
    b.trim_all();
    for (int i = 8; i <= 9; ++i) writer.write("t/8", "new", kRetained);
    give(holder, 7);
    give(b, 7);
    Puller puller;
    puller.finish(late, b);
    late.now_ms = writer.now_ms;
  }

  void give(SyncNode& to, Seq held) {
    to.now_ms = writer.now_ms;
    Frontier frontier;
    if (held > 0) frontier.push_back({.replica = kWriter, .seq = held});
    for (const Bytes& segment : segments_of(writer, 1U << 20U, frontier)) {
      REQUIRE(to.receive(segment) == ReceiveResult::kApplied);
    }
  }
  // What `from` has for these of the writer's; empty: nothing.
  static Bytes ask(SyncNode& from, Seq first, Seq last, const SyncNode& asker, std::uint32_t window = 1U << 16U) {
    const auto answer = from.answer({.frontier = asker.frontier(),
                                     .token = fill_token({{.replica = kWriter, .first = first, .last = last}}),
                                     .window_bytes = window});
    REQUIRE(answer);
    const auto& segments = std::get<RangeAnswer>(*answer).segments;
    REQUIRE(segments.size() <= 1);
    return segments.empty() ? Bytes{} : segments.front();
  }
  static ReceiveResult fill(SyncNode& to, ByteView segment, WallTime now) {
    ReceiveResult result{};
    to.turn([&](Engine& engine) {
      const auto filled = engine.fill(now, to.c, segment);
      REQUIRE(filled);
      result = *filled;
    });
    return result;
  }
  ReceiveResult fill_late(ByteView segment) { return fill(late, segment, at(late.now_ms)); }
  static std::vector<std::string> gaps(SyncNode& node) {
    std::vector<std::string> out;
    const std::vector<Gap> gaps = node.storage.open_view().value()->gaps(node.c).value();
    for (const Gap& gap : gaps) {
      out.push_back(std::to_string(gap.first) + "-" + std::to_string(gap.last) +
                    (gap.reason == GapReason::kTrimmedElsewhere ? " elsewhere" : " here"));
    }
    return out;
  }
  static ReplicaState state(const SyncNode& node) { return node.replicas().front(); }

  SyncNode writer{1};
  SyncNode b{2};
  SyncNode holder{3};
  SyncNode late{4};
};

using Names = std::vector<std::string>;

TEST_CASE_METHOD(FillFixture, "a gap is filled from a node that holds it", "[sync][G3][G6]") {
  REQUIRE(gaps(late) == Names{"1-7 elsewhere"});
  CHECK(state(late).fill_first == 1);
  CHECK(state(late).fill_last == 7);
  CHECK(fill_late(ask(holder, 1, 7, late)) == ReceiveResult::kApplied);
  CHECK(gaps(late).empty());
  CHECK(state(late).fill_last == 0);
  CHECK(late.log() == holder.log());
  CHECK(late.digest() == holder.digest());
}

TEST_CASE_METHOD(FillFixture, "what fills a gap sets no retained message", "[sync][G4]") {
  fill_late(ask(holder, 1, 7, late));
  CHECK(late.value("t/1") == "new");
  CHECK(late.engine->totals().live_cells == holder.engine->totals().live_cells);
}

TEST_CASE_METHOD(FillFixture, "what fills a gap arrives as something new, and is read from the log", "[sync]") {
  const Arrival before = late.engine->last_arrival();
  Committed committed;
  REQUIRE(late.engine->begin());
  REQUIRE(late.engine->fill(at(late.now_ms), late.c, ask(holder, 1, 7, late)));
  committed = late.engine->commit().value();
  CHECK(committed.segments.empty());
  CHECK(committed.merged == std::vector{late.c});
  CHECK(committed.last_arrival == before + 7);
}

TEST_CASE_METHOD(FillFixture, "a gap is filled piece by piece from above, also over restarts", "[sync][G6]") {
  CHECK(fill_late(ask(holder, 5, 7, late)) == ReceiveResult::kApplied);
  CHECK(gaps(late) == Names{"1-4 elsewhere"});
  late.reopen();
  CHECK(state(late).fill_last == 4);
  CHECK(fill_late(ask(holder, 1, 4, late)) == ReceiveResult::kApplied);
  CHECK(gaps(late).empty());
  CHECK(late.digest() == holder.digest());
}

TEST_CASE_METHOD(FillFixture, "what does not end where the gap ends changes nothing", "[sync][G2]") {
  CHECK(fill_late(ask(holder, 1, 6, late)) == ReceiveResult::kDuplicate);
  CHECK(gaps(late) == Names{"1-7 elsewhere"});
}

TEST_CASE_METHOD(FillFixture, "what another chain tells is refused", "[sync][G5]") {
  SyncNode forger(1);
  for (int i = 1; i <= 7; ++i) forger.write("t/1", "forged", kRetained);
  const std::vector<std::string> before = late.log();
  CHECK(fill_late(segments_of(forger).front()) != ReceiveResult::kApplied);
  const Bytes forged = ask(forger, 1, 7, late);
  CHECK(fill_late(forged) == ReceiveResult::kFork);
  CHECK(late.log() == before);
  CHECK(gaps(late) == Names{"1-7 elsewhere"});
}

TEST_CASE_METHOD(FillFixture, "a gap right at the frontier is held to the frontier's hash", "[sync][G5]") {
  SyncNode trimmed(5);
  give(trimmed, 0);
  trimmed.trim_all();
  SyncNode newcomer(6);
  Puller puller;
  puller.finish(newcomer, trimmed);
  newcomer.now_ms = writer.now_ms;
  CHECK(fill(newcomer, ask(holder, 1, 9, newcomer), at(newcomer.now_ms)) == ReceiveResult::kApplied);
  CHECK(newcomer.digest() == holder.digest());
}

TEST_CASE_METHOD(FillFixture, "what this node trimmed is not taken back", "[sync][G6]") {
  CHECK(state(b).trimmed == 7);
  CHECK(state(b).fill_last == 0);
  CHECK(fill(b, ask(holder, 1, 7, b), at(b.now_ms)) == ReceiveResult::kDuplicate);
  fill_late(ask(holder, 3, 7, late));
  late.trim_all();
  CHECK(state(late).fill_last == 0);
  CHECK(fill_late(ask(holder, 1, 2, late)) == ReceiveResult::kDuplicate);
}

TEST_CASE_METHOD(FillFixture, "what this node trimmed below a gap does not end its filling", "[sync][G6]") {
  SyncNode began(7);
  began.now_ms = writer.now_ms;
  const std::vector<Bytes> written = segments_of(writer);
  for (std::size_t i = 0; i < 3; ++i) REQUIRE(began.receive(written[i]) == ReceiveResult::kApplied);
  Puller puller;
  puller.finish(began, b);
  REQUIRE(gaps(began) == Names{"4-7 elsewhere"});
  began.now_ms = writer.now_ms;
  while (began.trim(writer.now_ms - 1 + 1'000'000)) {
  }
  REQUIRE(gaps(began) == Names{"4-7 elsewhere", "1-3 here"});
  CHECK(fill(began, ask(holder, 4, 7, began), at(began.now_ms)) == ReceiveResult::kApplied);
  CHECK(gaps(began) == Names{"1-3 here"});
}

TEST_CASE_METHOD(FillFixture, "what keep's age would drop at once is not taken, nor asked for again", "[sync]") {
  const WallTime later = at(late.now_ms + 2'000'000);
  CHECK(fill(late, ask(holder, 1, 7, late), later) == ReceiveResult::kDuplicate);
  CHECK(gaps(late) == Names{"1-7 elsewhere"});
  CHECK(state(late).fill_last == 0);
}

TEST_CASE_METHOD(FillFixture, "a log without room takes nothing", "[sync][G6]") {
  SyncNode small(7, {.age_ms = 1'000'000, .size_bytes = 200});
  Puller puller;
  puller.finish(small, b);
  small.now_ms = writer.now_ms;
  CHECK(fill(small, ask(holder, 1, 7, small), at(small.now_ms)) == ReceiveResult::kGap);
  CHECK(gaps(small) == Names{"1-7 elsewhere"});
}

TEST_CASE_METHOD(FillFixture, "a turn that failed filled nothing", "[sync][G1]") {
  late.storage.fail_next_commit({Category::kLimit, "full"});
  REQUIRE(late.engine->begin());
  REQUIRE(late.engine->fill(at(late.now_ms), late.c, ask(holder, 1, 7, late)));
  CHECK_FALSE(late.engine->commit());
  CHECK(gaps(late) == Names{"1-7 elsewhere"});
  CHECK(state(late).fill_last == 7);
  CHECK(fill_late(ask(holder, 1, 7, late)) == ReceiveResult::kApplied);
}

TEST_CASE_METHOD(FillFixture, "a node that was filled serves newcomers as before", "[sync][G3]") {
  fill_late(ask(holder, 4, 7, late));
  SyncNode newcomer(8);
  Puller puller;
  puller.finish(newcomer, late, 300);
  newcomer.now_ms = writer.now_ms;
  CHECK(newcomer.frontier() == holder.frontier());
  CHECK(newcomer.digest() == holder.digest());
  REQUIRE(state(newcomer).fill_last == 7);
  CHECK(fill(newcomer, ask(late, 1, 7, newcomer), at(newcomer.now_ms)) == ReceiveResult::kApplied);
  CHECK(gaps(newcomer) == Names{"1-3 elsewhere"});
  CHECK(ask(late, 1, 3, newcomer).empty());
}

TEST_CASE_METHOD(FillFixture, "an answer that fills keeps to its window, and brings the upper end", "[sync][G6]") {
  const Bytes whole = ask(holder, 1, 7, late);
  const Bytes part = ask(holder, 1, 7, late, static_cast<std::uint32_t>(whole.size() / 2));
  CHECK(part.size() < whole.size());
  CHECK(peek_segment(part)->last_seq() == 7);
  CHECK(fill_late(part) == ReceiveResult::kApplied);
}

TEST_CASE("an answer that fills keeps to its window also where the last ops of a row are the largest", "[sync][G6]") {
  SyncNode holder(1);
  holder.turn([&](Engine& to) {
    for (std::size_t i = 1; i <= 40; ++i) {
      REQUIRE(to.write(
          at(++holder.now_ms),
          {.channel = holder.c, .kind = kRecord, .publisher = 1, .message = message("t", std::string(i * 10, 'x'))}));
    }
  });
  const auto answer = holder.answer(
      {.frontier = {}, .token = fill_token({{.replica = ReplicaId{1}, .first = 1, .last = 40}}), .window_bytes = 3000});
  REQUIRE(answer);
  const Bytes& segment = std::get<RangeAnswer>(*answer).segments.at(0);
  CHECK(segment.size() <= 3000);
  CHECK(peek_segment(segment)->last_seq() == 40);
}

TEST_CASE_METHOD(FillFixture, "who lacks the upper end of a gap has nothing for it", "[sync]") {
  CHECK(ask(b, 1, 7, late).empty());
}

TEST_CASE_METHOD(FillFixture, "a broken question for what fills gaps is refused", "[sync][G6]") {
  const Bytes token = fill_token({{.replica = kWriter, .first = 1, .last = 7}});
  const auto is_refused = [&](Bytes broken) {
    const auto answer = holder.answer({.frontier = {}, .token = std::move(broken), .window_bytes = 1000});
    return !answer && answer.error().category == Category::kInvalidInput;
  };
  for (std::size_t length = 1; length < token.size(); ++length) {
    CHECK(is_refused({token.begin(), token.begin() + static_cast<std::ptrdiff_t>(length)}));
  }
  Bytes longer = token;
  longer.push_back(0);
  CHECK(is_refused(longer));
  CHECK(is_refused(fill_token({{.replica = kWriter, .first = 0, .last = 7}})));
  CHECK(is_refused(fill_token({{.replica = kWriter, .first = 8, .last = 7}})));
  CHECK(is_refused(
      fill_token({{.replica = kWriter, .first = 1, .last = 1}, {.replica = kWriter, .first = 2, .last = 2}})));
}

}  // namespace
}  // namespace hedgerow::test
