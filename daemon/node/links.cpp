#include "daemon/node/links.hpp"

#include <algorithm>
#include <utility>

#include "daemon/node/limits.hpp"
#include "sync/base/overloaded.hpp"
#include "sync/link/packing.hpp"

namespace hedgerow::node {

Links::Links(sync::ReplicatorSettings settings, const std::vector<sync::ChannelState>& replicated,
             const ChannelTable& channels, StorePort& store, Hasher& read_hasher, const Compressor& compressor,
             std::function<void(const sync::DeliverLive&)> deliver_live, std::function<void(Instant)> heard,
             std::function<std::uint64_t()> random)
    : settings_(std::move(settings)),
      channels_(channels),
      store_(store),
      read_hasher_(read_hasher),
      compressor_(compressor),
      deliver_live_(std::move(deliver_live)),
      heard_(std::move(heard)),
      random_(std::move(random)),
      replicator_(settings_, replicated, compressor) {}

sync::LinkId Links::up(Instant now, std::string_view peer, bool dialled, LinkOutput& output) {
  const sync::LinkId link{++last_link_};
  if (outputs_.empty() && (!alone_since_ || now - *alone_since_ >= kAloneLong)) connected_at_ = now;
  outputs_.emplace(link, &output);
  carry_out(now, replicator_.on_link_up(now, link, peer, dialled));
  return link;
}

void Links::down(Instant now, sync::LinkId link) {
  const bool was_there = outputs_.erase(link) > 0;
  if (was_there && outputs_.empty()) alone_since_ = now;
  if (was_there) carry_out(now, replicator_.on_link_down(now, link));
}

void Links::on_message(Instant now, sync::LinkId link, ByteView message) {
  if (!outputs_.contains(link)) return;
  carry_out(now, replicator_.on_message(now, link, message));
  heard_(now);
}

void Links::on_drained(Instant now, sync::LinkId link) {
  const auto output = outputs_.find(link);
  if (output == outputs_.end()) return;
  carry_out(now, replicator_.on_queue(now, link, output->second->queued_bytes()));
}

void Links::on_turn(Instant now, const TurnResult& turn) {
  if (!turn.failure) carry_out(now, replicator_.on_committed(now, turn.committed));
  for (const Received& received : turn.received) {
    if (answers_for_former_ > 0) {
      --answers_for_former_;
      continue;
    }
    carry_out(now, replicator_.on_received(now, received.link, received.channel, received.result));
  }
}

void Links::on_handed_out(Instant now, const std::vector<sync::CommittedSegment>& segments) {
  carry_out(now, replicator_.on_handed_out(now, segments));
}

void Links::on_renewed(sync::ReplicaId replica, const std::vector<sync::ChannelState>& replicated,
                       std::uint64_t beginning) {
  answers_for_former_ += replicator_.unanswered();
  beginning_ = beginning;
  settings_.replica = replica;
  settings_.incarnation = random_();
  replicator_ = sync::Replicator(settings_, replicated, compressor_);
  for (const auto& [link, output] : outputs_) output->close("this node goes on under a new name", DialAgain::kNow);
}

void Links::on_removed(Instant now, const std::set<sync::ReplicaId>& removed) {
  settings_.removed = removed;
  carry_out(now, replicator_.on_removed(now, removed));
}

void Links::publish_live(Instant now, const sync::MessagePtr& message, bool retain) {
  carry_out(now, replicator_.publish_live(now, message, retain));
}

void Links::on_tick(Instant now) {
  look_again_.reset();
  for (const auto& [link, output] : outputs_) sent_.push_back(link);
  report_queues(now);
}

void Links::on_timer(Instant now) {
  if (look_again_ && *look_again_ <= now) on_tick(now);
  carry_out(now, replicator_.on_timer(now));
}

Instant Links::next_deadline() const {
  return std::min(replicator_.next_deadline(), look_again_.value_or(Instant::max()));
}

void Links::carry_out(Instant now, std::span<const sync::Action> actions) {
  for (const sync::Action& action : actions) {
    std::visit(Overloaded{
                   [&](const sync::SendOnLink& send) {
                     const auto output = outputs_.find(send.link);
                     if (output == outputs_.end()) return;
                     output->second->send(send.message);
                     if (sent_.empty() || sent_.back() != send.link) sent_.push_back(send.link);
                   },
                   [&](const sync::CloseLink& close) {
                     const auto output = outputs_.find(close.link);
                     if (output == outputs_.end()) return;
                     output->second->close(close.reason,
                                           close.reason == sync::kReasonSelf ? DialAgain::kNever : DialAgain::kLater);
                   },
                   [&](const sync::AnswerPull& pull) { answer_pull(pull); },
                   [&](const sync::DeliverLive& live) { deliver_live_(live); },
                   [&](const sync::RenewReplica& renew) {
                     store_.submit(RenewIntent{.fresh = sync::ReplicaId{random_() | 1U},
                                               .peer = renew.peer,
                                               .shown = renew.shown,
                                               .beginning = beginning_});
                   },
                   [&](const sync::LearnBranches& learnt) {
                     store_.submit(LearnIntent{.branches = learnt, .fresh = sync::ReplicaId{random_() | 1U}});
                   },
                   [&](const auto& intent) { store_.submit(intent); },
               },
               action);
  }
  report_queues(now);
}

void Links::report_queues(Instant now) {
  while (!sent_.empty()) {
    const sync::LinkId link = sent_.back();
    std::erase(sent_, link);
    const auto output = outputs_.find(link);
    if (output == outputs_.end()) continue;
    const std::size_t queued = output->second->queued_bytes();
    if (queued > sync::kLinkQueueBytesSoft && !look_again_) look_again_ = now + kDrainLook;
    carry_out(now, replicator_.on_queue(now, link, queued));
  }
}

void Links::answer_pull(sync::AnswerPull pull) {
  const ChannelTable::Entry* channel = channels_.find(pull.channel);
  const auto hand_over = [this, link = pull.link, number = pull.channel](Instant now,
                                                                         const Expected<sync::PullAnswer>& answer) {
    carry_out(now, replicator_.on_pull_answer(now, link, number, answer));
  };
  if (channel == nullptr) return;
  store_.read(
      [this, hand_over, pull = std::move(pull), name = channel->channel.name](sync::ReadView& view) -> Continuation {
        auto answer = std::make_shared<Expected<sync::PullAnswer>>(
            sync::answer_pull(view, read_hasher_, pull.channel, name, pull.request));
        if (*answer) sync::pack(compressor_, **answer);
        return [hand_over, answer](Instant now) { hand_over(now, *answer); };
      },
      [hand_over](Instant now, const Error& error) { hand_over(now, tl::unexpected<Error>(error)); });
}

}  // namespace hedgerow::node
