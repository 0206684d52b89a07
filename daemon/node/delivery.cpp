#include "daemon/node/delivery.hpp"

#include <algorithm>
#include <gsl/assert>
#include <utility>

#include "daemon/mqtt/properties.hpp"
#include "daemon/mqtt/topic.hpp"
#include "daemon/node/limits.hpp"
#include "sync/log/segment.hpp"

namespace hedgerow::node {

// What a client's own PUBLISH was held to when it came in here.
bool Delivery::is_deliverable(const sync::Message& message) {
  return mqtt::is_valid_topic_name(message.topic) && mqtt::are_forwardable_properties(message.properties);
}

Delivery::Delivery(Settings settings, StorePort& store, SessionRegistry& sessions, const ChannelTable& channels,
                   WallClock wall_clock, Counters& counters, std::function<void(Client&)> touched, Log log)
    : settings_(settings),
      store_(store),
      sessions_(sessions),
      channels_(channels),
      wall_clock_(std::move(wall_clock)),
      counters_(counters),
      touched_(std::move(touched)),
      log_(std::move(log)),
      latest_(settings.latest),
      recent_(kRecentBytesMax),
      tree_(settings.hash_seed) {
  recent_.reset(latest_);
}

void Delivery::Wish::clear() {
  any = false;
  qos = mqtt::QoS::kAtMostOnce;
  retain_as_published = false;
  identifiers.clear();
}

void Delivery::Wish::add(const mqtt::SubOptions& options) {
  any = true;
  qos = std::max(qos, options.qos);
  retain_as_published = retain_as_published || options.retain_as_published;
  if (options.subscription_identifier != 0) identifiers.push_back(options.subscription_identifier);
}

void Delivery::attach(Session& session, Client& client) {
  session.client = &client;
  session.live = false;
  session.attached_at = latest_;
  session.retained.clear();
  session.retained_unsettled = false;
  for (const auto& [filter, subscription] : session.subscriptions) {
    tree_.insert(filter, session.id, subscription.options);
    if (subscription.retained_due) {
      session.retained_unsettled = true;
      session.retained.push_back({.id = next_run_id_++,
                                  .filter = filter,
                                  .options = subscription.options,
                                  .start = subscription.start,
                                  .after_topic = {},
                                  .page = {}});
    }
  }
}

void Delivery::detach(Session& session) {
  if (session.client == nullptr) return;
  tree_.erase_all(session.id);
  session.cursor = session.window.acknowledged_up_to(cursor(session));
  session.live = false;
  session.client = nullptr;
  session.page.reset();
  session.reading = false;
  ++session.read_id;
  session.retained.clear();
  session.window.detach();
}

void Delivery::subscribe(Session& session, std::string_view filter, const mqtt::SubOptions& options) {
  stop_live(session);
  const auto known = session.subscriptions.find(filter);
  const bool is_new = known == session.subscriptions.end();
  Subscription& subscription = is_new ? session.subscriptions[std::string(filter)] : known->second;
  subscription.options = options;
  // A replaced subscription goes on without a gap [MQTT-3.8.4-3].
  if (is_new) subscription.start = latest_;
  session.newest_start = std::max(session.newest_start, subscription.start);
  tree_.insert(filter, session.id, options);

  const bool wants_retained = options.retain_handling == mqtt::RetainHandling::kSend ||
                              (options.retain_handling == mqtt::RetainHandling::kSendIfNew && is_new);
  std::erase_if(session.retained, [&](const RetainedRun& run) { return run.filter == filter; });
  subscription.retained_due = wants_retained;
  session.retained_unsettled = session.retained_unsettled || wants_retained;
  if (is_new) session.filter_bytes += filter.size();
  if (wants_retained) {
    session.retained.push_back({.id = next_run_id_++,
                                .filter = std::string(filter),
                                .options = options,
                                .start = latest_,
                                .after_topic = {},
                                .page = {}});
  }
}

bool Delivery::unsubscribe(Session& session, std::string_view filter) {
  const auto known = session.subscriptions.find(filter);
  if (known == session.subscriptions.end()) return false;
  tree_.erase(filter, session.id);
  std::erase_if(session.retained, [&](const RetainedRun& run) { return run.filter == filter; });
  session.filter_bytes -= filter.size();
  session.subscriptions.erase(known);
  return true;
}

void Delivery::pump(Session& session) {
  if (session.client == nullptr || session.holds > 0 || session.live) return;
  if (!pump_retained(session) || !pump_log(session)) return;
  session.live = true;
  session.page.reset();
}

void Delivery::pump_stalled() {
  for (const auto& [id, session] : sessions_.all()) pump(*session);
}

void Delivery::stop_live(Session& session) {
  if (!session.live) return;
  session.live = false;
  session.cursor = latest_;
}

void Delivery::on_committed(sync::Committed committed) {
  if (!committed.merged.empty()) return read_from_disk(committed.last_arrival);
  for (sync::CommittedSegment& segment : committed.segments) {
    for (std::size_t i = 0; i < segment.ops.size(); ++i) {
      const sync::Arrival arrival = segment.segment->first_arrival + i;
      deliver_to_live({.op = segment.ops[i], .replica = segment.segment->replica, .arrival = arrival});
      latest_ = arrival;
    }
    recent_.add(std::move(segment));
  }
}

// A snapshot was merged: its ops are on disk only, wherever in the turn they stand, and everybody reads them there.
void Delivery::read_from_disk(sync::Arrival latest) {
  for (const auto& [id, session] : sessions_.all()) stop_live(*session);
  latest_ = latest;
  recent_.reset(latest_);
  for (const auto& [id, session] : sessions_.all()) pump(*session);
}

void Delivery::deliver_to_live(const OpRef& op) {
  if (!op.op.kind.record) return;
  tree_.match(op.op.message->topic, matches_);
  for (auto match = matches_.begin(); match != matches_.end();) {
    const auto end = std::find_if(match, matches_.end(), [&](const mqtt::SubscriptionTree::Match& other) {
      return other.subscriber != match->subscriber;
    });
    Session* session = sessions_.find(match->subscriber);
    if (session != nullptr && session->live) {
      wish_.clear();
      for (; match != end; ++match) {
        if (!match->options.no_local || !is_own(*session, op)) wish_.add(match->options);
      }
      if (!offer(*session, op, wish_)) {
        session->live = false;
        session->cursor = op.arrival - 1;
      }
    }
    match = end;
  }
}

bool Delivery::is_own(const Session& session, const OpRef& op) const {
  return op.op.publisher == session.id && op.replica == settings_.self;
}

void Delivery::match_subscriptions(const Session& session, const OpRef& op, Wish& wish) const {
  wish.clear();
  for (const auto& [filter, subscription] : session.subscriptions) {
    if (op.arrival <= subscription.start || !mqtt::matches(filter, op.op.message->topic)) continue;
    if (subscription.options.no_local && is_own(session, op)) continue;  // [MQTT-3.8.3-3]
    wish.add(subscription.options);
  }
}

bool Delivery::has_room(const Session& session, mqtt::QoS qos, bool again) const {
  if (session.client->queued_bytes() > kClientQueueBytesSoft) return false;
  if (qos == mqtt::QoS::kAtMostOnce) return true;
  return again ? session.window.has_credit() : session.window.is_open();
}

bool Delivery::expired(const sync::Message& message, const sync::Stamp& stamp,
                       std::optional<std::uint32_t>& left_s) const {
  if (!message.expiry_s) return false;
  const std::uint64_t now_ms = wall_clock_().unix_ms;
  const std::uint64_t age_s = now_ms > stamp.wall_ms ? (now_ms - stamp.wall_ms) / 1000 : 0;
  if (age_s >= *message.expiry_s) return true;                     // [MQTT-3.3.2-5]
  left_s = static_cast<std::uint32_t>(*message.expiry_s - age_s);  // [MQTT-3.3.2-6]
  return false;
}

bool Delivery::offer(Session& session, const OpRef& op, const Wish& wish) {
  if (!wish.any) return true;
  const sync::Message& message = *op.op.message;
  std::optional<std::uint32_t> expiry_left_s;
  if (expired(message, op.op.stamp, expiry_left_s)) return true;
  // Another node is trusted with its data, not with our clients' parsers.
  if (op.replica != settings_.self && !is_deliverable(message)) {
    ++counters_.dropped;
    return true;
  }
  const bool retain = wish.retain_as_published && op.op.kind.cell;
  const auto qos = std::min(wish.qos, static_cast<mqtt::QoS>(op.op.kind.qos));
  if (qos == mqtt::QoS::kAtMostOnce) {
    if (op.arrival > session.attached_at) send_at_most_once(*session.client, message, retain, expiry_left_s, wish);
    return true;
  }
  // What was sent before the connection broke keeps its identifier [MQTT-4.4.0-1]; what was acknowledged is done.
  const bool again = session.window.is_due_again(op.arrival);
  if (!again && op.arrival <= session.window.newest()) return true;
  if (!has_room(session, qos, again)) return false;
  const std::uint16_t packet_id = again ? session.window.resend(op.arrival) : session.window.add(op.arrival);
  const auto outcome = session.client->connection().publish({.topic = message.topic,
                                                             .properties = message.properties,
                                                             .payload = message.payload,
                                                             .qos = qos,
                                                             .packet_id = packet_id,
                                                             .dup = again,
                                                             .retain = retain,
                                                             .expiry_left_s = expiry_left_s,
                                                             .subscription_ids = wish.identifiers});
  if (outcome == mqtt::PublishOutcome::kTooLarge) {
    session.window.acknowledge(packet_id);  // treated as delivered [MQTT-3.1.2-25]
    ++counters_.dropped;
    return true;
  }
  // A connection that is closing sends nothing more: what its window holds comes again on the session's next one.
  if (outcome == mqtt::PublishOutcome::kSent) ++counters_.delivered;
  touched_(*session.client);
  return true;
}

void Delivery::send_at_most_once(Client& client, const sync::Message& message, bool retain,
                                 std::optional<std::uint32_t> expiry_left_s, const Wish& wish) {
  if (client.queued_bytes() > kClientQueueBytesMax) {
    ++counters_.dropped;
    return;
  }
  const auto outcome = client.connection().publish({.topic = message.topic,
                                                    .properties = message.properties,
                                                    .payload = message.payload,
                                                    .qos = mqtt::QoS::kAtMostOnce,
                                                    .retain = retain,
                                                    .expiry_left_s = expiry_left_s,
                                                    .subscription_ids = wish.identifiers});
  ++(outcome == mqtt::PublishOutcome::kSent ? counters_.delivered : counters_.dropped);
  touched_(client);
}

void Delivery::publish_live(const sync::Message& message, bool retain, std::uint64_t publisher) {
  tree_.match(message.topic, matches_);
  for (auto match = matches_.begin(); match != matches_.end();) {
    Session* session = sessions_.find(match->subscriber);
    wish_.clear();
    const mqtt::SubscriberId subscriber = match->subscriber;
    for (; match != matches_.end() && match->subscriber == subscriber; ++match) {
      if (!match->options.no_local || publisher != subscriber) wish_.add(match->options);
    }
    if (session == nullptr || session->client == nullptr || !wish_.any) continue;
    send_at_most_once(*session->client, message, retain && wish_.retain_as_published, message.expiry_s, wish_);
  }
}

void Delivery::publish_foreign(const sync::Message& message, bool retain) {
  if (is_deliverable(message)) publish_live(message, retain, /*publisher=*/0);
}

// --- behind: the log ---

bool Delivery::pump_log(Session& session) {
  while (session.cursor < latest_) {
    if (session.page) {
      if (!pump_page(session)) return false;
      continue;
    }
    if (session.cursor < recent_.floor()) {
      read_log(session);
      return false;
    }
    const RecentLog::Position at = recent_.after(session.cursor);
    const OpRef op{.op = at.segment->ops[at.index],
                   .replica = at.segment->segment->replica,
                   .arrival = at.segment->segment->first_arrival + at.index};
    if (op.op.kind.record) {
      match_subscriptions(session, op, wish_);
      if (!offer(session, op, wish_)) return false;
    }
    pass(session, op.arrival);
  }
  return true;
}

void Delivery::pass(Session& session, sync::Arrival cursor) {
  session.cursor = std::max(session.cursor, cursor);
  session.window.pass(session.cursor);
}

// False: no room. True: the page is used up, and gone.
bool Delivery::pump_page(Session& session) {
  LogPage& page = *session.page;
  for (; page.part < page.parts.size(); ++page.part, page.op = 0) {
    const LogPage::Part& part = page.parts[page.part];
    for (; page.op < part.ops.size(); ++page.op) {
      const OpRef op{.op = part.ops[page.op], .replica = part.replica, .arrival = part.first_arrival + page.op};
      // The page may begin before the cursor, and may know more than the results of turns have told yet.
      if (op.arrival <= session.cursor) continue;
      if (op.arrival > latest_) {
        session.page.reset();
        return true;
      }
      if (op.op.kind.record) {
        match_subscriptions(session, op, wish_);
        if (!offer(session, op, wish_)) return false;
      }
      pass(session, op.arrival);
    }
    pass(session, std::min(part.first_arrival + part.count - 1, latest_));
  }
  session.page.reset();
  return true;
}

void Delivery::read_log(Session& session) {
  if (session.reading) return;
  session.reading = true;
  // A page that was asked for before the session lost its connection must not move the cursor of the next one.
  const auto finish = [this, id = session.id, read_id = ++session.read_id]() -> Session* {
    Session* found = sessions_.find(id);
    if (found == nullptr || found->read_id != read_id) return nullptr;
    found->reading = false;
    return found;
  };
  const auto fail = [this, finish](const Error& error) {
    if (finish() != nullptr) log_(error.what);  // the next tick tries again
  };
  store_.read(
      [this, finish, fail, after = session.cursor, known = latest_](sync::ReadView& view) -> Continuation {
        auto rows = view.segments_after(after, kReadPageBytes);
        if (!rows) return [fail, error = rows.error()](Instant) { fail(error); };
        auto page = std::make_shared<LogPage>();
        std::uint64_t damaged = 0;
        for (sync::ReadView::ChannelSegment& row : *rows) {
          auto decoded = sync::decode_segment(row.row.bytes);
          if (!decoded) damaged += row.row.count;
          page->parts.push_back({.channel = row.channel,
                                 .replica = row.row.replica,
                                 .first_arrival = row.row.first_arrival,
                                 .count = row.row.count,
                                 .ops = decoded ? std::move(decoded->ops) : std::vector<sync::Op>{}});
        }
        return [this, finish, page, damaged, known](Instant) {
          if (damaged > 0) {
            counters_.dropped += damaged;
            log_(std::to_string(damaged) + " messages in the database are damaged, and cannot be delivered");
          }
          Session* found = finish();
          if (found == nullptr || found->client == nullptr) return;
          if (page->parts.empty()) {
            pass(*found, known);  // nothing follows in the log: it was trimmed
          } else {
            // What lies between the cursor and the page is not in the log any more.
            pass(*found, std::min(page->parts.front().first_arrival - 1, latest_));
            found->page = std::move(*page);
          }
          pump(*found);
        };
      },
      [fail](Instant, const Error& error) { fail(error); });
}

}  // namespace hedgerow::node
