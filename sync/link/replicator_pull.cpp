// Catch-up, the side that asks, and what is handed to the store.
#include <algorithm>
#include <gsl/assert>
#include <limits>
#include <utility>

#include "sync/engine/branches.hpp"
#include "sync/limits.hpp"
#include "sync/link/marks.hpp"
#include "sync/link/packing.hpp"
#include "sync/link/replicator.hpp"
#include "sync/link/timing.hpp"
#include "sync/link/wanted.hpp"
#include "sync/log/segment.hpp"

namespace hedgerow::sync {
namespace {

// After so many answers in a row that brought nothing a peer is no longer believed to have what it was said to.
constexpr unsigned kEmptyAnswersMax = 8;
// After so many timeouts in a row a half received snapshot is given up.
constexpr unsigned kSnapshotFailuresMax = 4;

Duration patience(unsigned failures) { return kPullTimeout * (1U << std::min(failures, kPullTimeoutDoublings)); }

}  // namespace

// --- what peers send -------------------------------------------------------------------------------------------------

Replicator::Accepted Replicator::accept_segment(Link& link, std::size_t channel, ByteView segment, bool asked_for) {
  const auto header = peek_segment(segment);
  if (!header) return Accepted::kBroken;
  Channel& ours = channels_[channel];
  Shared& shared = peer_of(link)->channels[channel];
  raise(shared.confirmed, header->replica, header->last_seq());
  raise(shared.assumed, header->replica, header->last_seq());
  if (is_forked(ours, link.peer, header->replica)) return Accepted::kHeld;
  const Seq expected = seq_in(ours.expected, header->replica);
  if (header->last_seq() <= expected) return Accepted::kHeld;
  if (header->first_seq > expected + 1) return Accepted::kGap;
  // What waits until nothing is on its way to the store would wait for as long as others push.
  const bool drains = ours.drain_first && ours.in_store > 0;
  if (!asked_for && (drains || unapplied_bytes_ + segment.size() > kUnappliedBytesMax)) return Accepted::kLetGo;
  raise(ours.expected, header->replica, header->last_seq());
  submit({.job = Job::kApply,
          .link = link.id,
          .channel = channel,
          .replica = header->replica,
          .size_bytes = segment.size()},
         ApplySegment{.link = link.id,
                      .channel = ours.number,
                      .segment = to_bytes(segment),
                      .may_wait = !asked_for && !ours.drain_first && !ours.is_prompt});
  return Accepted::kSubmitted;
}

std::optional<Replicator::Channel::Question> Replicator::take_question(const Link& link, std::size_t channel,
                                                                       wire::PullId id) {
  Channel& ours = channels_[channel];
  std::optional<Channel::Question> taken;
  if (ours.asked && ours.asked->id == id && ours.asked->peer == link.peer) {
    taken.swap(ours.asked);
    return taken;
  }
  const auto found = std::find_if(ours.beside.begin(), ours.beside.end(), [&](const Channel::Question& each) {
    return each.id == id && each.peer == link.peer;
  });
  if (found == ours.beside.end()) return taken;
  taken = std::move(*found);
  ours.beside.erase(found);
  return taken;
}

void Replicator::on_range(Instant now, Link& link, Peer& peer, std::size_t channel, const wire::Range& range) {
  const auto asked = take_question(link, channel, range.id);
  if (!asked) return;
  Channel& ours = channels_[channel];
  Shared& shared = peer.channels[channel];
  question_answered(now, channel, *asked, shared);
  if (ours.snapshot && !ours.snapshot->merging) abandon_snapshot(channel);
  Bytes unpacked;
  std::vector<ByteView> segments = range.segments;
  if (!range.packed.is_empty()) {
    auto expanded = unpack(*compressor_, range.packed);
    if (!expanded)
      return close(now, link.id, "the peer answered with a range that is broken: " + expanded.error().what);
    unpacked = std::move(*expanded);
    auto decoded = wire::decode_segments(unpacked);
    if (!decoded) return close(now, link.id, decoded.error().what);
    segments = std::move(*decoded);
  }
  if (asked->fills_to != ReplicaId{}) return on_fill(now, link, peer, channel, segments, asked->fills_to);
  bool progress = false;
  bool in_sequence = true;
  for (const ByteView segment : segments) {
    const Accepted accepted = accept_segment(link, channel, segment, /*asked_for=*/true);
    if (accepted == Accepted::kBroken) return close(now, link.id, "the peer answered with a broken segment");
    progress = progress || accepted == Accepted::kSubmitted;
    in_sequence = in_sequence && accepted != Accepted::kGap;
  }
  shared.has_more = range.more;
  // Asked again and again, it brings nothing: what it passed on before its commit, and lost with that, may be nowhere.
  // Should it have more after all, it says so.
  shared.empty_answers = segments.empty() && !range.more ? shared.empty_answers + 1 : 0;
  if (shared.empty_answers >= kEmptyAnswersMax) {
    shared.empty_answers = 0;
    Frontier left;
    for (const FrontierEntry& entry : std::exchange(shared.confirmed, {})) {
      const Seq held = seq_in(ours.expected, entry.replica);
      // At 0 only a branch that it has heard of stays.
      if (entry.seq <= held || held > 0) left.push_back({.replica = entry.replica, .seq = std::min(entry.seq, held)});
    }
    shared.confirmed = std::move(left);
  }
  const bool is_useless = !progress && missing_from(now, peer, channel) > 0;
  shared.useless_answers = is_useless ? shared.useless_answers + 1 : 0;
  if (is_useless || !in_sequence) back_off(now, channel);
  pull(now, channel);
}

void Replicator::on_page(Instant now, Link& link, Peer& peer, std::size_t channel, const wire::Page& page) {
  const auto asked = take_question(link, channel, page.id);
  if (!asked) return;
  Channel& ours = channels_[channel];
  if (asked->fills_to != ReplicaId{} || !asked->part.empty()) {
    return close(now, link.id, "the peer answered what it was not asked");
  }
  question_answered(now, channel, *asked, peer.channels[channel]);
  if (!ours.snapshot && is_snapshot_refused(ours, peer.name)) {
    refuse_snapshot(now, peer.name, channel);
    return pull(now, channel);
  }
  if (!ours.snapshot && asked->speculative) {
    // A snapshot lacks what the question claimed to hold, so the claim must be true, and durable, first (G2).
    ours.drain_first = true;
    ours.ask_plainly = true;
    if (ours.in_store > 0) actions_.emplace_back(CommitNow{});
    return pull(now, channel);
  }
  if (page.page_no != (ours.snapshot ? ours.snapshot->pages : 0)) {
    abandon_snapshot(channel);
    back_off(now, channel);
    return pull(now, channel);
  }
  if (page.next_token.empty() && brings_refused(ours, peer.name, page.frontier)) {
    refuse_snapshot(now, peer.name, channel);
    abandon_snapshot(channel);
    back_off(now, channel);
    return pull(now, channel);
  }
  if (!ours.snapshot) {
    ours.snapshot = {.peer = peer.name, .pages = 0, .token = {}, .merging = false};
    actions_.emplace_back(DropStaged{.channel = ours.number, .peer = peer.name});
  }
  Bytes content = to_bytes(page.page);
  if (!page.packed.is_empty()) {
    auto expanded = unpack(*compressor_, page.packed);
    if (!expanded) return close(now, link.id, "the peer answered with a page that is broken: " + expanded.error().what);
    content = std::move(*expanded);
  }
  submit({.job = Job::kStage, .link = link.id, .channel = channel, .replica = {}, .size_bytes = content.size()},
         StagePage{.link = link.id,
                   .channel = ours.number,
                   .peer = peer.name,
                   .page_no = page.page_no,
                   .page = std::move(content)});
  ++ours.snapshot->pages;
  ours.snapshot->token = page.next_token;
  if (page.next_token.empty()) {
    join(peer.channels[channel].confirmed, frontier_of(page.frontier));
    join(peer.channels[channel].assumed, frontier_of(page.frontier));
    ours.snapshot->merging = true;
    submit({.job = Job::kMerge, .link = link.id, .channel = channel, .replica = {}, .size_bytes = 0},
           MergeStaged{.link = link.id,
                       .channel = ours.number,
                       .peer = peer.name,
                       .frontier = page.frontier,
                       .pages = ours.snapshot->pages});
  }
  pull(now, channel);
}

void Replicator::on_restart(Instant now, Peer& peer, std::size_t channel, const Channel::Question& asked) {
  question_answered(now, channel, asked, peer.channels[channel]);
  if (!asked.part.empty()) {
    // Trimmed there meanwhile. Who is asked for everything may answer with a snapshot: nothing may be on its way then.
    peer.channels[channel].no_part_before = now + kPartPause;
    if (!asked.is_beside) {
      channels_[channel].not_divided_before = now + kPartPause;
      channels_[channel].drain_first = true;
      if (channels_[channel].in_store > 0) actions_.emplace_back(CommitNow{});
    }
    return pull(now, channel);
  }
  ++peer.channels[channel].useless_answers;
  abandon_snapshot(channel);
  back_off(now, channel);
  pull(now, channel);
}

// --- asking ----------------------------------------------------------------------------------------------------------

std::uint64_t Replicator::missing_from(Instant now, const Peer& peer, std::size_t index) const {
  const Channel& channel = channels_[index];
  const Shared& shared = peer.channels[index];
  std::uint64_t missing = shared.has_more && channel.beside.empty() ? 1 : 0;
  SeqWalk walk(channel.expected);
  each_wanted(shared.confirmed, channel.states, forked_of(channel, peer.name), [&](ReplicaId replica, Seq last) {
    if (is_asked_beside(channel, replica)) return;
    const Seq held = walk.seq_in(replica);
    if (last > held && !channel.tree.is_coming(now, replica, held)) missing += last - held;
    if (last == 0 && !walk.lists(replica)) ++missing;  // a branch that it has heard of
  });
  return missing;
}

// Who has the most of what is missing here, of those that failed or brought nothing least often of late.
Replicator::Peer* Replicator::choose_holder(Instant now, std::size_t channel) {
  Channel& ours = channels_[channel];
  if (ours.snapshot) {
    const auto found = peers_.find(ours.snapshot->peer);
    return found == peers_.end() ? nullptr : &found->second;
  }
  Peer* best = nullptr;
  std::uint64_t best_missing = 0;
  unsigned best_disappointments = 0;
  for (auto& [name, peer] : peers_) {
    const Shared& shared = peer.channels[channel];
    if (now < shared.not_asked_before) continue;
    const std::uint64_t missing = shared.shared ? missing_from(now, peer, channel) : 0;
    if (missing == 0) continue;
    const unsigned disappointments = shared.failures + shared.useless_answers;
    const bool better = best == nullptr || disappointments < best_disappointments ||
                        (disappointments == best_disappointments && missing > best_missing);
    if (!better) continue;
    best = &peer;
    best_missing = missing;
    best_disappointments = disappointments;
  }
  return best;
}

void Replicator::pull(Instant now, std::size_t channel) {
  Channel& ours = channels_[channel];
  ours.wake_at = Instant::max();
  if (ours.snapshot && ours.snapshot->merging) return;
  if (ours.asked) return ask_beside(now, channel);
  // settle(), or an answer, comes back in each case.
  if (ours.drain_first && (ours.in_store > 0 || !ours.beside.empty())) return;
  if (unapplied_bytes_ >= kUnappliedBytesMax) return;
  Peer* const describer = choose_describer(channel);
  Peer* const holder = choose_holder(now, channel);
  // Who contradicts again and again, and explains nothing, takes turns with those who have something.
  const bool asks_to_describe = describer != nullptr && (holder == nullptr || !ours.is_described);
  Peer* const source = asks_to_describe ? describer : holder;
  if (source == nullptr) {
    const Instant fill_at = ask_to_fill(now, channel);
    ours.wake_at = std::min(ours.tree.next_due(now, ours.expected), fill_at);
    return;
  }
  if (now < ours.not_before) {
    ours.wake_at = ours.not_before;
    return;
  }
  const Shared& shared = source->channels[channel];
  const bool paging = ours.snapshot.has_value();
  const auto forked = ours.forked.find(source->name);
  const bool claims_forks = !paging && !ours.ask_plainly && forked != ours.forked.end();
  if (!asks_to_describe) {  // that question comes between, and is asked as it comes
    ours.drain_first = false;
    ours.ask_plainly = ours.ask_plainly && paging;
  }
  if (!asks_to_describe && !paging) divide(now, channel, *source);
  std::set<ReplicaId> left;
  if (!asks_to_describe) {
    for (const Channel::Question& each : ours.beside) left.insert(each.part.begin(), each.part.end());
  }
  ours.asked = {.peer = source->name,
                .link = source->active,
                .id = ++last_pull_id_,
                .asked_at = now,
                .deadline = now + patience(shared.failures),
                .speculative = !paging && (ours.expected != ours.own || claims_forks),
                .part = left};
  wire::Pull question{.channel = static_cast<wire::ChannelIndex>(channel), .id = ours.asked->id, .request = {}};
  question.request.frontier = paging ? ours.own : ours.expected;
  // Of a replica that has forked nothing more is wanted from there.
  if (claims_forks) {
    for (const ReplicaId replica : forked->second) {
      if (replica != ReplicaId{}) raise(question.request.frontier, replica, std::numeric_limits<Seq>::max());
    }
  }
  if (paging) question.request.token = ours.snapshot->token;
  if (asks_to_describe) question.request.token = describe_token();
  if (!left.empty()) question.request.token = part_token(left);
  for (const FrontierEntry& mark : shared.confirmed) {
    if (!left.contains(mark.replica) && mark.seq > seq_in(question.request.frontier, mark.replica))
      ours.tree.on_asked(source->number, mark.replica);
  }
  const std::size_t room = kUnappliedBytesMax - unapplied_bytes_;
  question.request.window_bytes = std::min(shared.window_bytes, static_cast<std::uint32_t>(room));
  send_to(*source, wire::encode(question));
}

void Replicator::pull_all(Instant now) {
  for (std::size_t i = 0; i < channels_.size(); ++i) pull(now, i);
}

void Replicator::question_answered(Instant now, std::size_t channel, const Channel::Question& asked, Shared& shared) {
  const bool quick = now - asked.asked_at < kPullTimeout / 4;
  channels_[channel].is_described = false;
  shared.has_more = false;
  shared.failures = quick ? 0 : shared.failures;
  if (quick) shared.window_bytes = std::min(shared.window_bytes * 2, kPullWindowMax);
}

void Replicator::question_failed(Instant now, std::size_t channel) {
  std::optional<Channel::Question> asked;
  asked.swap(channels_[channel].asked);
  if (!channels_[channel].describe_from.empty()) forget_forks(channel);
  note_failure(channel, *asked);
  pull(now, channel);
}

void Replicator::note_failure(std::size_t channel, const Channel::Question& asked) {
  Channel& ours = channels_[channel];
  const auto source = peers_.find(asked.peer);
  if (source == peers_.end()) return;
  Shared& shared = source->second.channels[channel];
  ++shared.failures;
  shared.window_bytes = std::max(shared.window_bytes / 2, kPullWindowMin);
  const bool is_paging = ours.snapshot && !ours.snapshot->merging && ours.snapshot->peer == source->first;
  if (is_paging && shared.failures >= kSnapshotFailuresMax) abandon_snapshot(channel);
}

void Replicator::abandon_snapshot(std::size_t channel) {
  Channel& ours = channels_[channel];
  if (!ours.snapshot) return;
  actions_.emplace_back(DropStaged{.channel = ours.number, .peer = ours.snapshot->peer});
  ours.snapshot.reset();
  ours.asked.reset();
}

void Replicator::back_off(Instant now, std::size_t channel) {
  Channel& ours = channels_[channel];
  ours.backoff = std::clamp(ours.backoff * 2, kBackoffMin, kBackoffMax);
  ours.not_before = std::max(ours.not_before, now + ours.backoff);
}

}  // namespace hedgerow::sync
