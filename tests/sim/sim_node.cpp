#include "tests/sim/sim_node.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "sync/engine/pull.hpp"
#include "sync/limits.hpp"
#include "sync/log/segment.hpp"

namespace hedgerow::sim {
namespace {

using namespace std::chrono_literals;
using sync::Action;

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};

// 2026-01-01, plus what the simulation has lived.
constexpr std::uint64_t kWallStartMs = 1'767'225'600'000;

std::uint64_t id_of(const sync::Message& message) {
  std::uint64_t id = 0;
  for (const std::uint8_t byte : message.properties) id = (id << 8U) | byte;
  return id;
}

// Not before 1970.
std::uint64_t in_ms(Duration duration) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  return static_cast<std::uint64_t>(std::max<std::int64_t>(ms, 0));
}

std::uint64_t keep_age_ms(const Options& options) { return in_ms(options.keep_age); }

Expected<sync::ReceiveResult> applied(Expected<void> done) {
  if (!done) return tl::make_unexpected(std::move(done.error()));
  return sync::ReceiveResult::kApplied;
}

}  // namespace

SimNode::SimNode(NodeIdentity identity, const Options& options, Scheduler& scheduler, Oracle& oracle, Wires& wires,
                 std::unique_ptr<Disk> disk)
    : identity_(std::move(identity)),
      options_(options),
      scheduler_(scheduler),
      oracle_(oracle),
      wires_(wires),
      random_(options.seed * 1000 + identity_.index),
      disk_(std::move(disk)) {}

// --- life ------------------------------------------------------------------------------------------------------------

bool SimNode::start() {
  ++life_;
  incarnation_ = random_.next();
  const auto fails = [this] {
    if (!disk_->has_lost_power()) return false;
    engine_.reset();
    disk_->power_off();
    return true;
  };
  disk_->power_on();
  if (fails()) return false;
  engine_ = std::make_unique<sync::Engine>(disk_->storage(), hasher_);
  std::vector<sync::ChannelSettings> settings;
  for (const std::string_view name : kChannelNames) {
    settings.push_back(
        {.name = std::string(name), .keep = {.age_ms = keep_age_ms(options_), .size_bytes = options_.keep_bytes}});
  }
  // Numbers are each node's own: let them differ.
  if (identity_.index % 2 == 1) std::reverse(settings.begin(), settings.end());
  const auto opened = engine_->open(settings);
  if (fails()) return false;
  if (!opened && opened.error().category == Category::kIo) {
    engine_.reset();
    disk_->power_off();
    return false;
  }
  if (!opened) throw Violation("open: " + opened.error().what);
  replica_ = engine_->self();
  oracle_.set_true_time(true_ms());
  if (std::exchange(disk_is_another_, false)) oracle_.on_disk_replaced(subject());
  oracle_.on_restart(subject());
  replicator_ = std::make_unique<sync::Replicator>(
      sync::ReplicatorSettings{
          .mesh = "sim", .node = identity_.name, .replica = replica_, .version = "sim", .incarnation = incarnation_},
      engine_->channels());
  return true;
}

// The power has gone, or the store will not go on: the process ends.
bool SimNode::has_ended(const Error* error) const {
  return disk_->has_lost_power() || (error != nullptr && error->category == Category::kIo);
}

void SimNode::power_lost() {
  ++life_;
  scheduler_.at(scheduler_.now(), on_power_lost_);
}

void SimNode::replace_disk(const Disk::Image* image, bool noticed) {
  disk_->replace(image, noticed);
  disk_is_another_ = true;
}

void SimNode::crash() {
  ++life_;
  replicator_.reset();
  engine_.reset();
  disk_->power_off();
  intents_.clear();
  received_.clear();
  in_turn_ = 0;
  turn_under_way_ = false;
  handing_back_ = 0;
  last_hand_back_ = Instant::min();
  answering_ = 0;
  armed_ = Instant::max();
  disk_is_full_ = false;
}

Subject SimNode::subject() {
  return {.index = identity_.index,
          .name = identity_.name,
          .replica = replica_,
          .views = disk_->views(),
          .channels = engine_->channels()};
}

bool SimNode::is_idle() const {
  return intents_.empty() && !turn_under_way_ && handing_back_ == 0 && answering_ == 0 &&
         replicator_->unapplied_bytes() == 0;
}

