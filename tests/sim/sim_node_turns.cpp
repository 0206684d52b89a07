// The store thread of a simulated board: what waits for it, its turns, and what it hands back.
#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "sync/log/segment.hpp"
#include "tests/sim/sim_node.hpp"

namespace hedgerow::sim {
namespace {

using namespace std::chrono_literals;

Expected<sync::ReceiveResult> applied(Expected<void> done) {
  if (!done) return tl::make_unexpected(std::move(done.error()));
  return sync::ReceiveResult::kApplied;
}

}  // namespace

void SimNode::write(std::size_t channel, sync::OpKind kind, sync::MessagePtr message) {
  submit(Write{.channel = channel, .kind = kind, .message = std::move(message)});
}

void SimNode::trim() { submit(Trim{}); }

void SimNode::fail_next_commit() { disk_is_full_ = true; }

void SimNode::submit(Intent intent) {
  intents_.push_back(std::move(intent));
  start_turn();
}

void SimNode::start_turn() {
  if (turn_under_way_ || intents_.empty()) return;
  turn_under_way_ = true;
  unless_crashed(scheduler_.now() + draw_between(random_, 0ms, 5ms), [this] { begin_turn(); });
}

// A turn takes some of what waits; a crash may come before its commit.
void SimNode::begin_turn() {
  const bool renames = is_renaming(intents_.front());
  if (renames && !turn_is_open_) return rename();
  if (!turn_is_open_) {
    const auto begun = engine_->begin();
    if (has_ended(begun ? nullptr : &begun.error())) return power_lost();
    if (!begun) throw Violation("begin: " + begun.error().what);
  }
  const WallTime now = clock_.now();
  // What is open is committed before a name changes.
  if (renames) remote_commit_.need_sync();
  const auto next = std::find_if(intents_.begin(), intents_.end(), is_renaming);
  in_turn_ = renames ? 0 : 1 + random_.below(static_cast<std::size_t>(next - intents_.begin()));
  for (std::size_t i = 0; i < in_turn_; ++i) apply(now, intents_[i], i == 0 && !turn_is_open_);
  unless_crashed(scheduler_.now() + draw_between(random_, 0ms, 10ms), [this] { commit_turn(); });
}

bool SimNode::is_renaming(const Intent& intent) {
  return std::holds_alternative<Renew>(intent) || std::holds_alternative<sync::LearnBranches>(intent);
}

// A turn of its own, before everything else.
void SimNode::rename() {
  const sync::ReplicaId fresh{random_.next() | 1U};
  const auto* const renewal = std::get_if<Renew>(&intents_.front());
  const bool is_renewal = renewal != nullptr;
  const auto changed = [&]() -> Expected<bool> {
    if (const auto* learnt = std::get_if<sync::LearnBranches>(&intents_.front())) {
      return engine_->learn(learnt->channel, learnt->states, fresh);
    }
    auto done = engine_->renew(fresh, renewal->shown);
    if (!done) return tl::make_unexpected(std::move(done.error()));
    return true;
  }();
  if (has_ended(changed ? nullptr : &changed.error())) return power_lost();
  if (!changed) throw Violation("a name at " + identity_.name + ": " + changed.error().what);
  const auto after = disk_->after_turn();
  if (has_ended(after ? nullptr : &after.error())) return power_lost();
  intents_.pop_front();
  turn_under_way_ = false;
  if (*changed) {
    const sync::ReplicaId former = std::exchange(replica_, engine_->self());
    oracle_.set_true_time(clock_.true_ms());
    if (is_renewal) {
      oracle_.on_renewed(subject(), former);
    } else {
      oracle_.on_names_changed(subject());
    }
    unless_crashed(next_hand_back(), [this, channels = engine_->channels()] { on_renamed(channels); });
  }
  start_turn();
}

// The loop thread greets its peers anew, as node::Links does.
void SimNode::on_renamed(const std::vector<sync::ChannelState>& channels) {
  --handing_back_;
  answers_for_former_ += replicator_->unanswered();
  const std::vector<sync::LinkStatus> links = replicator_->links();
  incarnation_ = random_.next();
  make_replicator(channels);
  oracle_.on_greets_anew(subject());
  for (const sync::LinkStatus& link : links) wires_.close(link.link);
  arm_timer();
}

void SimNode::apply(const WallTime& now, Intent& intent, bool is_first) {
  const auto refuse = [this](const char* what, const Error& error) {
    if (has_ended(&error)) return;
    throw Violation(std::string(what) + " at " + identity_.name + ": " + error.what);
  };
  std::visit(
      Overloaded{
          [&](const Write& write) {
            const auto done = engine_->write(now, {.channel = number_of(write.channel),
                                                   .kind = write.kind,
                                                   .publisher = 1 + identity_.index,
                                                   .message = write.message});
            if (!done) refuse("write", done.error());
          },
          [&](const sync::ApplySegment& segment) {
            received_.push_back({segment.link, segment.channel,
                                 segment.fills ? engine_->fill(now, segment.channel, segment.segment)
                                               : engine_->receive(now, segment.channel, segment.segment)});
            remote_commit_.on_received(received_.back().result);
            received_.back().fills = segment.fills;
          },
          [](const sync::CommitNow&) {},
          [&](const sync::StagePage& page) {
            received_.push_back(
                {page.link, page.channel, applied(engine_->stage(page.channel, page.peer, page.page_no, page.page))});
          },
          [&](const sync::MergeStaged& merge) {
            received_.push_back({merge.link, merge.channel,
                                 engine_->merge_staged(now, merge.channel, merge.peer, merge.frontier, merge.pages)});
          },
          [&](const sync::DropStaged& drop) {
            const auto done = engine_->drop_staged(drop.channel, drop.peer);
            if (!done) refuse("drop", done.error());
          },
          [&](const Trim&) { apply_trim(now, is_first); }, [](const Renew&) {}, [](const sync::LearnBranches&) {}},
      intent);
  const auto* segment = std::get_if<sync::ApplySegment>(&intent);
  const bool may_wait = (segment != nullptr && segment->may_wait) || std::holds_alternative<Trim>(intent);
  if (!may_wait) remote_commit_.need_sync();
}

// What keep leaves: the newest segments that fit its size and are not too old.
std::vector<SimNode::Kept> SimNode::expect_kept(const WallTime& now) {
  std::vector<Kept> out;
  const auto view = disk_->views().open_view();
  if (!view) return out;
  const bool age_counts = now.quality == ClockQuality::kSynchronised && now.unix_ms > in_ms(options_.keep_age);
  for (const sync::ChannelState& channel : engine_->channels()) {
    const auto rows = (*view)->segments_after(channel.number, 0, std::numeric_limits<std::size_t>::max());
    if (!rows) return {};
    Kept kept{.channel = channel.number, .bytes = 0};
    for (const sync::SegmentRow& row : *rows) kept.bytes += row.bytes.size();
    for (const sync::SegmentRow& row : *rows) {
      const bool too_old = age_counts && row.newest_wall_ms < now.unix_ms - in_ms(options_.keep_age);
      if (!too_old && kept.bytes <= keep_bytes()) break;
      kept.bytes -= row.bytes.size();
    }
    out.push_back(kept);
  }
  return out;
}

// G6: keep drops what it must, and no more.
void SimNode::apply_trim(const WallTime& now, bool is_first) {
  const std::vector<Kept> expected = is_first ? expect_kept(now) : std::vector<Kept>{};
  const auto more = engine_->trim(now);
  if (has_ended(more ? nullptr : &more.error())) return;
  if (!more) throw Violation("trim at " + identity_.name + ": " + more.error().what);
  for (const Kept& kept : expected) {
    const std::uint64_t bytes = disk_->storage().log_totals(kept.channel).bytes;
    if (bytes < kept.bytes || (!*more && bytes != kept.bytes)) {
      throw Violation("G6 at " + identity_.name + ": keep left " + std::to_string(bytes) + " bytes in a log, not " +
                      std::to_string(kept.bytes));
    }
  }
}

// Only a clone's ops are refused, and then people can see it.
void SimNode::check_received(const std::vector<Received>& all) const {
  for (const Received& received : all) {
    const bool refused_as_fork = received.result && *received.result == sync::ReceiveResult::kFork;
    const bool can_fork = options_.faults.forge_per_mille > 0 || options_.faults.unnoticed_per_mille > 0;
    const bool expected =
        received.result ? !refused_as_fork || can_fork : received.result.error().category == Category::kNotFound;
    if (!expected) {
      throw Violation("G5 at " + identity_.name +
                      ": honest peers were refused: " + (received.result ? "fork" : received.result.error().what));
    }
    const auto forks = replicator_->forks();
    const auto links = replicator_->links();
    const bool link_is_there = std::any_of(links.begin(), links.end(),
                                           [&](const sync::LinkStatus& link) { return link.link == received.link; });
    if (refused_as_fork && link_is_there && std::none_of(forks.begin(), forks.end(), [&](const sync::ForkStatus& fork) {
          return fork.channel == received.channel;
        })) {
      throw Violation("G5 at " + identity_.name + ": a fork was refused and nobody can see it");
    }
  }
}

bool SimNode::stay_open() {
  if (remote_commit_.is_due()) return false;
  auto segments = engine_->hand_out();
  if (!segments) return false;
  remote_commit_.on_handed_out(*segments);
  const bool stays = !remote_commit_.is_due() && remote_commit_.is_waiting();
  if (stays) oracle_.on_handed_out(subject(), *segments);
  handed_out_.insert(handed_out_.end(), segments->begin(), segments->end());
  if (!stays) return false;
  if (!std::exchange(turn_is_open_, true)) commit_when_due();
  hand_out(std::move(*segments));
  return true;
}

// The store thread wakes up in time, unless the turn has ended meanwhile.
void SimNode::commit_when_due() {
  unless_crashed(scheduler_.now() + options_.remote_commit, [this, opened = ++turns_opened_] {
    if (turn_is_open_ && opened == turns_opened_) submit(sync::CommitNow{});
  });
}

void SimNode::hand_out(std::vector<sync::CommittedSegment> segments) {
  unless_crashed(next_hand_back(), [this, segments = std::move(segments)] {
    --handing_back_;
    perform(replicator_->on_handed_out(scheduler_.now(), segments));
  });
}

Instant SimNode::next_hand_back() {
  ++handing_back_;
  return last_hand_back_ = std::max(last_hand_back_, scheduler_.now() + draw_between(random_, 0ms, 10ms));
}

void SimNode::end_turn() {
  intents_.erase(intents_.begin(), intents_.begin() + static_cast<std::ptrdiff_t>(in_turn_));
  in_turn_ = 0;
  turn_under_way_ = false;
}

void SimNode::commit_turn() {
  oracle_.set_true_time(clock_.true_ms());
  if (stay_open()) {
    end_turn();
    return start_turn();
  }
  if (std::exchange(disk_is_full_, false)) disk_->fill_up();
  Turn turn{.received = std::move(received_), .committed = engine_->commit(), .own = {}};
  if (has_ended(turn.committed ? nullptr : &turn.committed.error())) return power_lost();
  const auto after = disk_->after_turn();
  if (has_ended(after ? nullptr : &after.error())) return power_lost();
  received_.clear();
  end_turn();
  turn_is_open_ = false;
  remote_commit_.on_end();
  std::vector<sync::CommittedSegment> segments = std::exchange(handed_out_, {});
  oracle_.set_true_time(clock_.true_ms());
  if (turn.committed) {
    segments.insert(segments.end(), turn.committed->segments.begin(), turn.committed->segments.end());
    turn.committed->segments = std::move(segments);
    oracle_.on_commit(subject(), *turn.committed);
    for (const Received& received : turn.received) {
      if (received.fills && received.result == sync::ReceiveResult::kApplied) ++fills_;
    }
    for (const sync::CommittedSegment& segment : turn.committed->segments) {
      if (segment.segment->replica != replica_) continue;
      const sync::Seq last = segment.segment->first_seq + segment.segment->count - 1;
      for (const sync::ChannelState& channel : engine_->channels()) {
        if (channel.number != segment.channel) continue;
        for (const sync::ReplicaState& state : channel.replicas) {
          if (state.replica == replica_) turn.own.emplace_back(Oracle::run_of(channel.name, state, last), last);
        }
      }
    }
  } else {
    oracle_.on_lost(subject(), segments);
    for (Received& received : turn.received) received.result = tl::unexpected<Error>(turn.committed.error());
  }
  unless_crashed(next_hand_back(),
                 [this, turn = std::make_shared<Turn>(std::move(turn))] { hand_back(std::move(*turn)); });
  start_turn();
}

// The loop thread learns what became of a turn.
void SimNode::hand_back(Turn turn) {
  --handing_back_;
  if (turn.committed) {
    for (const auto& [run, last] : turn.own) oracle_.on_acknowledged(subject(), run, last);
    perform(replicator_->on_committed(scheduler_.now(), *turn.committed));
  }
  std::vector<Received> ours;
  for (Received& received : turn.received) {
    if (answers_for_former_ > 0) {
      --answers_for_former_;
      continue;
    }
    perform(replicator_->on_received(scheduler_.now(), received.link, received.channel, received.result));
    ours.push_back(std::move(received));
  }
  if (turn.committed) check_received(ours);
}

}  // namespace hedgerow::sim
