// Outbound sends one message to one connected session: what the subscriptions ask for together, whether there is room,
// under which identifier, with what is left of its expiry.
// Thread rule: the loop thread. Ownership: what the constructor is given must outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "daemon/node/arrival_log.hpp"
#include "daemon/node/client.hpp"
#include "daemon/node/counters.hpp"
#include "daemon/node/expiry.hpp"
#include "daemon/node/queue_budget.hpp"
#include "daemon/node/session.hpp"

namespace hedgerow::node {

// Why a message that may have expired is withheld.
struct Withheld {
  Instant last;                // delivery of one that was
  bool for_our_clock = false;  // the writer's was synchronised, this board's is not
};

// What all matching subscriptions of one session ask for together.
struct Wish {
  bool any = false;
  mqtt::QoS qos = mqtt::QoS::kAtMostOnce;
  bool retain_as_published = false;
  std::vector<std::uint32_t> identifiers;
  void clear();
  void add(const mqtt::SubOptions& options);
};

class Outbound {
 public:
  // Whether the access rules let the client have messages of that topic.
  using MayReceive = std::function<bool(const Client&, std::string_view topic)>;
  // `touched` is told of every client that got output, so that the owner flushes it.
  Outbound(sync::ReplicaId self, const MessageAges& ages, std::function<Moment()> moment, QueueBudget& budget,
           Counters& counters, std::function<void(Client&)> touched, MayReceive may_receive)
      : self_(self),
        ages_(ages),
        moment_(std::move(moment)),
        budget_(budget),
        counters_(counters),
        touched_(std::move(touched)),
        may_receive_(std::move(may_receive)) {}

  // Whether a message of the log may find room now, as far as is known without reading it.
  [[nodiscard]] bool has_room(const Session& session);
  // A message of the log, in its order. False: there is no room, or it waits for this board's clock; nothing was sent.
  bool send_logged(Session& session, const OpRef& op, const Wish& wish);

  // A message that stands aside of the log: retained, replayed, or of a shared subscription.
  struct Aside {
    const sync::Message& message;
    sync::Stamp stamp;
    sync::ReplicaId replica{};
    sync::Arrival arrival = 0;
    mqtt::QoS qos = mqtt::QoS::kAtMostOnce;
    bool retain = false;
    bool again = false;  // it was sent on an earlier connection
    bool waits = false;  // one that may have expired waits for this board's clock, where that may yet be set
    Window::Sender sender = 0;
  };
  enum class Outcome : std::uint8_t {
    kSent,    // and, with QoS 1 or 2, in the window
    kGone,    // expired, withheld, or more than the client accepts: to be treated as delivered
    kNoRoom,  // nothing was sent: try again later
  };
  Outcome send_aside(Session& session, const Aside& aside, const Wish& wish);

  // QoS 0: now, or never.
  void send_live(Client& client, const sync::Message& message, bool retain, const Wish& wish);

  // What a client's own PUBLISH was held to when it came in here: another node is trusted with its data, not with our
  // clients' parsers.
  [[nodiscard]] static bool is_deliverable(const sync::Message& message);
  [[nodiscard]] sync::ReplicaId self() const { return self_; }
  [[nodiscard]] const std::optional<Withheld>& withheld() const { return withheld_; }
  void on_renewed(sync::ReplicaId self) { self_ = self; }

 private:
  [[nodiscard]] bool has_room_for(Session& session, const sync::Message& message);
  // What may have been sent before the daemon was killed, and has expired since. False: there is no room.
  static bool lose_logged(Session& session, sync::Arrival arrival);
  void send_at_most_once(Client& client, const sync::Message& message, bool retain,
                         std::optional<std::uint32_t> expiry_left_s, const Wish& wish);
  [[nodiscard]] Expiry expiry_of(const sync::Message& message, const sync::Stamp& stamp, sync::ReplicaId replica,
                                 sync::Arrival arrival) const;
  // It is not sent. False: its reader waits with it.
  bool withhold(const Expiry& expiry, bool waits);

  sync::ReplicaId self_;
  const MessageAges& ages_;
  std::function<Moment()> moment_;
  QueueBudget& budget_;
  Counters& counters_;
  std::function<void(Client&)> touched_;
  MayReceive may_receive_;
  std::optional<Withheld> withheld_;
};

}  // namespace hedgerow::node