std::uint64_t SimNode::true_ms() const { return kWallStartMs + in_ms(scheduler_.now().time_since_epoch()); }

WallTime SimNode::wall_time() const {
  if (in_1970_since_ != Instant::max()) {
    return {.unix_ms = in_ms(scheduler_.now() - in_1970_since_), .quality = ClockQuality::kUnsynchronised};
  }
  const Duration lived = scheduler_.now() - Scheduler().now();
  const Duration offset = clock_offset_ + lived / 1000 * drift_per_mille_;
  return {.unix_ms = kWallStartMs + in_ms(scheduler_.now().time_since_epoch() + offset), .quality = clock_quality_};
}

void SimNode::forget_time(std::optional<Duration> learns_after) {
  in_1970_since_ = scheduler_.now();
  if (!learns_after) return;
  scheduler_.after(*learns_after, [this, since = in_1970_since_] {
    if (in_1970_since_ == since) in_1970_since_ = Instant::max();
  });
}

void SimNode::set_clock(Duration offset, ClockQuality quality) {
  clock_offset_ = offset;
  clock_quality_ = quality;
}

sync::ChannelNo SimNode::number_of(std::size_t channel) const {
  for (const sync::ChannelState& state : engine_->channels()) {
    if (state.name == kChannelNames[channel]) return state.number;
  }
  throw Violation("a channel has gone");
}

template <class Event>
void SimNode::unless_crashed(Instant when, Event event) {
  scheduler_.at(when, [this, life = life_, event = std::move(event)] {
    if (life == life_) event();
  });
}

// --- the store thread ------------------------------------------------------------------------------------------------

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
  const auto begun = engine_->begin();
  if (has_ended(begun ? nullptr : &begun.error())) return power_lost();
  if (!begun) throw Violation("begin: " + begun.error().what);
  const WallTime now = wall_time();
  in_turn_ = 1 + random_.below(intents_.size());
  for (std::size_t i = 0; i < in_turn_; ++i) apply(now, intents_[i], i == 0);
  unless_crashed(scheduler_.now() + draw_between(random_, 0ms, 10ms), [this] { commit_turn(); });
}

void SimNode::apply(const WallTime& now, Intent& intent, bool is_first) {
  const auto refuse = [this](const char* what, const Error& error) {
    if (has_ended(&error)) return;
    throw Violation(std::string(what) + " at " + identity_.name + ": " + error.what);
  };
  std::visit(
      Overloaded{[&](const Write& write) {
                   const auto done = engine_->write(now, {.channel = number_of(write.channel),
                                                          .kind = write.kind,
                                                          .publisher = 1 + identity_.index,
                                                          .message = write.message});
                   if (!done) refuse("write", done.error());
                 },
                 [&](const sync::ApplySegment& segment) {
                   received_.push_back(
                       {segment.link, segment.channel, engine_->receive(now, segment.channel, segment.segment)});
                 },
                 [&](const sync::StagePage& page) {
                   received_.push_back({page.link, page.channel,
                                        applied(engine_->stage(page.channel, page.peer, page.page_no, page.page))});
                 },
                 [&](const sync::MergeStaged& merge) {
                   received_.push_back(
                       {merge.link, merge.channel,
                        engine_->merge_staged(now, merge.channel, merge.peer, merge.frontier, merge.pages)});
                 },
                 [&](const sync::DropStaged& drop) {
                   const auto done = engine_->drop_staged(drop.channel, drop.peer);
                   if (!done) refuse("drop", done.error());
                 },
                 [&](const Trim&) { apply_trim(now, is_first); }},
      intent);
}

