#include "daemon/node/delivery.hpp"

#include <algorithm>
#include <gsl/assert>
#include <utility>

#include "daemon/mqtt/topic.hpp"
#include "daemon/node/limits.hpp"

namespace hedgerow::node {

namespace {

std::vector<sync::ChannelNo> conflated_channels(const ChannelTable& channels, bool all) {
  std::vector<sync::ChannelNo> out;
  for (const ChannelTable::Entry& entry : channels.entries()) {
    if (all || entry.channel.conflate) out.push_back(entry.number);
  }
  return out;
}

}  // namespace

Delivery::Delivery(Settings settings, Ports ports, SessionRegistry& sessions, const ChannelTable& channels,
                   QueueBudget& budget, Counters& counters)
    : settings_(settings),
      ports_(std::move(ports)),
      sessions_(sessions),
      channels_(channels),
      counters_(counters),
      log_(ports_.store, channels, settings.latest, counters.dropped, sessions.pages(), ports_.log),
      arrival_times_(settings.latest),
      ages_(settings.self, settings.latest),
      tree_(ports_.random()),
      outbound_(settings.self, ages_, ports_.moment, budget, counters, ports_.touched, ports_.may_receive),
      groups_(log_, sessions_, outbound_, tree_, ports_.store, counters, ports_.random,
              [this](const OpRef& op) { return is_late(op); }),
      watchers_(settings.self, log_, ports_.store, channels, ages_, ports_.moment, ports_.log) {}

// --- sessions come and go ---

void Delivery::restore(Session& session) {
  for (const auto& [filter, subscription] : session.subscriptions) {
    if (!mqtt::is_shared_filter(filter)) continue;
    const auto [share, topic_filter] = mqtt::split_shared_filter(filter);
    static_cast<void>(groups_.join(session, share, topic_filter, subscription.options, subscription.start));
  }
}

void Delivery::attach(Session& session, Client& client) {
  session.client = &client;
  session.live = false;
  session.attached_at = log_.latest();
  session.reader = LogReader::make(log_, session.cursor, [this, id = session.id] {
    if (Session* found = sessions_.find(id)) pump(*found);
  });
  if (session.is_persistent()) {
    session.reader->conflate(conflated_channels(channels_, session.conflates), session.attached_at);
  }
  session.runs.clear();
  session.runs_unsettled = false;
  for (auto& [filter, subscription] : session.subscriptions) {
    if (mqtt::is_shared_filter(filter)) continue;
    tree_.insert(filter, session.id, subscription.options);
    resume_runs(session, filter, subscription);
  }
  groups_.attach(session);
}

void Delivery::detach(Session& session) {
  if (session.client == nullptr) return;
  tree_.erase_all(session.id);
  session.cursor = session.window.acknowledged_up_to(cursor(session));
  session.live = false;
  session.client = nullptr;
  session.reader.reset();
  session.runs.clear();
  groups_.detach(session, session.window.detach());
}

bool Delivery::subscribe(Session& session, const mqtt::SubscribeEntry& entry,
                         std::optional<std::uint64_t> replay_since_ms) {
  const std::string_view filter = entry.filter;
  const auto known = session.subscriptions.find(filter);
  const bool is_new = known == session.subscriptions.end();
  if (!entry.share.empty() && !groups_.join(session, entry.share, entry.topic_filter, entry.options, log_.latest())) {
    return false;
  }

  stop_live(session, reach(session));
  Subscription& subscription = is_new ? session.subscriptions[std::string(filter)] : known->second;
  subscription.options = entry.options;
  // A replaced subscription goes on without a gap [MQTT-3.8.4-3].
  if (is_new) subscription.start = log_.latest();
  if (is_new) session.add_filter(filter.size());
  session.newest_start = std::max(session.newest_start, subscription.start);
  // Each SUBSCRIBE gets its retained messages [MQTT-3.8.4-4], however fast they follow, within reason (G6).
  const auto is_same = [&](const Run& run) { return run.filter == filter; };
  levels_ += session.runs.size();
  if (std::count_if(session.runs.begin(), session.runs.end(), is_same) >= kRunsPerFilterMax) {
    std::erase_if(session.runs, is_same);
  }
  if (!entry.share.empty()) return true;  // neither retained messages nor the past [MQTT-4.8.2], section 4.8.2

  tree_.insert(filter, session.id, entry.options);
  const mqtt::RetainHandling handling = entry.options.retain_handling;
  subscription.retained_due =
      handling == mqtt::RetainHandling::kSend || (handling == mqtt::RetainHandling::kSendIfNew && is_new);
  subscription.retained_channel = {};
  subscription.retained_topic.clear();
  if (subscription.retained_due) {
    add_retained_run(session, std::string(filter), subscription,
                     {.start = log_.latest(), .replayed_since_ms = replay_since_ms});
  }
  if (replay_since_ms) {
    // What the session has read already comes again with the replay; what it has not comes once, after it, unless it
    // came before the subscription.
    const sync::Arrival last = std::max(cursor(session), subscription.start);
    subscription.replay = StoredReplay{.since_ms = *replay_since_ms, .last = last};
    add_replay_run(session, std::string(filter), subscription, {.since_ms = *replay_since_ms, .last = last});
  }
  return true;
}

bool Delivery::unsubscribe(Session& session, std::string_view filter) {
  const auto known = session.subscriptions.find(filter);
  if (known == session.subscriptions.end()) return false;
  if (const auto [share, topic_filter] = mqtt::split_shared_filter(filter); !share.empty()) {
    groups_.leave(session, share, topic_filter);
  }
  erase(session, known);
  return true;
}

void Delivery::erase(Session& session, Subscriptions::iterator subscription) {
  const std::string& filter = subscription->first;
  if (!mqtt::is_shared_filter(filter)) tree_.erase(filter, session.id);
  std::erase_if(session.runs, [&](const Run& run) { return run.filter == filter; });
  settle_runs(session);
  session.remove_filter(filter.size());
  session.subscriptions.erase(subscription);
}

// --- subscriptions that wait for the disk ---

bool Delivery::withdraw(Session& session, std::string_view filter) {
  const auto known = session.subscriptions.find(filter);
  if (known == session.subscriptions.end()) return false;
  stop_live(session, reach(session));  // what is committed meanwhile is not passed over
  erase(session, known);
  return true;
}

void Delivery::confirm(Session& session, std::string_view filter) {
  if (session.subscriptions.contains(filter)) return;
  if (const auto [share, topic_filter] = mqtt::split_shared_filter(filter); !share.empty()) {
    groups_.leave(session, share, topic_filter);
  }
}

void Delivery::put_back(Session& session, const std::string& filter, const std::optional<Subscription>& before) {
  if (!before) {
    if (!unsubscribe(session, filter)) confirm(session, filter);
    return;
  }
  const auto [known, is_gone] = session.subscriptions.insert_or_assign(filter, *before);
  if (is_gone) session.add_filter(filter.size());
  if (const auto [share, topic_filter] = mqtt::split_shared_filter(filter); !share.empty()) {
    // Its place in the group was kept.
    static_cast<void>(groups_.join(session, share, topic_filter, before->options, log_.latest()));
    return;
  }
  std::erase_if(session.runs, [&](const Run& run) { return run.filter == filter; });
  if (session.client == nullptr) return;
  tree_.insert(filter, session.id, before->options);
  resume_runs(session, filter, known->second);
}

sync::Arrival Delivery::cursor(const Session& session) const {
  if (session.live) return reach(session);
  return session.reader ? session.reader->cursor() : session.cursor;
}

void Delivery::stop_live(Session& session, sync::Arrival cursor) {
  if (!session.live) return;
  session.live = false;
  session.reader->jump(cursor);
}

// --- what was committed ---

namespace {

// Where retained messages merge, everybody is shown what a publish led to.
void show_merged(sync::CommittedSegment& segment) {
  for (std::size_t i = 0; i < segment.shown.size(); ++i) {
    if (segment.shown[i] != nullptr) segment.ops[i].message = segment.shown[i];
  }
}

}  // namespace

void Delivery::on_handed_out(std::vector<sync::CommittedSegment> segments) {
  for (sync::CommittedSegment& segment : segments) {
    show_merged(segment);
    arrival_times_.note(segment.segment->first_arrival + segment.ops.size() - 1, ports_.moment().wall);
    deliver_segment(segment, Audience::kKeepsNothing);
    log_.add(std::move(segment));
  }
  watchers_.pump_all();
}

void Delivery::deliver_segment(const sync::CommittedSegment& segment, Audience audience) {
  for (std::size_t i = 0; i < segment.ops.size(); ++i) {
    deliver_to_live({.op = segment.ops[i],
                     .channel = segment.channel,
                     .replica = segment.segment->replica,
                     .arrival = segment.segment->first_arrival + i},
                    audience);
  }
}

void Delivery::on_committed(sync::Committed committed) {
  const Moment moment = ports_.moment();
  arrival_times_.note(committed.last_arrival, moment.wall);
  ages_.note(committed.last_arrival, moment.now, moment.wall);
  if (!committed.merged.empty()) {
    for (const auto& [id, session] : sessions_.all()) stop_live(*session, reach(*session));
    groups_.stop_live(log_.durable());
    log_.skip_to(committed.last_arrival);
    return pump_all();
  }
  const bool was_open = awaits_commit();
  log_.visit_after(log_.durable(), [&](const OpRef& op) { deliver_to_live(op, Audience::kKeepsPosition); });
  for (sync::CommittedSegment& segment : committed.segments) {
    show_merged(segment);
    deliver_segment(segment, Audience::kAll);
    log_.add(std::move(segment));
  }
  log_.settle();
  if (was_open || is_spent()) groups_.pump_all();
  watchers_.pump_all();
}

void Delivery::pump_all() {
  for (const auto& [id, session] : sessions_.all()) pump(*session);
  groups_.pump_all();
  watchers_.pump_all();
}

void Delivery::on_tick() {
  pump_all();
  groups_.save_positions();
}

void Delivery::deliver_to_live(const OpRef& op, Audience audience) {
  if (!op.op.kind.record || channels_.is_spooled(op.channel)) return;
  if (is_spent()) return fall_behind(op.arrival - 1, audience);
  levels_ += tree_.match(op.op.message->topic, matches_);
  for (auto match = matches_.begin(); match != matches_.end();) {
    const mqtt::SubscriberId subscriber = match->subscriber;
    Session* session = sessions_.find(subscriber);
    wish_.clear();
    for (; match != matches_.end() && match->subscriber == subscriber; ++match) {
      const bool wanted = session == nullptr || !match->options.no_local || !is_own(*session, op);
      if (wanted) wish_.add(match->options);
    }
    const bool keeps_position = session == nullptr || session->is_persistent();
    if (keeps_position && audience == Audience::kKeepsNothing) {
      if (session == nullptr || session->live) log_.hurry();
    } else if (!keeps_position && audience == Audience::kKeepsPosition) {
      continue;
    } else if (session == nullptr) {
      groups_.deliver_live(subscriber, op);
    } else if (session->live && (session->is_persistent() || !is_late(op)) &&
               !outbound_.send_logged(*session, op, wish_)) {
      stop_live(*session, op.arrival - 1);
    }
  }
}

void Delivery::fall_behind(sync::Arrival cursor, Audience audience) {
  if (std::exchange(is_behind_.at(static_cast<std::size_t>(audience)), true)) return;
  for (const auto& [id, session] : sessions_.all()) {
    const Audience its = session->is_persistent() ? Audience::kKeepsPosition : Audience::kKeepsNothing;
    if (!session->live || (audience != Audience::kAll && audience != its)) continue;
    stop_live(*session, cursor);
    set_due(*session);
  }
  if (audience == Audience::kKeepsNothing) return log_.hurry();
  groups_.stop_live(cursor);
}

void Delivery::set_due(Session& session) {
  if (!std::exchange(session.due, true)) due_.push_back(session.id);
}

void Delivery::pump_due() {
  for (std::size_t left = due_.size(); left > 0 && !is_spent(); --left) {
    Session* session = sessions_.find(due_.front());
    due_.pop_front();
    if (session == nullptr) continue;
    session->due = false;
    pump(*session);
  }
}

bool Delivery::is_own(const Session& session, const OpRef& op) const {
  return op.op.publisher == session.id && op.replica == settings_.self;
}

bool Delivery::is_late(const OpRef& op) const {
  if (op.replica == settings_.self) return false;
  const ChannelTable::Entry* channel = channels_.find(op.channel);
  return channel != nullptr && arrival_times_.is_late(op.op.stamp, op.arrival, channel->channel.late);
}

void Delivery::match_subscriptions(const Session& session, const OpRef& op, Wish& wish) {
  wish.clear();
  // A name of so many bytes has half as many levels at most.
  levels_ += session.subscriptions.size() * (1 + op.op.message->topic.size() / 2);
  for (const auto& [filter, subscription] : session.subscriptions) {
    if (op.arrival <= subscription.start || !mqtt::matches(filter, op.op.message->topic)) continue;
    if (subscription.options.no_local && is_own(session, op)) continue;  // [MQTT-3.8.3-3]
    wish.add(subscription.options);
  }
}

void Delivery::publish_live(const sync::Message& message, bool retain, std::uint64_t publisher) {
  watchers_.publish_live(message, retain, /*is_own=*/publisher != 0);
  levels_ += tree_.match(message.topic, matches_);
  for (auto match = matches_.begin(); match != matches_.end();) {
    const mqtt::SubscriberId subscriber = match->subscriber;
    const Session* session = sessions_.find(subscriber);
    wish_.clear();
    for (; match != matches_.end() && match->subscriber == subscriber; ++match) {
      if (!match->options.no_local || publisher != subscriber) wish_.add(match->options);
    }
    if (session == nullptr) {
      groups_.publish_live(subscriber, message, retain);
    } else if (session->client != nullptr && wish_.any) {
      outbound_.send_live(*session->client, message, retain && wish_.retain_as_published, wish_);
    }
  }
}

void Delivery::publish_foreign(const sync::Message& message, bool retain) {
  if (Outbound::is_deliverable(message)) publish_live(message, retain, /*publisher=*/0);
}

// --- what is behind ---

void Delivery::pump(Session& session) {
  if (session.client == nullptr || session.is_held()) return;
  groups_.pump_of(session);
  const bool reads_log = !session.live && outbound_.has_room(session) && pump_runs(session);
  if (reads_log) session.window.pass_interrupted();
  const bool is_caught_up = reads_log && pump_log(session);
  if (session.window.has_lost()) ports_.release_lost(session);
  if (!is_caught_up) return;
  if (awaits_commit() && session.is_persistent()) log_.hurry();
  // It stands behind what is not durable yet: that came before it kept a position.
  if (session.reader->cursor() > reach(session)) return;
  session.live = true;
}

bool Delivery::pump_log(Session& session) {
  const auto progress = session.reader->run(reach(session), [&](const OpRef& op) {
    session.window.pass(op.arrival - 1);
    if (!op.op.kind.record) return true;
    // What was sent before is sent again [MQTT-4.4.0-1]: the client knows its identifier.
    if (op.superseded && !session.window.is_due_again(op.arrival) && !session.is_maybe_sent(op.arrival)) return true;
    if (!session.is_persistent() && is_late(op)) return true;
    if (is_spent()) {
      set_due(session);
      return false;
    }
    match_subscriptions(session, op, wish_);
    return outbound_.send_logged(session, op, wish_);
  });
  if (progress != LogReader::Progress::kNoRoom) session.window.pass(session.reader->cursor());
  if (const std::uint64_t trimmed = session.reader->take_trimmed(); trimmed > 0) {
    session.trimmed_beneath += trimmed;
    counters_.trimmed_beneath += trimmed;
  }
  return progress == LogReader::Progress::kCaughtUp;
}

void Delivery::acknowledge(Session& session, const Window::Message& message) {
  if (message.aside && message.sender != 0) groups_.acknowledge(session, message);
  if (message.aside && message.sender == 0) {
    for (Run& run : session.runs) run.acknowledge(message.arrival);
    settle_runs(session);
  }
  pump(session);
}

}  // namespace hedgerow::node
