#include "sync/engine/pull.hpp"

#include <algorithm>
#include <gsl/assert>
#include <optional>
#include <string>
#include <utility>

#include "sync/engine/branches.hpp"
#include "sync/engine/merged_cell.hpp"
#include "sync/engine/page.hpp"
#include "sync/engine/pull_fill.hpp"
#include "sync/log/chain.hpp"
#include "sync/log/codec.hpp"
#include "sync/log/segment.hpp"

namespace hedgerow::sync {

namespace {

constexpr std::size_t kBatchBytes = std::size_t{64} << 10U;
constexpr std::size_t kCellOverheadBytes = 64;  // what a cell costs to read beside its message, about

// Where the next page goes on.
//
//   token    = version:u8=1 page_no:varint phase:u8 position start
//   position = length:varint topic         phase 1: cells after this topic
//            | arrival:varint              phase 2: the log after this arrival
//   start    = n:varint (replica:u64 seq:varint){n}      our frontier when page 0 was made
struct Token {
  std::uint64_t page_no = 0;
  bool in_log = false;
  std::string topic;
  Arrival arrival = 0;
  Frontier start;
};

constexpr std::uint8_t kTokenVersion = 1;
constexpr std::uint8_t kDescribeToken = 2;
constexpr std::uint8_t kPartToken = 4;

Bytes encode_token(const Token& token) {
  Bytes bytes;
  Writer out(bytes);
  out.u8(kTokenVersion);
  out.varint(token.page_no);
  out.u8(token.in_log ? 2 : 1);
  if (token.in_log) {
    out.varint(token.arrival);
  } else {
    out.sized(token.topic);
  }
  out.varint(token.start.size());
  for (const FrontierEntry& entry : token.start) {
    out.u64(static_cast<std::uint64_t>(entry.replica));
    out.varint(entry.seq);
  }
  Ensures(bytes.size() <= kResumeTokenBytesMax);
  return bytes;
}

Expected<Token> decode_token(ByteView bytes) {
  Reader in(bytes);
  Token token;
  const std::uint8_t version = in.u8();
  token.page_no = in.varint_up_to(kPagesMax - 1);
  const std::uint8_t phase = in.u8();
  token.in_log = phase == 2;
  if (token.in_log) {
    token.arrival = in.varint_up_to(kSeqMax);
  } else {
    token.topic = as_text(in.sized(kTopicBytesMax));
  }
  const auto count = static_cast<std::size_t>(in.varint_up_to(kReplicasPerChannelMax));
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    FrontierEntry entry;
    entry.replica = ReplicaId{in.u64()};
    entry.seq = in.varint();
    token.start.push_back(entry);
  }
  if (!in.at_end() || version != kTokenVersion || (phase != 1 && phase != 2) || !is_ordered_by_replica(token.start)) {
    return fail(Category::kInvalidInput, "pull: the resume token is not one of ours: ask without it");
  }
  return token;
}

// One question being answered.
class Answer {
 public:
  Answer(ReadView& view, Hasher& hasher, ChannelNo channel, std::string_view name, const Frontier& theirs,
         std::size_t window, std::vector<ReplicaState> ours)
      : view_(view),
        chain_(hasher),
        channel_(channel),
        name_(name),
        theirs_(theirs),
        window_(window),
        ours_(std::move(ours)) {}

  // True iff every op that they lack is in our log.
  [[nodiscard]] bool is_range() const {
    return std::all_of(ours_.begin(), ours_.end(), [this](const ReplicaState& state) {
      const Seq held = seq_in(theirs_, state.replica);
      return state.seq <= held || held >= state.trimmed;
    });
  }
  // True iff we name a branch that they do not list.
  [[nodiscard]] bool has_untold_branch() const {
    return std::any_of(ours_.begin(), ours_.end(), [this](const ReplicaState& state) {
      return is_branch(state) && !lists(theirs_, state.replica);
    });
  }
  [[nodiscard]] DescribeAnswer describe() const { return {.states = ours_}; }
  [[nodiscard]] Frontier start() const { return frontier_of(ours_); }
  // True iff something that came after `start` is not in our log any more: see pull.hpp.
  [[nodiscard]] bool is_broken_since(const Frontier& start) const {
    return std::any_of(ours_.begin(), ours_.end(),
                       [&start](const ReplicaState& state) { return state.trimmed > seq_in(start, state.replica); });
  }

  void leave_out(const std::set<ReplicaId>& replicas) {
    std::erase_if(ours_, [&](const ReplicaState& state) { return replicas.contains(state.replica); });
  }
  [[nodiscard]] Expected<PullAnswer> fill(ByteView token) {
    return answer_fill(view_, chain_, {.channel = channel_, .name = name_, .states = ours_}, token, window_);
  }
  [[nodiscard]] Expected<PullAnswer> range();
  [[nodiscard]] Expected<PullAnswer> snapshot(Token token);

 private:
  // What a walk found.
  enum class Walk : std::uint8_t { kEnd, kFull };