// What keep leaves: the newest segments that fit its size and are not too old.
std::vector<SimNode::Kept> SimNode::expect_kept(const WallTime& now) {
  std::vector<Kept> out;
  const auto view = disk_->views().open_view();
  if (!view) return out;
  const bool age_counts = now.quality == ClockQuality::kSynchronised && now.unix_ms > keep_age_ms(options_);
  for (const sync::ChannelState& channel : engine_->channels()) {
    const auto rows = (*view)->segments_after(channel.number, 0, std::numeric_limits<std::size_t>::max());
    if (!rows) return {};
    Kept kept{.channel = channel.number, .bytes = 0};
    for (const sync::SegmentRow& row : *rows) kept.bytes += row.bytes.size();
    for (const sync::SegmentRow& row : *rows) {
      const bool too_old = age_counts && row.newest_wall_ms < now.unix_ms - keep_age_ms(options_);
      if (!too_old && kept.bytes <= options_.keep_bytes) break;
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
    const bool expected = received.result ? !refused_as_fork || options_.faults.forge_per_mille > 0
                                          : received.result.error().category == Category::kNotFound;
    if (!expected) {
      throw Violation("G5 at " + identity_.name +
                      ": honest peers were refused: " + (received.result ? "fork" : received.result.error().what));
    }
    const auto forks = replicator_->forks();
    if (refused_as_fork && std::none_of(forks.begin(), forks.end(), [&](const sync::ForkStatus& fork) {
          return fork.channel == received.channel;
        })) {
      throw Violation("G5 at " + identity_.name + ": a fork was refused and nobody can see it");
    }
  }
}

void SimNode::commit_turn() {
  if (std::exchange(disk_is_full_, false)) disk_->fill_up();
  Turn turn{.received = std::move(received_), .committed = engine_->commit()};
  if (has_ended(turn.committed ? nullptr : &turn.committed.error())) return power_lost();
  const auto after = disk_->after_turn();
  if (has_ended(after ? nullptr : &after.error())) return power_lost();
  received_.clear();
  intents_.erase(intents_.begin(), intents_.begin() + static_cast<std::ptrdiff_t>(in_turn_));
  in_turn_ = 0;
  turn_under_way_ = false;
  oracle_.set_true_time(true_ms());
  if (turn.committed) {
    oracle_.on_commit(subject(), *turn.committed);
  } else {
    for (Received& received : turn.received) received.result = tl::unexpected<Error>(turn.committed.error());
  }
  ++handing_back_;
  last_hand_back_ = std::max(last_hand_back_, scheduler_.now() + draw_between(random_, 0ms, 10ms));
  unless_crashed(last_hand_back_,
                 [this, turn = std::make_shared<Turn>(std::move(turn))] { hand_back(std::move(*turn)); });
  start_turn();
}

// The loop thread learns what became of a turn.
void SimNode::hand_back(Turn turn) {
  --handing_back_;
  if (turn.committed) {
    for (const sync::CommittedSegment& segment : turn.committed->segments) {
      if (segment.segment->replica != replica_) continue;
      for (const sync::ChannelState& channel : engine_->channels()) {
        if (channel.number != segment.channel) continue;
        oracle_.on_acknowledged(subject(), channel.name, segment.segment->first_seq + segment.segment->count - 1);
      }
    }
    perform(replicator_->on_committed(scheduler_.now(), *turn.committed));
  }
  for (const Received& received : turn.received) {
    perform(replicator_->on_received(scheduler_.now(), received.link, received.channel, received.result));
  }
  if (turn.committed) check_received(turn.received);
}

// --- the reader thread -----------------------------------------------------------------------------------------------

void SimNode::answer_pull(const sync::AnswerPull& pull) {
  ++answering_;
  unless_crashed(scheduler_.now() + draw_between(random_, 0ms, 10ms), [this, pull] {
    std::string name;
    for (const sync::ChannelState& channel : engine_->channels()) {
      if (channel.number == pull.channel) name = channel.name;
    }
    auto answer = [&]() -> Expected<sync::PullAnswer> {
      const auto view = disk_->views().open_view();
      if (!view) return tl::make_unexpected(view.error());
      MixingHasher hasher;
      return sync::answer_pull(**view, hasher, pull.channel, name, pull.request,
                               {.answer_bytes_max = options_.answer_bytes_max});
    }();
    if (has_ended(answer ? nullptr : &answer.error())) return power_lost();
    if (!answer) throw Violation("an honest question was refused at " + identity_.name + ": " + answer.error().what);
    unless_crashed(scheduler_.now() + draw_between(random_, 0ms, 10ms),
                   [this, link = pull.link, channel = pull.channel,
                    kept = std::make_shared<Expected<sync::PullAnswer>>(std::move(answer))] {
                     --answering_;
                     perform(replicator_->on_pull_answer(scheduler_.now(), link, channel, *kept));
                   });
  });
}

// --- the loop thread -------------------------------------------------------------------------------------------------

void SimNode::link_up(sync::LinkId link, bool dialled) {
  if (is_up()) perform(replicator_->on_link_up(scheduler_.now(), link, "", dialled));
}

void SimNode::link_down(sync::LinkId link) {
  if (is_up()) perform(replicator_->on_link_down(scheduler_.now(), link));
}

void SimNode::message(sync::LinkId link, ByteView bytes) {
  if (is_up()) perform(replicator_->on_message(scheduler_.now(), link, bytes));
}

void SimNode::drained(sync::LinkId link) {
  if (is_up()) perform(replicator_->on_queue(scheduler_.now(), link, wires_.queued_bytes(link)));
}

void SimNode::hear_clone_of_somebody(const SimNode& peer, sync::LinkId link, Random& random) {
  const auto& theirs = peer.engine_->channels();
  const std::size_t index = random.below(theirs.size());
  const auto& ours = engine_->channels();
  const auto channel = std::find_if(ours.begin(), ours.end(),
                                    [&](const sync::ChannelState& state) { return state.name == theirs[index].name; });
  if (channel == ours.end() || channel->replicas.empty()) return;
  const sync::ReplicaState& victim = channel->replicas[random.below(channel->replicas.size())];
  if (victim.seq == 0) return;
  Hash256 other_history = victim.head;
  if (victim.replica != replica_) other_history[0] ^= 1U;
  sync::Message message;
  message.topic = "clone";
  message.payload.push_back(1);
  sync::SegmentBuilder builder;
  builder.start(victim.replica, victim.seq + 1, other_history);
  builder.add({.stamp = {.wall_ms = true_ms(), .counter = 0, .quality = ClockQuality::kSynchronised},
               .kind = {.record = true, .cell = true, .qos = 1},
               .publisher = 1,
               .message = std::make_shared<const sync::Message>(std::move(message))});
  const Bytes segment = builder.finish();
  this->message(link, sync::wire::encode(sync::wire::Push{.channel = static_cast<sync::wire::ChannelIndex>(index),
                                                          .segment = segment}));
}

void SimNode::publish_live(sync::MessagePtr message) {
  perform(replicator_->publish_live(scheduler_.now(), message, /*retain=*/false));
}

void SimNode::perform(std::span<const Action> actions) {
  const std::vector<Action> copied(actions.begin(), actions.end());
  for (const Action& action : copied) {
    std::visit(Overloaded{[&](const sync::SendOnLink& send) {
                            oracle_.on_told(subject(), send.message);
                            wires_.send(send.link, send.message);
                          },
                          [&](const sync::CloseLink& close) { wires_.close(close.link); },
                          [&](const sync::AnswerPull& pull) { answer_pull(pull); },
                          [&](const sync::DeliverLive& live) {
                            oracle_.on_live(subject(), incarnation_, id_of(*live.message));
                          },
                          [&](const sync::RenewReplica& renew) {
                            throw Violation("G5: " + renew.peer + " knows more of " + identity_.name + " than itself");
                          },
                          [&](const auto& job) { submit(job); }},
               action);
  }
  check_bounds();
  arm_timer();
}

void SimNode::arm_timer() {
  const Instant deadline = replicator_->next_deadline();
  if (deadline == armed_) return;
  armed_ = deadline;
  if (deadline == Instant::max()) return;
  unless_crashed(deadline, [this, deadline] {
    if (armed_ != deadline) return;
    armed_ = Instant::max();
    perform(replicator_->on_timer(scheduler_.now()));
    if (replicator_->next_deadline() <= scheduler_.now()) throw Violation("a timer spins at " + identity_.name);
  });
}

// G6: what the replicator handed out and what it queues is bounded.
void SimNode::check_bounds() const {
  const std::size_t unapplied_max =
      sync::kUnappliedBytesMax + kChannels * (sync::kAnswerBytesDefault + sync::kSegmentBytesMax);
  if (replicator_->unapplied_bytes() > unapplied_max) throw Violation("G6 at " + identity_.name + ": unapplied bytes");
  for (const sync::LinkStatus& link : replicator_->links()) {
    if (wires_.queued_bytes(link.link) > sync::kLinkQueueBytesSoft + (kChannels + 1) * sync::kLinkMessageBytesMax) {
      throw Violation("G6 at " + identity_.name + ": a link's queue");
    }
  }
}

}  // namespace hedgerow::sim
