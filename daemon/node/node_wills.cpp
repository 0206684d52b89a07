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

// A connection ends that leaves no will. One that waited while it was to be accepted may have lost its row to it.
void Node::disarm_will(std::uint64_t session) {
  if (!wills_.disarm(session)) return;
  if (const StoredWill* waiting = wills_.find_waiting(session)) {
    ports_.store.submit(PutWillIntent{.will = *waiting, .died = !waiting->died});
  } else {
    ports_.store.submit(EraseWillIntent{.session = session});
  }
}

void Node::fire_due_wills(Instant now) {
  while (true) {
    const auto due = wills_.take_due(now, kWillsAtOnce);
    for (const StoredWill& will : due) fire(now, will);
    if (due.size() < kWillsAtOnce) return;
  }
}

// By the rules as they are now. One that an older version left does not say whose it is.
bool Node::may_fire(const StoredWill& will) const {
  if (!will.principal) return true;
  return ports_.access.knows(*will.principal) && ports_.access.may_publish(*will.principal, will.message.topic);
}

void Node::fire(Instant now, const StoredWill& will) {
  // A newer connection's will may have taken its place on disk.
  const std::uint64_t erased = wills_.has(will.session) ? 0 : will.session;
  if (!may_fire(will)) {
    ++counters_.refused_access;
    if (erased != 0) ports_.store.submit(EraseWillIntent{.session = erased});
    return;
  }
  const ChannelTable::Entry* channel = channels_.owner_of(will.message.topic);
  const bool is_durable = channel != nullptr && (will.qos > 0 || will.retain);
  auto message = std::make_shared<const sync::Message>(will.message);
  if (channel != nullptr && will.qos == 0) {
    delivery_.publish_live(*message, will.retain, /*publisher=*/0);
    if (channels_.is_replicated(*channel)) links_.publish_live(now, message, will.retain);
  }
  if (!is_durable) {
    if (erased != 0) ports_.store.submit(EraseWillIntent{.session = erased});
    return;
  }
  if (will.retain) cells_soon_.forget(message->topic);
  ports_.store.submit(PublishIntent{.write = {.channel = channel->number,
                                              .kind = {.record = will.qos > 0, .cell = will.retain, .qos = will.qos},
                                              .publisher = will.session,
                                              .message = std::move(message),
                                              .stamp = will.died},
                                    .ack = {},
                                    .fired_will = erased,
                                    .must_happen = true});
}

void Node::end_wills_of(std::uint64_t session) {
  wills_.on_session_ended(now_, session);
  fire_due_wills(now_);
}

}  // namespace hedgerow::node
