// SharedGroups: the shared subscriptions of this node (MQTT 5.0 section 4.8.2): each message goes to one member.
//
// A group reads the log as a session does, from a cursor of its own, and hands each message to the next member with
// room. What a member's connection did not acknowledge goes to another member; a QoS 2 message goes on with the member
// that it was begun with [MQTT-4.8.2-4], or ends with its session [MQTT-4.8.2-5]: such a backlog has a reader of its
// own, so that a member that is away or has no room holds up nobody else. While a persistent session is a member, the
// group's position is kept on disk, and messages wait while all members are away. A group gets only what is durable
// here. Thread rule: the loop thread.
// Ownership: what the constructor is given must outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemon/mqtt/subscription_tree.hpp"
#include "daemon/node/outbound.hpp"

namespace hedgerow::node {

class SharedGroups {
 public:
  // Whether a record comes too late for members that do not keep a session (DESIGN 1).
  using IsLate = std::function<bool(const OpRef&)>;
  SharedGroups(ArrivalLog& log, SessionRegistry& sessions, Outbound& outbound, mqtt::SubscriptionTree& tree,
               StorePort& store, Counters& counters, std::function<std::uint64_t()> random, IsLate is_late);

  // Positions that were on disk when the daemon started; before the sessions are restored.
  void restore(const std::vector<StoredGroup>& groups);
  // After them: positions that no session has a use for are forgotten.
  void end_restore();

  // `share` and `filter` are the parts of $share/SHARE/FILTER. A group that is new begins after `since`, or where its
  // stored position says. Persistent sessions: the position is handed to the store at once. False: there are too many
  // groups.
  bool join(Session& session, std::string_view share, std::string_view filter, const mqtt::SubOptions& options,
            sync::Arrival since);
  void leave(Session& session, std::string_view share, std::string_view filter);
  // The session has a connection again.
  void attach(Session& session);
  // The session's connection is gone: `returned` is what it had not acknowledged.
  void detach(Session& session, const std::vector<Window::Message>& returned);
  // The session has ended: it is a member of nothing any more. REQUIRES: detached.
  void forget(Session& session);

  // A member acknowledged. After half of what it takes at once the position goes to disk, as a session's does.
  void acknowledge(const Session& member, const Window::Message& message);
  // A member has room again.
  void pump_of(const Session& session);
  // The op was committed just now. `group` is a subscriber that the tree named.
  void deliver_live(std::uint64_t group, const OpRef& op);
  // A QoS 0 message for one member.
  void publish_live(std::uint64_t group, const sync::Message& message, bool retain);
  // Nobody is live any more: everybody reads on from here.
  void stop_live(sync::Arrival latest);
  void pump_all();
  // About once a second, and at the end: positions that moved go to disk.
  void save_positions();
  // The turn that this position was in is durable; or it failed.
  void note_saved(const StoredGroup& saved);
  void save_again(const StoredGroup& lost);
  // Whether a restarted daemon would go on behind this arrival: the group's position is on disk, or there is
  // no such group any more. all_saved: every group of the session.
  [[nodiscard]] bool is_saved(std::uint64_t group, sync::Arrival arrival) const;
  [[nodiscard]] bool all_saved(const Session& session, sync::Arrival arrival) const;

  // Those beneath which keep trimmed something.
  [[nodiscard]] std::vector<TrimmedReader> trimmed_groups() const;

  [[nodiscard]] std::size_t size() const { return groups_.size(); }
  [[nodiscard]] bool is_group(std::uint64_t id) const { return groups_.contains(id); }
  [[nodiscard]] bool is_known(std::string_view share, std::string_view filter) const {
    return by_name_.contains({std::string(share), std::string(filter)});
  }

 private:
  struct Member {
    std::uint64_t session = 0;
    mqtt::SubOptions options;
    // Reads again the QoS 2 messages that were begun with this member; it gets no others before. Null: there are none.
    std::shared_ptr<LogReader> backlog = {};
  };
  // On its way to a member, or due again.
  struct Flight {
    std::uint64_t session = 0;  // to which it was sent last
    bool due_again = false;
    bool bound = false;  // due again for that session only
  };
  struct Group {
    std::uint64_t id = 0;
    std::string share;
    std::string filter;
    std::vector<Member> members;
    std::size_t next_member = 0;
    std::map<sync::Arrival, Flight> flights;
    sync::Arrival newest = 0;  // the greatest arrival ever handed out
    bool live = false;
    bool moved = false;            // something was delivered since the position was handed to the store
    std::size_t acknowledged = 0;  // messages, likewise
    bool is_stored = false;
    sync::Arrival position_stored = 0;  // handed to the store last
    sync::Arrival position_saved = 0;
    std::uint64_t trimmed_beneath = 0;  // as of a session
    std::shared_ptr<LogReader> reader;
  };

  [[nodiscard]] Group* find(std::string_view share, std::string_view filter);
  [[nodiscard]] static Member* find_member(Group& group, std::uint64_t session);
  [[nodiscard]] bool is_persistent(const Group& group) const;
  [[nodiscard]] sync::Arrival position(const Group& group) const;
  void pump(Group& group);
  void rewind(Group& group);
  void store_position(Group& group);
  // False: no member has room.
  bool offer(Group& group, const OpRef& op);
  void start_backlog(Group& group, Member& member);
  void pump_backlog(Group& group, Member& member);
  static void lose_bound(Group& group, Session& session);
  bool send(Group& group, const Member& member, Session& session, const OpRef& op, bool again);
  [[nodiscard]] bool was_received(const Group& group, const OpRef& op) const;
  void remove_member(Group& group, std::uint64_t session);

  ArrivalLog& log_;
  SessionRegistry& sessions_;
  Outbound& outbound_;
  mqtt::SubscriptionTree& tree_;
  StorePort& store_;
  Counters& counters_;
  std::function<std::uint64_t()> random_;
  IsLate is_late_;
  std::unordered_map<std::uint64_t, Group> groups_;
  std::map<std::pair<std::string, std::string>, std::uint64_t> by_name_;
  std::map<std::pair<std::string, std::string>, sync::Arrival> restored_;
  Wish wish_;  // scratch
};

}  // namespace hedgerow::node