  Expected<Walk> range_of(const ReplicaState& state, RangeAnswer& out, std::size_t& bytes);
  Expected<Walk> walk_cells(Token& token, PageBuilder& page);
  Expected<Walk> walk_log(Token& token, PageBuilder& page);
  Expected<Walk> add_row(const SegmentRow& row, Token& token, PageBuilder& page);
  // What the replica's chain bears.
  [[nodiscard]] ChainName chain_name(ReplicaId replica) const {
    const auto found =
        std::lower_bound(ours_.begin(), ours_.end(), replica,
                         [](const ReplicaState& state, ReplicaId wanted) { return state.replica < wanted; });
    const bool known = found != ours_.end() && found->replica == replica;
    return {.channel = name_, .replica = known ? root_of(*found) : replica};
  }
  [[nodiscard]] bool is_full(const PageBuilder& page) const {
    return scanned_ >= kAnswerScanBytesMax || (!page.is_empty() && page.size_bytes() >= window_);
  }
  [[nodiscard]] tl::unexpected<Error> broken(ReplicaId replica, Seq seq) const {
    return fail(Category::kCorrupt, "pull: channel " + std::string(name_) + ": our log lacks op " +
                                        std::to_string(seq) + " of replica " +
                                        std::to_string(static_cast<std::uint64_t>(replica)));
  }

  ReadView& view_;
  Chain chain_;
  ChannelNo channel_;
  std::string_view name_;
  const Frontier& theirs_;
  std::size_t window_;
  std::size_t scanned_ = 0;
  std::vector<ReplicaState> ours_;
};

// What leads to a branch comes before it.
Expected<PullAnswer> Answer::range() {
  RangeAnswer out;
  std::size_t bytes = 0;
  std::vector<const ReplicaState*> lacked;
  for (const ReplicaState& state : ours_) {
    if (state.seq > seq_in(theirs_, state.replica)) lacked.push_back(&state);
  }
  std::sort(lacked.begin(), lacked.end(), [](const ReplicaState* a, const ReplicaState* b) {
    return std::pair(base_of(*a), a->replica) < std::pair(base_of(*b), b->replica);
  });
  for (const ReplicaState* state : lacked) {
    const auto walked = range_of(*state, out, bytes);
    if (!walked) return tl::make_unexpected(walked.error());
    if (*walked == Walk::kFull) {
      out.more = true;
      break;
    }
  }
  return out;
}

Expected<Answer::Walk> Answer::range_of(const ReplicaState& state, RangeAnswer& out, std::size_t& bytes) {
  Seq next = seq_in(theirs_, state.replica) + 1;
  while (next <= state.seq) {
    if (!out.segments.empty() && bytes >= window_) return Walk::kFull;
    auto rows = view_.segments(channel_, state.replica, next, window_ - bytes);
    if (!rows) return tl::make_unexpected(std::move(rows.error()));
    if (rows->empty()) return broken(state.replica, next);
    for (SegmentRow& row : *rows) {
      const Seq last = row.first_seq + row.count - 1;
      if (row.first_seq > next || last < next) return broken(state.replica, next);
      const bool whole = row.first_seq == next && bytes + row.bytes.size() <= window_;
      if (whole) {
        bytes += row.bytes.size();
        out.segments.push_back(std::move(row.bytes));
        next = last + 1;
        continue;
      }
      const auto segment = decode_segment(row.bytes);
      if (!segment) return tl::make_unexpected(segment.error());
      const std::size_t room = window_ - std::min(window_, bytes);
      CutSegment cut = recut(chain_, chain_name(state.replica), *segment, {.first = next, .bytes_max = room});
      if (!out.segments.empty() && bytes + cut.bytes.size() > window_) return Walk::kFull;
      bytes += cut.bytes.size();
      next = cut.last_seq + 1;
      out.segments.push_back(std::move(cut.bytes));
      if (next <= last) return Walk::kFull;
    }
  }
  return Walk::kEnd;
}

Expected<PullAnswer> Answer::snapshot(Token token) {
  SnapshotPage out{.page_no = token.page_no, .page = {}, .next_token = {}, .frontier = {}, .packed = {}};
  PageBuilder page;
  Walk walked = Walk::kEnd;
  if (!token.in_log) {
    const auto cells = walk_cells(token, page);
    if (!cells) return tl::make_unexpected(cells.error());
    walked = *cells;
    token.in_log = walked == Walk::kEnd;
  }
  if (token.in_log) {
    const auto log = walk_log(token, page);
    if (!log) return tl::make_unexpected(log.error());
    walked = *log;
  }
  out.page = page.finish();
  if (walked == Walk::kEnd) {
    out.frontier = std::move(ours_);
    return out;
  }
  if (++token.page_no == kPagesMax) {
    return fail(Category::kLimit, "pull: the answer would take more than " + std::to_string(kPagesMax) +
                                      " pages: ask with a larger window");
  }
  out.next_token = encode_token(token);
  return out;
}

Expected<Answer::Walk> Answer::walk_cells(Token& token, PageBuilder& page) {
  while (true) {
    if (is_full(page)) return Walk::kFull;
    const auto cells = view_.cells(channel_, "", token.topic, kBatchBytes);
    if (!cells) return tl::make_unexpected(cells.error());
    if (cells->empty()) return Walk::kEnd;
    for (const Cell& cell : *cells) {
      const auto lacked = has_write_beyond(cell, theirs_);
      if (!lacked) return tl::make_unexpected(lacked.error());
      if (*lacked && !page.add(cell, window_)) return Walk::kFull;
      const Message& message = *cell.message;
      scanned_ += kCellOverheadBytes + message.topic.size() + message.properties.size() + message.payload.size() +
                  cell.state.size();
      token.topic = message.topic;
    }
  }
}

Expected<Answer::Walk> Answer::walk_log(Token& token, PageBuilder& page) {
  while (true) {
    if (is_full(page)) return Walk::kFull;
    const auto rows = view_.segments_after(channel_, token.arrival, kBatchBytes);
    if (!rows) return tl::make_unexpected(rows.error());
    if (rows->empty()) return Walk::kEnd;
    for (const SegmentRow& row : *rows) {
      scanned_ += row.bytes.size();
      const auto added = add_row(row, token, page);
      if (!added || *added == Walk::kFull) return added;
    }
  }
}

// Adds what they lack of the row, and moves the token behind what was dealt with.
Expected<Answer::Walk> Answer::add_row(const SegmentRow& row, Token& token, PageBuilder& page) {
  const Seq last = row.first_seq + row.count - 1;
  const Arrival last_arrival = row.first_arrival + row.count - 1;
  const Seq held = seq_in(theirs_, row.replica);
  if (held >= last) {
    token.arrival = last_arrival;
    return Walk::kEnd;
  }
  const Arrival from = std::max(row.first_arrival, token.arrival + 1);
  const Seq first = std::max(row.first_seq + (from - row.first_arrival), held + 1);
  const std::size_t used = page.size_bytes() + PageBuilder::kSegmentOverheadMax;
  if (first == row.first_seq && used + row.bytes.size() <= window_) {
    page.add(row.bytes);
    token.arrival = last_arrival;
    return Walk::kEnd;
  }
  const auto segment = decode_segment(row.bytes);
  if (!segment) return tl::make_unexpected(segment.error());
  const CutSegment cut = recut(chain_, chain_name(row.replica), *segment,
                               {.first = first, .bytes_max = window_ - std::min(window_, used)});
  if (!page.is_empty() && used + cut.bytes.size() > window_) return Walk::kFull;
  page.add(cut.bytes);
  token.arrival = row.first_arrival + (cut.last_seq - row.first_seq);
  return cut.last_seq == last ? Walk::kEnd : Walk::kFull;
}

}  // namespace

