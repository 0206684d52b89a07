// The part of Node that keeps and publishes wills. DESIGN 1: stamped with the moment the connection died, cancelled by
// a newer connection, kept on disk, fired after a restart.
#include <utility>

#include "daemon/node/limits.hpp"
#include "daemon/node/node.hpp"

namespace hedgerow::node {

void Node::will_died(Instant now, Session& session) {
  const StoredWill* waiting = wills_.on_died(now, session.id, session.expiry_s);
  if (waiting != nullptr) ports_.store.submit(PutWillIntent{.will = *waiting, .died = true});
}

// A connection ends that leaves no will.
void Node::disarm_will(std::uint64_t session) {
  if (wills_.disarm(session)) tidy_will_row(session);
}

bool Node::is_will_on_its_way(std::uint64_t id) const {
  const Session* session = sessions_.find(id);
  return session != nullptr && session->pending != nullptr && wills_.find_armed(id) != nullptr;
}

void Node::tidy_will_row(std::uint64_t session) {
  if (is_will_on_its_way(session)) return owed_.add_will_row(session);
  if (wills_.find_armed(session) != nullptr) return;
  if (const StoredWill* waiting = wills_.find_waiting(session)) {
    ports_.store.submit(PutWillIntent{.will = *waiting, .died = !waiting->died});
  } else {
    ports_.store.submit(EraseWillIntent{.session = session});
  }
}

bool Node::may_erase_will(std::uint64_t session) {
  if (is_will_on_its_way(session)) owed_.add_will_row(session);
  return !wills_.has(session);
}

void Node::fire_due_wills(Instant now) {
  while (true) {
    auto due = wills_.take_due(now, kWillsAtOnce);
    for (Wills::Due& will : due) fire(now, std::move(will));
    if (due.size() < kWillsAtOnce) return;
  }
}

// By the rules as they are now.
bool Node::may_fire(const StoredWill& will) const {
  return ports_.access.knows(will.principal) && ports_.access.may_publish(will.principal, will.message.topic);
}

void Node::fire(Instant now, Wills::Due due) {
  StoredWill& will = due.will;
  if (!may_fire(will)) {
    ++counters_.refused_access;
    return give_up_will(due);
  }
  const ChannelTable::Entry* channel = channels_.owner_of(will.message.topic);
  if (channel == nullptr) {  // as a publish would be
    ++counters_.refused;
    return give_up_will(due);
  }
  const auto message = std::make_shared<const sync::Message>(std::move(will.message));
  const bool merges = will.retain && channel->merges();
  if (will.qos == 0 && !due.again && !merges) {
    delivery_.publish_live(*message, will.retain, /*publisher=*/0);
    if (channels_.is_replicated(*channel)) links_.publish_live(now, message, will.retain);
  }
  if (will.qos == 0 && !will.retain) return give_up_will(due);
  if (will.retain) flush_cells();  // the connection may have died before that was published, or after
  ports_.store.submit(
      PublishIntent{.write = {.channel = channel->number,
                              .kind = {.record = will.qos > 0 || merges, .cell = will.retain, .qos = will.qos},
                              .publisher = will.session,
                              .message = message,
                              .stamp = will.died},
                    .ack = {},
                    .will = due.number,
                    // A newer connection's will may have taken its place on disk.
                    .erased_will = may_erase_will(will.session) ? will.session : 0});
}

void Node::give_up_will(const Wills::Due& due) {
  wills_.done(due.number);
  if (may_erase_will(due.will.session)) ports_.store.submit(EraseWillIntent{.session = due.will.session});
}

void Node::on_will_refused(Instant now, const TurnResult::FiredWill& fired) {
  const std::uint64_t row = wills_.handed_out(fired.number).session;
  const auto erase_row = [&] {
    if (may_erase_will(row)) ports_.store.submit(EraseWillIntent{.session = row});
  };
  if (!wills_.was_tried(fired.number)) ++counters_.refused;
  if (fired.refused->category != Category::kLimit) {
    ports_.log("a will is given up: " + fired.refused->what);
    wills_.done(fired.number);
    return erase_row();
  }
  const StoredWill* moved = wills_.retry_as(fired.number, now + kWillRetryRetained, fresh_id());
  if (moved == nullptr) return;
  ports_.store.submit(PutWillIntent{.will = *moved, .died = !moved->died});
  erase_row();
}

void Node::end_wills_of(std::uint64_t session) {
  wills_.on_session_ended(now_, session);
  fire_due_wills(now_);
}

}  // namespace hedgerow::node
