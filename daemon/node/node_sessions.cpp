// The part of Node that keeps sessions: restores, saves and ends them.
#include <algorithm>
#include <tuple>
#include <utility>

#include "daemon/node/limits.hpp"
#include "daemon/node/node.hpp"

namespace hedgerow::node {

std::optional<Instant> Node::expiry_moment(Instant now, std::uint32_t expiry_s) {
  if (expiry_s == mqtt::kSessionExpiryNever) return std::nullopt;
  return now + std::chrono::seconds{expiry_s};
}

void Node::restore_sessions(Instant now, const std::vector<StoredSession>& stored) {
  for (const StoredSession& from : stored) {
    auto session = std::make_unique<Session>(from.id, from.owner, from.client_id, /*persistent=*/true, kInFlightMax);
    session->was_stored = true;
    session->was_confirmed = true;
    session->expiry_s = from.expiry_s;
    session->stored_expiry_s = from.expiry_s;
    session->cursor = from.position;
    session->position_submitted = from.position;
    session->position_saved = from.position;
    session->window.settle(from.position);
    session->window.restore(from.releases);
    session->received.insert(from.received.begin(), from.received.end());
    session->restored_up_to = delivery_.latest();
    session->maybe_sent_left = std::max(kInFlightMax, settings_.limits.in_flight_max);
    session->expires_at = expiry_moment(now, from.expiry_s);
    for (const StoredSubscription& subscription : from.subscriptions) {
      session->subscriptions[subscription.filter] = {
          .options = options_from(subscription.options, subscription.identifier),
          .start = subscription.start,
          .retained_due = subscription.retained_due,
          .retained_channel = subscription.retained_channel,
          .retained_topic = subscription.retained_topic,
          .replay = subscription.replay};
      session->newest_start = std::max(session->newest_start, subscription.start);
      session->add_filter(subscription.filter.size());
    }
    // Two of one name: the end of one of them was lost in a turn that failed.
    if (const Session* twin = sessions_.find(from.owner, from.client_id); twin != nullptr) {
      const bool keep_twin = twin->cursor >= from.position;
      ports_.store.submit(EraseSessionIntent{.id = keep_twin ? from.id : twin->id});
      if (keep_twin) continue;
      sessions_.erase(twin->id);
    }
    delivery_.restore(sessions_.add(std::move(session)));
  }
}

void Node::end_session(Session& session) {
  if (session.pending != nullptr) turn_away(*session.pending, mqtt::ReasonCode::kSessionTakenOver);
  delivery_.detach(session);
  delivery_.forget(session);
  end_wills_of(session.id);
  // One that is on its way to the disk goes once it is there.
  if (session.was_stored && session.was_confirmed) ports_.store.submit(EraseSessionIntent{.id = session.id});
  sessions_.erase(session.id);
}

void Node::expire_sessions(Instant now) {
  std::vector<std::uint64_t> expired;
  for (const auto& [id, session] : sessions_.all()) {
    const bool is_away = session->client == nullptr && session->pending == nullptr && !replacing_.contains(id);
    if (is_away && session->expires_at && *session->expires_at <= now) expired.push_back(id);
  }
  counters_.sessions_expired += expired.size();
  for (const std::uint64_t id : expired) end_session(*sessions_.find(id));
}

void Node::store_session(Session& session, Stored then) {
  session.was_stored = true;
  session.stored_expiry_s = session.expiry_s;
  ++session.stores;
  const std::uint64_t token = then ? ++last_token_ : 0;
  if (then) waiting_.emplace(token, std::move(then));
  ports_.store.submit(PutSessionIntent{.session = session.stored(), .token = token});
  // Where nothing waits for an acknowledgement, the position has moved without being saved: now it costs no commit.
  submit_position(session);
}

// A release may be forgotten once nothing that is read after a restart meets its message again.
Window::MayForget Node::may_forget(const Session& session, sync::Arrival position) const {
  return [this, &session, position](const Window::Finished& finished) {
    if ((!finished.aside || finished.restored) && finished.arrival > position) return false;
    if (!finished.aside) return true;
    const SharedGroups& groups = delivery_.groups();
    if (finished.restored) return !session.runs_unsettled && groups.all_saved(session, finished.arrival);
    if (finished.sender != 0) return groups.is_saved(finished.sender, finished.arrival);
    return !session.runs_unsettled || finished.passed;
  };
}

void Node::submit_position(Session& session) {
  const sync::Arrival position =
      std::max(session.position_submitted, session.window.acknowledged_up_to(delivery_.cursor(session)));
  auto finished = session.window.take_finished(may_forget(session, position));
  std::vector<StoredSubscription> runs;
  if (std::exchange(session.runs_moved, false)) {
    for (auto& [filter, subscription] : session.subscriptions) {
      if (std::exchange(subscription.moved, false)) runs.push_back(stored_subscription(filter, subscription));
    }
  }
  if (position <= session.position_submitted && finished.empty() && runs.empty()) return;
  session.position_due.reset();
  session.position_submitted = position;
  ports_.store.submit(
      PositionIntent{.id = session.id, .position = position, .finished = std::move(finished), .runs = std::move(runs)});
}

// Positions are written in groups: a card wears out by commits (DESIGN 4).
void Node::save_position(Session& session, Instant now, bool at_once) {
  if (!session.is_persistent()) return;
  const sync::Arrival position =
      std::max(session.position_submitted, session.window.acknowledged_up_to(delivery_.cursor(session)));
  const bool has_moved = position > session.position_submitted || session.runs_moved;
  if (!has_moved && !session.window.has_finished(may_forget(session, position))) return;
  const bool half_a_window =
      session.window.unsaved() * 2 >= session.window.limit() || session.window.finished() >= kStretchMessages;
  if (!at_once && !half_a_window) {
    if (!session.position_due) session.position_due = now + kPositionDelay;
    return;
  }
  submit_position(session);
}

void Node::save_due_positions(Instant now) {
  for (const auto& [id, session] : sessions_.all()) {
    // Messages that the client cannot take count as acknowledged, and no acknowledgement ever comes to say so.
    const bool stuck = !session->window.is_open() && session->window.unsaved() > 0;
    if (stuck || (session->position_due && *session->position_due <= now)) {
      save_position(*session, now, /*at_once=*/true);
    } else if (session->runs_moved || session->window.has_finished(may_forget(*session, session->position_submitted))) {
      save_position(*session, now, /*at_once=*/false);
    }
  }
}

void Node::keep_lost(Instant now, TurnResult& turn) {
  for (const std::uint64_t id : turn.lost_positions) {
    Session* session = sessions_.find(id);
    if (session == nullptr) continue;
    session->position_submitted = session->position_saved;
    session->position_due = now + kPositionDelay;
  }
  for (const std::uint64_t id : turn.lost_sessions) {
    if (Session* session = sessions_.find(id)) session->store_due = true;
  }
  for (Intent& intent : turn.lost) {
    if (const auto* put = std::get_if<PutGroupIntent>(&intent)) {
      delivery_.groups().save_again(put->group);
    } else if (const auto* will = std::get_if<PutWillIntent>(&intent)) {
      owed_.add_will_row(will->will.session);
    } else if (const auto* erased = std::get_if<EraseWillIntent>(&intent)) {
      owed_.add_will_row(erased->session);
    } else if (auto* position = std::get_if<PositionIntent>(&intent)) {
      keep_position(std::move(*position));
    } else {
      owed_.add(std::move(intent));
    }
  }
}

// What came further is the session's to say again; which releases were completed nobody else knows.
void Node::keep_position(PositionIntent lost) {
  Session* session = sessions_.find(lost.id);
  if (session == nullptr) return;
  for (const StoredSubscription& stored : std::exchange(lost.runs, {})) {
    const auto known = session->subscriptions.find(stored.filter);
    if (known == session->subscriptions.end()) continue;
    known->second.moved = true;
    session->runs_moved = true;
  }
  if (!lost.finished.empty()) owed_.add(std::move(lost));
}

// What was lost is tried again, as it is to be now: newer intents may have reached the disk meanwhile.
void Node::submit_owed() {
  for (const auto& [id, session] : sessions_.all()) {
    if (std::exchange(session->store_due, false) && session->is_persistent()) store_session(*session, {});
  }
  for (const std::uint64_t session : owed_.take_will_rows()) tidy_will_row(session);
  for (Intent& intent : owed_.take()) {
    if (is_still_wanted(intent)) ports_.store.submit(std::move(intent));
  }
}

// Whether an intent of a failed turn still makes sense now.
bool Node::is_still_wanted(Intent& intent) {
  if (const auto* release = std::get_if<AddReleaseIntent>(&intent)) {
    const Session* session = sessions_.find(release->ack.session);
    if (session == nullptr || session->is_persistent()) return session != nullptr;
    send_acks({{.address = release->ack}}, /*turn_failed=*/false);  // it needs no disk any more
    return false;
  }
  if (const auto* release = std::get_if<ReleaseReceivedIntent>(&intent)) {
    // The client may have used the identifier for another message since.
    const Session* session = sessions_.find(release->ack.session);
    return session != nullptr && !session->received.contains(release->ack.packet_id);
  }
  if (auto* position = std::get_if<PositionIntent>(&intent)) {
    const Session* session = sessions_.find(position->id);
    if (session == nullptr) return false;
    position->position = std::max(position->position, session->position_submitted);
    // A release goes with the place of the run that its message was of: else that run would begin before it after a
    // kill.
    for (const auto& [filter, subscription] : session->subscriptions) {
      position->runs.push_back(stored_subscription(filter, subscription));
    }
    return true;
  }
  if (const auto* erased = std::get_if<EraseGroupIntent>(&intent)) {
    return !delivery_.groups().is_known(erased->share, erased->filter);
  }
  return true;
}

std::vector<TrimmedReader> Node::trimmed_readers() const {
  std::vector<TrimmedReader> out = delivery_.groups().trimmed_groups();
  for (const auto& [id, session] : sessions_.all()) {
    if (session->trimmed_beneath == 0) continue;
    out.push_back(
        {.owner = session->owner, .client_id = session->client_id, .shared = {}, .messages = session->trimmed_beneath});
  }
  std::sort(out.begin(), out.end(), [](const TrimmedReader& a, const TrimmedReader& b) {
    return std::tie(b.messages, a.owner, a.client_id, a.shared) < std::tie(a.messages, b.owner, b.client_id, b.shared);
  });
  std::size_t bytes = 0;
  std::size_t count = 0;
  while (count < std::min(out.size(), kTrimmedShownMax)) {
    bytes += out[count].owner.size() + out[count].client_id.size() + out[count].shared.size();
    if (bytes > kTrimmedShownBytesMax) break;
    ++count;
  }
  out.resize(count);
  return out;
}

}  // namespace hedgerow::node
