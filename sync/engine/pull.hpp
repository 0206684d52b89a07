// Catch-up, the answering side: what a node that is ahead says to one that is behind. DESIGN 5.
//
// An answer is stateless here: all that a later window needs comes back with the next request (its frontier, and the
// resume token of a snapshot). Two kinds:
//
//   range      every op that the requester lacks, of every replica in which we are ahead, is still in our log. Each
//              segment advances its replica by itself: Engine::receive(). The next request's frontier says how far it
//              got.
//   snapshot   some of these ops are gone (trimmed here, or never in our log). Then the answer is the state at our
//   whole
//              frontier F: every cell and every record whose op the requester lacks, in numbered pages:
//              Engine::stage() each, then Engine::merge_staged() with F, which comes with the last page. Nothing of it
//              counts before (G2).
//
//   The requester may leave out replicas, which others bring: part_token(). Then it is a range, or nothing.
//
//   describe   what we hold of each replica, with lineages: to a requester who does not list one of our branches
//   (G5, forks), or who asks for just that. It goes to Engine::learn().
//
//   fill       asked for by a token of its own: of the first of some ranges whose upper end is in our log, what lies
//              there, one segment that ends with the range. No segment: none of them is here. It goes to
//              Engine::fill().
//
// Why pages that were read in different moments add up to F: the cells are walked in topic order, then the log in
// arrival order until its end is reached in one view, and F is the frontier of that view. A cell that changed behind
// the walk did so by an op that came after the first page, which the walk of the log still meets, unless it was trimmed
// meanwhile (or came by a merge and never was in the log). Both raise `trimmed` above the frontier of the first page,
// which is in the token: then the answer is "restart".
//
// The requester's side:
//   - The frontier may grow from page to page (pushes go on); it must never shrink. What it claims must be held at the
//     time of merge_staged(), so after a restart of the requester that forgot undurable ops, begin without a token.
//   - A token belongs to the replica that issued it: begin without one when the peer's replica id has changed.
//   - Pages come as 0, 1, 2 …; asking again with the same token yields the same page number, with the state of now:
//   stage
//     it over the old one. A lost link costs at most one page.
//   - Asking with an empty token makes page 0 again. Call Engine::drop_staged() first.
//
// Pure over the port. Thread rule: free functions; one thread a view and hasher.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string_view>
#include <variant>
#include <vector>

#include "sync/base/bytes.hpp"
#include "sync/base/expected.hpp"
#include "sync/base/hasher.hpp"
#include "sync/engine/storage.hpp"
#include "sync/limits.hpp"
#include "sync/log/frontier.hpp"
#include "sync/log/op.hpp"

namespace hedgerow::sync {

struct PullRequest {
  Frontier frontier;  // the requester's
  Bytes token;        // SnapshotPage::next_token of the page before; empty: a new question; or one of those below
  std::uint32_t window_bytes = 0;  // of segments or page wanted in this answer; one item always comes
};

// What an answer carries in bulk, compressed (sync/link/packing.hpp). Empty: it did not pay, or nobody tried.
struct PackedBulk {
  Bytes bytes;
  std::size_t unpacked_bytes = 0;
};

// Complete ranges: see above. No segments and no more: the requester lacks nothing that we hold.
struct RangeAnswer {
  std::vector<Bytes> segments;  // grammar of sync/log/segment.hpp, cut to begin right after the requester's frontier
  bool more = false;            // the window ended it: ask again once these are received
  PackedBulk packed = {};       // of the segments
};

struct SnapshotPage {
  std::uint64_t page_no = 0;
  Bytes page;        // grammar of sync/engine/page.hpp; it may hold no item
  Bytes next_token;  // of the page that follows; empty iff this is the last
  // With the last page only: F, ordered by replica. The answer has page_no + 1 pages.
  std::vector<ReplicaState> frontier;
  PackedBulk packed = {};  // of the page
  [[nodiscard]] bool is_last() const { return next_token.empty(); }
};

// The log lost what the token relies on: drop what was staged and ask without a token.
struct RestartAnswer {};

struct DescribeAnswer {
  std::vector<ReplicaState> states;  // ordered by replica
};

using PullAnswer = std::variant<RangeAnswer, SnapshotPage, RestartAnswer, DescribeAnswer>;

// PullRequest::token of who asks for a DescribeAnswer.
[[nodiscard]] Bytes describe_token();

// PullRequest::token of who asks others for the rest: the answer is a range without these replicas, or "restart" where
// that would not be complete.
//
//   token = version:u8=4 replica:u64*
[[nodiscard]] Bytes part_token(const std::set<ReplicaId>& left_out);
[[nodiscard]] std::optional<std::set<ReplicaId>> decode_part_token(ByteView token);  // none: it is none

// Ops that somebody lacks and may take back: Engine::fill().
struct FillRange {
  ReplicaId replica{};
  Seq first = 0;
  Seq last = 0;
};
// Adds one to the PullRequest::token of who asks for that, which was empty before the first. REQUIRES: replicas ascend;
// up to kFillRangesMax
void add_fill_range(Bytes& token, const FillRange& range);

struct PullLimits {
  std::size_t answer_bytes_max = kAnswerBytesDefault;  // the answerer's own bound on the window
};

// `channel_name` is the name that `channel` bears in the view's database: it is part of what the chain hashes.
// kInvalidInput: the frontier is out of order or too long, or the token is not one of ours. kCorrupt: our own log
// broke.
[[nodiscard]] Expected<PullAnswer> answer_pull(ReadView& view, Hasher& hasher, ChannelNo channel,
                                               std::string_view channel_name, const PullRequest& request,
                                               PullLimits limits = {});

}  // namespace hedgerow::sync
