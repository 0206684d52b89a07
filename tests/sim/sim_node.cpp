#include "tests/sim/sim_node.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "sync/engine/pull.hpp"
#include "sync/limits.hpp"
#include "sync/link/packing.hpp"
#include "sync/log/segment.hpp"

namespace hedgerow::sim {
namespace {

using namespace std::chrono_literals;
using sync::Action;

std::uint64_t id_of(const sync::Message& message) {
  std::uint64_t id = 0;
  for (const std::uint8_t byte : message.properties) id = (id << 8U) | byte;
  return id;
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
      disk_(std::move(disk)),
      clock_(scheduler),
      remote_commit_(options.remote_commit) {}

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
  for (std::size_t i = 0; i < kChannels; ++i) {
    settings.push_back({.name = std::string(kChannelNames[i]),
                        .keep = {.age_ms = in_ms(options_.keep_age), .size_bytes = keep_bytes()},
                        .merge = kMerges[i]});
  }
  // Numbers are each node's own: let them differ.
  if (identity_.index % 2 == 1) std::reverse(settings.begin(), settings.end());
  const auto opened = engine_->open(settings, sync::ReplicaId{random_.next() | 1U});
  if (fails()) return false;
  if (!opened && opened.error().category == Category::kIo) {
    engine_.reset();
    disk_->power_off();
    return false;
  }
  if (!opened) throw Violation("open: " + opened.error().what);
  replica_ = engine_->self();
  oracle_.set_true_time(clock_.true_ms());
  if (std::exchange(disk_is_another_, false)) oracle_.on_disk_replaced(subject());
  oracle_.on_restart(subject());
  make_replicator(engine_->channels());
  return true;
}

void SimNode::make_replicator(const std::vector<sync::ChannelState>& channels) {
  replicator_ = std::make_unique<sync::Replicator>(
      sync::ReplicatorSettings{
          .mesh = "sim", .node = identity_.name, .replica = replica_, .version = "sim", .incarnation = incarnation_},
      channels, compressor_);
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
  turn_is_open_ = false;
  handed_out_.clear();
  remote_commit_.on_end();
  handing_back_ = 0;
  last_hand_back_ = Instant::min();
  answers_for_former_ = 0;
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
  return intents_.empty() && !turn_under_way_ && !turn_is_open_ && handing_back_ == 0 && answering_ == 0 &&
         replicator_->unapplied_bytes() == 0;
}

sync::ChannelNo SimNode::number_of(std::size_t channel) const {
  for (const sync::ChannelState& state : engine_->channels()) {
    if (state.name == kChannelNames[channel]) return state.number;
  }
  throw Violation("a channel has gone");
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
    sync::pack(compressor_, *answer);
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
  builder.add({.stamp = {.wall_ms = clock_.true_ms(), .counter = 0, .quality = ClockQuality::kSynchronised},
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
                            oracle_.live().on_delivered(subject(), incarnation_, id_of(*live.message));
                          },
                          [&](const sync::RenewReplica& renew) { submit(Renew{renew.shown}); },
                          [&](const auto& job) { submit(job); }},
               action);
  }
  check_bounds(copied);
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
    ++wakes_;
    perform(replicator_->on_timer(scheduler_.now()));
    if (replicator_->next_deadline() <= scheduler_.now()) throw Violation("a timer spins at " + identity_.name);
  });
}

// G6: what the replicator handed out and what it queues is bounded.
void SimNode::check_bounds(std::span<const Action> actions) const {
  const std::size_t unapplied_max =
      sync::kUnappliedBytesMax + kChannels * (sync::kAnswerBytesDefault + sync::kSegmentBytesMax);
  if (replicator_->unapplied_bytes() > unapplied_max) throw Violation("G6 at " + identity_.name + ": unapplied bytes");
  for (const Action& action : actions) {
    const auto* const send = std::get_if<sync::SendOnLink>(&action);
    if (send == nullptr) continue;
    if (wires_.queued_bytes(send->link) > sync::kLinkQueueBytesSoft + (kChannels + 1) * sync::kLinkMessageBytesMax) {
      throw Violation("G6 at " + identity_.name + ": a link's queue");
    }
  }
}

}  // namespace hedgerow::sim