Bytes describe_token() { return {kDescribeToken}; }

Bytes part_token(const std::set<ReplicaId>& left_out) {
  Bytes bytes = {kPartToken};
  Writer out(bytes);
  for (const ReplicaId replica : left_out) out.u64(static_cast<std::uint64_t>(replica));
  return bytes;
}

std::optional<std::set<ReplicaId>> decode_part_token(ByteView token) {
  Reader in(token);
  if (in.u8() != kPartToken || token.size() % 8 != 1 || token.size() / 8 > kReplicasPerChannelMax) return std::nullopt;
  std::set<ReplicaId> left_out;
  while (in.ok() && !in.at_end()) left_out.insert(ReplicaId{in.u64()});
  return left_out;
}

Expected<PullAnswer> answer_pull(ReadView& view, Hasher& hasher, ChannelNo channel, std::string_view channel_name,
                                 const PullRequest& request, PullLimits limits) {
  if (request.frontier.size() > kReplicasPerChannelMax || !is_ordered_by_replica(request.frontier)) {
    return fail(Category::kInvalidInput, "pull: the frontier is out of order or counts more than " +
                                             std::to_string(kReplicasPerChannelMax) + " replicas");
  }
  auto ours = view.replicas(channel);
  if (!ours) return tl::make_unexpected(std::move(ours.error()));
  // What was all moved to another name (Engine::renew()) stands at 0.
  std::erase_if(*ours, [](const ReplicaState& state) { return state.seq == 0 && !is_branch(state); });
  const std::size_t window =
      std::min({std::size_t{request.window_bytes}, limits.answer_bytes_max, kPageBytesMax - kSegmentBytesMax});
  Answer answer(view, hasher, channel, channel_name, request.frontier, window, std::move(*ours));
  const bool wants_description = request.token == describe_token();
  if (wants_description || answer.has_untold_branch()) return answer.describe();
  if (is_fill_token(request.token)) return answer.fill(request.token);
  if (const auto left_out = decode_part_token(request.token)) {
    answer.leave_out(*left_out);
    if (answer.is_range()) return answer.range();
    return RestartAnswer{};
  }
  if (request.token.empty()) {
    if (answer.is_range()) return answer.range();
    Token first;
    first.start = answer.start();
    return answer.snapshot(std::move(first));
  }
  auto token = decode_token(request.token);
  if (!token) return tl::make_unexpected(std::move(token.error()));
  if (answer.is_broken_since(token->start)) return RestartAnswer{};
  return answer.snapshot(std::move(*token));
}

}  // namespace hedgerow::sync
