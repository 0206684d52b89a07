#include "daemon/node/shared_groups.hpp"

#include <algorithm>
#include <utility>

#include "daemon/mqtt/topic.hpp"
#include "daemon/node/limits.hpp"

namespace hedgerow::node {

SharedGroups::SharedGroups(ArrivalLog& log, SessionRegistry& sessions, Outbound& outbound, mqtt::SubscriptionTree& tree,
                           StorePort& store, Counters& counters, std::function<std::uint64_t()> random, IsLate is_late)
    : log_(log),
      sessions_(sessions),
      outbound_(outbound),
      tree_(tree),
      store_(store),
      counters_(counters),
      random_(std::move(random)),
      is_late_(std::move(is_late)) {}

void SharedGroups::restore(const std::vector<StoredGroup>& groups) {
  for (const StoredGroup& group : groups) restored_[{group.share, group.filter}] = group.position;
}

void SharedGroups::end_restore() {
  for (const auto& [name, position] : restored_) {
    store_.submit(EraseGroupIntent{.share = name.first, .filter = name.second});
  }
  restored_.clear();
}

SharedGroups::Group* SharedGroups::find(std::string_view share, std::string_view filter) {
  const auto found = by_name_.find({std::string(share), std::string(filter)});
  return found == by_name_.end() ? nullptr : &groups_.at(found->second);
}

SharedGroups::Member* SharedGroups::find_member(Group& group, std::uint64_t session) {
  const auto found = std::find_if(group.members.begin(), group.members.end(),
                                  [&](const Member& member) { return member.session == session; });
  return found == group.members.end() ? nullptr : &*found;
}

bool SharedGroups::is_persistent(const Group& group) const {
  return std::any_of(group.members.begin(), group.members.end(), [&](const Member& member) {
    const Session* session = sessions_.find(member.session);
    return session != nullptr && session->is_persistent();
  });
}

// --- members ---

bool SharedGroups::join(Session& session, std::string_view share, std::string_view filter,
                        const mqtt::SubOptions& options, sync::Arrival since) {
  Group* group = find(share, filter);
  if (group == nullptr) {
    if (groups_.size() >= kSharedGroupsMax) return false;
    std::uint64_t id = random_();
    while (id == 0 || groups_.contains(id) || sessions_.find(id) != nullptr) id = random_();
    Group fresh;
    fresh.id = id;
    fresh.share = share;
    fresh.filter = filter;
    sync::Arrival from = std::min(log_.latest(), since);
    if (const auto restored = restored_.find({fresh.share, fresh.filter}); restored != restored_.end()) {
      from = std::min(log_.latest(), restored->second);
      fresh.is_stored = true;
      fresh.position_stored = restored->second;
      fresh.position_saved = restored->second;
      restored_.erase(restored);
    }
    fresh.reader = LogReader::make(log_, from, [this, id] {
      if (const auto found = groups_.find(id); found != groups_.end()) pump(found->second);
    });
    by_name_[{fresh.share, fresh.filter}] = id;
    tree_.insert(filter, id, {.qos = mqtt::QoS::kExactlyOnce});
    group = &groups_.emplace(id, std::move(fresh)).first->second;
  }
  if (Member* known = find_member(*group, session.id)) {
    known->options = options;
  } else {
    group->members.push_back({.session = session.id, .options = options});
    session.groups.push_back(group->id);
  }
  // What is acknowledged from here on must find a member, also after a restart.
  if (session.is_persistent() && !group->is_stored) store_position(*group);
  return true;
}

void SharedGroups::leave(Session& session, std::string_view share, std::string_view filter) {
  Group* group = find(share, filter);
  if (group == nullptr) return;
  // What it has on its way is still its own to acknowledge.
  std::erase(session.groups, group->id);
  lose_bound(*group, session);
  remove_member(*group, session.id);
}

void SharedGroups::remove_member(Group& group, std::uint64_t session) {
  std::erase_if(group.members, [&](const Member& member) { return member.session == session; });
  if (!group.members.empty()) return;
  if (group.is_stored) store_.submit(EraseGroupIntent{.share = group.share, .filter = group.filter});
  tree_.erase(group.filter, group.id);
  by_name_.erase({group.share, group.filter});
  groups_.erase(group.id);
}

void SharedGroups::attach(Session& session) {
  for (const std::uint64_t id : session.groups) {
    Group& group = groups_.at(id);
    start_backlog(group, *find_member(group, session.id));
    pump(group);
  }
}

void SharedGroups::detach(Session& session, const std::vector<Window::Message>& returned) {
  for (const std::uint64_t id : session.groups) find_member(groups_.at(id), session.id)->backlog.reset();
  std::vector<std::uint64_t> changed;
  for (const Window::Message& message : returned) {
    const auto found = groups_.find(message.sender);
    if (found == groups_.end()) continue;
    Group& group = found->second;
    const auto flight = group.flights.find(message.arrival);
    if (flight == group.flights.end()) continue;
    const bool is_begun = message.qos == mqtt::QoS::kExactlyOnce;
    const bool is_member = std::find(session.groups.begin(), session.groups.end(), group.id) != session.groups.end();
    if (is_begun && (!session.is_persistent() || !is_member)) {
      group.flights.erase(flight);  // [MQTT-4.8.2-5]
      session.window.lose_aside(message.arrival, group.id);
      group.moved = true;
      continue;
    }
    flight->second = {.session = session.id, .due_again = true, .bound = is_begun};
    if (changed.empty() || changed.back() != group.id) changed.push_back(group.id);
  }
  for (const std::uint64_t id : changed) {
    Group& group = groups_.at(id);
    rewind(group);
    pump(group);
  }
}

void SharedGroups::forget(Session& session) {
  for (const std::uint64_t id : std::exchange(session.groups, {})) {
    Group& group = groups_.at(id);
    // [MQTT-4.8.2-5]
    std::erase_if(group.flights,
                  [&](const auto& flight) { return flight.second.bound && flight.second.session == session.id; });
    remove_member(group, session.id);
  }
}

// --- reading ---

sync::Arrival SharedGroups::position(const Group& group) const {
  const sync::Arrival read = group.live ? log_.durable() : group.reader->cursor();
  return group.flights.empty() ? read : std::min(read, group.flights.begin()->first - 1);
}

void SharedGroups::rewind(Group& group) {
  const auto due = std::find_if(group.flights.begin(), group.flights.end(),
                                [](const auto& flight) { return flight.second.due_again && !flight.second.bound; });
  if (due == group.flights.end()) return;
  const sync::Arrival read = group.live ? log_.durable() : group.reader->cursor();
  group.live = false;
  group.reader->jump(std::min(read, due->first - 1));
}

void SharedGroups::pump(Group& group) {
  if (group.live) return;
  const auto progress = group.reader->run(log_.durable(), [&](const OpRef& op) { return offer(group, op); });
  // A new group may stand behind what is not durable yet.
  group.live = progress == LogReader::Progress::kCaughtUp && group.reader->cursor() <= log_.durable();
  const std::uint64_t trimmed = group.reader->take_trimmed();
  group.trimmed_beneath += trimmed;
  group.moved = group.moved || trimmed > 0;
  counters_.trimmed_beneath += trimmed;
}

void SharedGroups::pump_of(const Session& session) {
  for (const std::uint64_t id : session.groups) {
    Group& group = groups_.at(id);
    pump_backlog(group, *find_member(group, session.id));
    pump(group);
  }
}

void SharedGroups::pump_all() {
  for (auto& [id, group] : groups_) {
    for (Member& member : group.members) pump_backlog(group, member);
    pump(group);
  }
}

void SharedGroups::stop_live(sync::Arrival latest) {
  for (auto& [id, group] : groups_) {
    if (!group.live) continue;
    group.live = false;
    group.reader->jump(latest);
  }
}

void SharedGroups::deliver_live(std::uint64_t id, const OpRef& op) {
  Group& group = groups_.at(id);
  if (!group.live || offer(group, op)) return;
  group.live = false;
  group.reader->jump(op.arrival - 1);
}

bool SharedGroups::offer(Group& group, const OpRef& op) {
  if (!op.op.kind.record || !mqtt::matches(group.filter, op.op.message->topic)) return true;
  std::uint64_t sent_to = 0;
  if (const auto flight = group.flights.find(op.arrival); flight != group.flights.end()) {
    if (!flight->second.due_again) return true;
    if (flight->second.bound) return true;  // pump_backlog() sends it
    sent_to = flight->second.session;
  } else if (op.arrival <= group.newest || was_received(group, op)) {
    return true;  // acknowledged
  }
  if (!is_persistent(group) && is_late_(op)) {
    group.flights.erase(op.arrival);
    return true;
  }
  for (std::size_t i = 0; i < group.members.size(); ++i) {
    const std::size_t index = (group.next_member + i) % group.members.size();
    if (group.members[index].backlog) continue;
    Session* session = sessions_.find(group.members[index].session);
    if (session == nullptr || session->client == nullptr || session->is_held()) continue;
    // For any other member it is the first time [MQTT-3.3.1-2].
    if (!send(group, group.members[index], *session, op, /*again=*/session->id == sent_to)) continue;
    group.next_member = index + 1;
    return true;
  }
  return false;
}

// --- what was begun with one member ---

void SharedGroups::start_backlog(Group& group, Member& member) {
  const auto first = std::find_if(group.flights.begin(), group.flights.end(), [&](const auto& flight) {
    return flight.second.bound && flight.second.session == member.session;
  });
  if (first == group.flights.end()) return;
  member.backlog = LogReader::make(log_, first->first - 1, [this, id = group.id, session = member.session] {
    const auto found = groups_.find(id);
    if (found == groups_.end()) return;
    if (Member* waiting = find_member(found->second, session)) pump_backlog(found->second, *waiting);
    pump(found->second);
  });
  pump_backlog(group, member);
}

void SharedGroups::pump_backlog(Group& group, Member& member) {
  Session* session = sessions_.find(member.session);
  if (!member.backlog || session == nullptr || session->client == nullptr || session->is_held()) return;
  const auto is_its = [&](const Flight& flight) {
    return flight.bound && flight.due_again && flight.session == member.session;
  };
  const auto last = std::find_if(group.flights.rbegin(), group.flights.rend(),
                                 [&](const auto& flight) { return is_its(flight.second); });
  if (last != group.flights.rend()) {
    const auto progress = member.backlog->run(last->first, [&](const OpRef& op) {
      const auto flight = group.flights.find(op.arrival);
      if (flight == group.flights.end() || !is_its(flight->second)) return true;
      return send(group, member, *session, op, /*again=*/true);
    });
    if (progress != LogReader::Progress::kCaughtUp) return;
  }
  // The others are not in the log any more.
  group.moved = group.moved || last != group.flights.rend();
  lose_bound(group, *session);
  member.backlog.reset();
}

// What was begun with the session does not come again.
void SharedGroups::lose_bound(Group& group, Session& session) {
  std::erase_if(group.flights, [&](const auto& flight) {
    if (!flight.second.bound || flight.second.session != session.id) return false;
    session.window.lose_aside(flight.first, group.id);
    return true;
  });
}

// Before the daemon was restarted a member had it, by QoS 2. A member that also subscribes by itself may have had it
// that way: then it is sent.
bool SharedGroups::was_received(const Group& group, const OpRef& op) const {
  return std::any_of(group.members.begin(), group.members.end(), [&](const Member& member) {
    const Session* session = sessions_.find(member.session);
    if (session == nullptr || !session->window.was_received(op.arrival)) return false;
    return std::none_of(session->subscriptions.begin(), session->subscriptions.end(), [&](const auto& subscription) {
      return !mqtt::is_shared_filter(subscription.first) && mqtt::matches(subscription.first, op.op.message->topic);
    });
  });
}

bool SharedGroups::send(Group& group, const Member& member, Session& session, const OpRef& op, bool again) {
  wish_.clear();
  wish_.add(member.options);
  const auto outcome = outbound_.send_aside(session,
                                            {.message = *op.op.message,
                                             .stamp = op.op.stamp,
                                             .replica = op.replica,
                                             .arrival = op.arrival,
                                             .qos = static_cast<mqtt::QoS>(op.op.kind.qos),
                                             .retain = member.options.retain_as_published && op.op.kind.cell,
                                             .again = again,
                                             .waits = is_persistent(group),
                                             .sender = group.id},
                                            wish_);
  switch (outcome) {
    case Outbound::Outcome::kNoRoom: return false;
    case Outbound::Outcome::kGone: group.flights.erase(op.arrival); break;
    case Outbound::Outcome::kSent: group.flights[op.arrival] = {.session = session.id}; break;
  }
  group.moved = true;
  group.newest = std::max(group.newest, op.arrival);
  return true;
}

void SharedGroups::acknowledge(const Session& member, const Window::Message& message) {
  const auto found = groups_.find(message.sender);
  if (found == groups_.end()) return;
  Group& group = found->second;
  group.flights.erase(message.arrival);
  group.moved = true;
  if (++group.acknowledged * 2 >= member.window.limit() && group.is_stored) store_position(group);
}

void SharedGroups::publish_live(std::uint64_t id, const sync::Message& message, bool retain) {
  Group& group = groups_.at(id);
  for (std::size_t i = 0; i < group.members.size(); ++i) {
    const std::size_t index = (group.next_member + i) % group.members.size();
    const Member& member = group.members[index];
    const Session* session = sessions_.find(member.session);
    if (session == nullptr || session->client == nullptr) continue;
    wish_.clear();
    wish_.add(member.options);
    outbound_.send_live(*session->client, message, retain && member.options.retain_as_published, wish_);
    group.next_member = index + 1;
    return;
  }
}

std::vector<TrimmedReader> SharedGroups::trimmed_groups() const {
  std::vector<TrimmedReader> out;
  for (const auto& [id, group] : groups_) {
    if (group.trimmed_beneath == 0) continue;
    out.push_back({.owner = {},
                   .client_id = {},
                   .shared = "$share/" + group.share + "/" + group.filter,
                   .messages = group.trimmed_beneath});
  }
  return out;
}

// --- disk ---

void SharedGroups::save_positions() {
  for (auto& [id, group] : groups_) {
    if (!is_persistent(group)) {
      if (std::exchange(group.is_stored, false)) {
        store_.submit(EraseGroupIntent{.share = group.share, .filter = group.filter});
      }
      continue;
    }
    // What only passed by, since the filter does not match, is not worth a commit.
    if (!group.is_stored || group.moved) store_position(group);
  }
}

void SharedGroups::store_position(Group& group) {
  group.moved = false;
  group.acknowledged = 0;
  const sync::Arrival now = position(group);
  if (group.is_stored && now <= group.position_stored) return;
  group.is_stored = true;
  group.position_stored = now;
  store_.submit(PutGroupIntent{.group = {.share = group.share, .filter = group.filter, .position = now}});
}

void SharedGroups::note_saved(const StoredGroup& saved) {
  if (Group* group = find(saved.share, saved.filter)) {
    group->position_saved = std::max(group->position_saved, saved.position);
  }
}

void SharedGroups::save_again(const StoredGroup& lost) {
  Group* group = find(lost.share, lost.filter);
  if (group == nullptr) return;
  group->moved = true;
  group->position_stored = 0;
}

bool SharedGroups::is_saved(std::uint64_t group, sync::Arrival arrival) const {
  const auto found = groups_.find(group);
  return found == groups_.end() || found->second.position_saved >= arrival;
}

bool SharedGroups::all_saved(const Session& session, sync::Arrival arrival) const {
  return std::all_of(session.groups.begin(), session.groups.end(),
                     [&](std::uint64_t group) { return is_saved(group, arrival); });
}

}  // namespace hedgerow::node
