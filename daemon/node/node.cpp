#include "daemon/node/node.hpp"

#include <algorithm>
#include <gsl/assert>
#include <set>
#include <utility>

#include "daemon/config/config.hpp"
#include "daemon/mqtt/topic.hpp"
#include "daemon/node/accepted_link.hpp"
#include "daemon/node/limits.hpp"
#include "daemon/node/newcomer.hpp"

namespace hedgerow::node {

namespace {

constexpr Duration kTick = std::chrono::seconds{1};

std::vector<sync::ChannelState> replicated_channels(const ChannelTable& table,
                                                    const std::vector<sync::ChannelState>& channels) {
  std::vector<sync::ChannelState> out;
  for (const sync::ChannelState& channel : channels) {
    const ChannelTable::Entry* entry = table.find(channel.number);
    if (entry != nullptr && table.is_replicated(*entry)) out.push_back(channel);
  }
  return out;
}

std::map<std::string, std::string> filters_of(const ChannelTable& table) {
  std::map<std::string, std::string> out;
  for (const ChannelTable::Entry& entry : table.entries()) {
    if (entry.configured) out.emplace(entry.channel.name, entry.channel.filter);
  }
  return out;
}

std::set<std::string> prompt_of(const ChannelTable& table) {
  std::set<std::string> out;
  for (const ChannelTable::Entry& entry : table.entries()) {
    if (entry.channel.ack == config::ChannelAck::kPeer) out.insert(entry.channel.name);
  }
  return out;
}

}  // namespace

Node::Node(Instant now, NodeSettings settings, NodePorts ports, ChannelTable channels, NodeState state)
    : settings_(std::move(settings)),
      ports_(std::move(ports)),
      channels_(std::move(channels)),
      delivery_({.self = state.self, .latest = state.last_arrival},
                {.store = ports_.store,
                 .moment = [this] { return moment(); },
                 .random = ports_.random,
                 .touched = [this](Client& client) { touch(client); },
                 .may_receive =
                     [this](const Client& client, std::string_view topic) {
                       return ports_.access.may_subscribe(client.principal, topic);
                     },
                 .release_lost = [this](Session& session) { release_lost(session); },
                 .log = ports_.log},
                sessions_, channels_, budget_, counters_),
      links_(
          {.mesh = settings_.mesh,
           .node = settings_.name,
           .replica = state.self,
           .version = settings_.version,
           .incarnation = ports_.random(),
           .filters = filters_of(channels_),
           .prompt = prompt_of(channels_)},
          replicated_channels(channels_, state.channels), channels_, ports_.store, ports_.read_hasher,
          ports_.compressor,
          [this](const sync::DeliverLive& live) { delivery_.publish_foreign(*live.message, live.retain); },
          [this](Instant heard_at) {
            now_ = heard_at;
            send_due_peer_acks();
          },
          ports_.random),
      confirmed_([this](sync::ChannelNo channel) { return links_.replicator().confirmed_by_some_peer(channel); }),
      wills_(kWillBytesInAllMax),
      system_topics_(now, settings_.version),
      link_topic_("hedgerow/" + settings_.mesh + "/link/"),
      clock_(state.clock),
      stored_(state.stored),
      channel_alarms_(channels_, ports_.log),
      refusal_log_(ports_.log),
      started_(now),
      now_(now),
      next_tick_(now + kTick),
      next_trim_(now),
      next_system_topics_(now) {
  budget_.client_bytes_max = settings_.limits.client_queue_bytes_max;
  budget_.all_bytes_max = settings_.limits.all_queues_bytes_max;
  sessions_.subscriptions().bytes_max = settings_.limits.subscriptions_bytes_max;
  unfinished_.bytes_max = settings_.limits.unfinished_bytes_max;
  delivery_.groups().restore(state.groups);
  restore_sessions(now, state.sessions);
  delivery_.groups().end_restore();
  wills_.restore(now, ports_.wall_clock(), std::move(state.wills));
}

Node::~Node() = default;

std::unique_ptr<StreamHandler> Node::on_accept(Instant now, const Arrived& arrived, Stream& stream) {
  now_ = now;
  if (stopping_) return nullptr;
  mqtt::ConnectionLimits limits = settings_.connection_limits;
  if (is_node(arrived)) limits.packet_bytes_max = std::max(limits.packet_bytes_max, kLinkPacketBytesMax);
  // The gateway promises none: a thing that sleeps is silent for as long as it said, and the gateway sees to that.
  if (arrived.listener == config::kThingsListenerName) limits.keep_alive_max_s = 0;
  auto client = std::make_unique<Client>(++last_client_, now, arrived, stream, *this, limits, budget_);
  clients_.emplace(client->id(), client.get());
  ++counters_.accepted;
  counters_.clients_max = std::max<std::uint64_t>(counters_.clients_max, clients_.size());
  if (pressed_) client->hold_reading(now, Hold::kStore, true);
  return client;
}

void Node::on_drained(Instant now, Client& client) {
  client.queued_since.reset();
  if (client.link) links_.on_drained(now, *client.link);
  if (client.session != nullptr) delivery_.pump(*client.session);
  touch(client);
  flush();
}

void Node::on_handled(Instant now, Client& client) {
  now_ = std::max(now_, now);
  update_pressure(now);
  touch(client);
  flush();
}

// --- what the store did ---

void Node::on_turn(Instant now, TurnResult turn) {
  now_ = now;
  clock_.observe(turn.clock);
  if (turn.is_open) {
    links_.on_handed_out(now, turn.handed_out);
    delivery_.on_handed_out(std::move(turn.handed_out));
    if (turn.trim_again) ports_.store.submit(TrimIntent{});
    update_pressure(now);
    flush();
    return;
  }
  if (turn.renewed) on_renewed(*turn.renewed);
  if (!turn.unlearnt.empty()) unlearnt_.note(now, ports_.log, turn.unlearnt);
  if (turn.failure) {
    delivery_.on_lost();
    on_failed_turn(turn);
    for (const TurnResult::FiredWill& will : turn.wills) {
      if (!wills_.was_tried(will.number)) ++counters_.refused;
      wills_.retry(will.number, now + kWillRetryDisk);
    }
    keep_lost(now, turn);
    links_.on_turn(now, turn);
    flush();
    return;
  }
  on_stored(turn.committed);
  for (const TurnResult::Refused& refused : turn.refused) {
    const Client* client = find_client(refused.client);
    if (client != nullptr && client->session != nullptr) note_refused_publish(*client, refused.topic, refused.why);
  }
  send_acks(turn.acks, /*turn_failed=*/false);
  tell_operator(turn.told);
  for (const StoredWill& will : turn.stamped) wills_.set_stamp(will.session, *will.died);
  for (const TurnResult::FiredWill& will : turn.wills) {
    if (will.refused) {
      on_will_refused(now, will);
    } else {
      wills_.done(will.number);
    }
  }
  for (const Received& received : turn.received) channel_alarms_.on_received(now, received);
  for (const Arrivals& filled : turn.filled) delivery_.note_filled(filled);
  links_.on_turn(now, turn);
  for (const auto& [id, position] : turn.positions) {
    if (Session* session = sessions_.find(id)) {
      session->position_saved = std::max(session->position_saved, position);
      session->window.settle(position);
    }
  }
  for (const StoredGroup& group : turn.groups) delivery_.groups().note_saved(group);
  delivery_.on_committed(std::move(turn.committed));
  for (const auto& [id, position] : turn.positions) {
    if (Session* session = sessions_.find(id)) delivery_.pump(*session);
  }
  for (const std::uint64_t token : turn.saved) {
    if (auto waiting = waiting_.extract(token)) waiting.mapped()(/*stored=*/true);
  }
  if (turn.trim_again) ports_.store.submit(TrimIntent{});
  update_pressure(now);
  flush();
}

void Node::on_renewed(const TurnResult::Renewed& renewed) {
  ports_.log(renewed.why);
  links_.on_renewed(renewed.replica, replicated_channels(channels_, renewed.channels), renewed.beginning);
  delivery_.on_renewed(renewed.replica);
  peer_acks_.on_renewed();
}

void Node::on_failed_turn(const TurnResult& turn) {
  send_acks(turn.acks, /*turn_failed=*/true);
  tell_operator(turn.told);
  for (const std::uint64_t token : turn.unsaved) {
    if (auto waiting = waiting_.extract(token)) waiting.mapped()(/*stored=*/false);
  }
  if (turn.failure->category == Category::kLimit) {
    refused_at_ = now_;
    if (!alarms_.empty()) return;  // one line, however many turns fail
    ports_.log(turn.failure->what);
    alarms_.push_back(turn.failure->what);
  } else {
    ports_.on_fatal(*turn.failure);
  }
}

// A turn without messages may need no room at all.
void Node::on_stored(const sync::Committed& committed) {
  stored_ = committed.totals;
  if (alarms_.empty() || committed.segments.empty() || now_ - refused_at_ < kRoomSettles) return;
  alarms_.clear();
  ports_.log("there is room on the disk again");
}

std::vector<std::string> Node::alarms() const {
  std::vector<std::string> out = alarms_;
  for (std::string& alarm : channel_alarms_.sentences()) out.push_back(std::move(alarm));
  if (auto withheld = withheld_alarm()) out.push_back(*std::move(withheld));
  return out;
}

// --- time ---

Instant Node::next_deadline() const {
  Instant next = std::min({next_tick_, links_.next_deadline(), peer_acks_.next_deadline()});
  if (const auto due = cells_soon_.due()) next = std::min(next, *due);
  if (!held_for_turn_.empty() || delivery_.has_due()) next = std::min(next, now_);
  if (const auto due = wills_.next_deadline()) next = std::min(next, *due);
  return next;
}

void Node::on_timer(Instant now) {
  now_ = now;
  release_held(now);
  delivery_.end_turn();  // so that neither waits for the other
  delivery_.pump_due();
  if (const auto due = cells_soon_.due(); due && *due <= now) flush_cells();
  fire_due_wills(now);
  if (links_.next_deadline() <= now) links_.on_timer(now);
  send_due_peer_acks();
  if (next_tick_ <= now) {
    next_tick_ = now + kTick;
    // A handler may end its client: walk over a copy of the ids.
    std::vector<std::uint64_t> due;
    for (const auto& [id, client] : clients_) {
      if (client->connection().next_deadline() <= now) due.push_back(id);
    }
    for (const std::uint64_t id : due) {
      if (Client* client = find_client(id)) client->on_timer(now);
    }
    submit_owed();
    delivery_.on_tick();
    save_due_positions(now);
    expire_sessions(now);
    links_.on_tick(now);
    refusal_log_.on_tick(now);
    channel_alarms_.on_tick(now, links_.replicator().contradictions(), links_.replicator().forks());
    tell_withheld();
    if (next_trim_ <= now) {
      next_trim_ = now + kTrimInterval;
      ports_.store.submit(TrimIntent{});
    }
    if (next_system_topics_ <= now) {
      next_system_topics_ = now + kSystemTopicsInterval;
      publish_system_topics(now);
    }
    update_pressure(now);
  }
  flush();
}

void Node::publish_system_topics(Instant now) {
  SystemTotals totals;
  totals.clients_connected = clients_.size() - accepted_links_.size();
  for (const auto& [id, session] : sessions_.all()) {
    if (session->client == nullptr) ++totals.clients_disconnected;
    totals.subscriptions += session->subscriptions.size();
  }
  totals.shared_subscriptions = delivery_.groups().size();
  totals.clients_expired = counters_.sessions_expired;
  totals.sockets_opened = counters_.accepted;
  totals.connects_received = counters_.connects;
  totals.bytes_received = counters_.stream_bytes_in;
  totals.bytes_sent = counters_.stream_bytes_out;
  totals.packets_received = counters_.packets_in;
  totals.packets_sent = counters_.packets_out;
  for (const auto& [id, client] : clients_) {
    totals.bytes_received += client->bytes_in();
    totals.bytes_sent += client->bytes_out();
    totals.packets_received += client->connection().packets_in();
    totals.packets_sent += client->connection().packets_out();
  }
  totals.publishes_received = counters_.received + counters_.refused;
  totals.publishes_sent = counters_.delivered;
  totals.publishes_dropped = counters_.dropped;
  totals.publish_bytes_received = counters_.received_bytes;
  totals.publish_bytes_sent = counters_.delivered_bytes;
  totals.retained_messages = stored_.live_cells;
  totals.stored_messages = stored_.ops;
  totals.stored_bytes = stored_.bytes;
  for (const SystemValue& value : system_topics_.update(now, totals)) {
    delivery_.publish_live(
        {.topic = std::string(value.topic), .properties = {}, .payload = to_bytes(value.value), .expiry_s = {}},
        /*retain=*/true, /*publisher=*/0);
  }
}

void Node::reconfigure(const mqtt::ConnectionLimits& connection_limits, const NodeLimits& limits,
                       const std::vector<config::Channel>& channels) {
  settings_.connection_limits = connection_limits;
  settings_.limits = limits;
  budget_.client_bytes_max = limits.client_queue_bytes_max;
  budget_.all_bytes_max = limits.all_queues_bytes_max;
  sessions_.subscriptions().bytes_max = limits.subscriptions_bytes_max;
  unfinished_.bytes_max = limits.unfinished_bytes_max;
  channels_.reconfigure(channels);
}

// --- the end ---

void Node::stop_taking(Instant now) {
  stopping_ = true;
  flush_cells();
  for (const auto& [id, client] : clients_) client->hold_reading(now, Hold::kStore, true);
}

void Node::say_goodbye(Instant now) {
  for (const auto& [id, session] : sessions_.all()) {
    if (session->is_persistent()) save_position(*session, now, /*at_once=*/true);
  }
  delivery_.groups().save_positions();
  for (const auto& [id, client] : clients_) {
    client->connection().disconnect(mqtt::ReasonCode::kServerShuttingDown);
    touch(*client);
  }
  flush();
}

// --- housekeeping ---

Client* Node::find_client(std::uint64_t id) {
  const auto found = clients_.find(id);
  return found == clients_.end() ? nullptr : found->second;
}

std::uint64_t Node::fresh_id() const {
  std::uint64_t id = ports_.random();
  while (id == 0 || sessions_.find(id) != nullptr || delivery_.groups().is_group(id) || wills_.has(id)) {
    id = ports_.random();
  }
  return id;
}

void Node::touch(Client& client) {
  if (client.flush_due) return;
  client.flush_due = true;
  touched_.push_back(&client);
}

void Node::flush() {
  if (flushing_) return;
  flushing_ = true;
  // Flushing may handle held input, which may touch more clients: they are appended. So are those that must go.
  do {
    for (std::size_t i = 0; i < touched_.size(); ++i) {
      touched_[i]->flush_due = false;
      touched_[i]->flush();
      count(*touched_[i]);
    }
    touched_.clear();
  } while (relieve_queues() || relieve_input());
  flushing_ = false;
  delivery_.end_turn();
  if (delivery_.take_hurry()) ports_.store.submit(sync::CommitNow{});
  ports_.on_deadline();
}

void Node::hold_for_turn(Client& client) {
  client.hold(Hold::kTurn, true);
  held_for_turn_.push_back(client.id());
}

// Until the turn is spent again, the longest held first.
void Node::release_held(Instant now) {
  for (std::size_t left = held_for_turn_.size(); left > 0 && !delivery_.is_spent(); --left) {
    const std::uint64_t id = held_for_turn_.front();
    held_for_turn_.pop_front();
    if (Client* client = find_client(id)) client->hold_reading(now, Hold::kTurn, false);
  }
}

void Node::update_pressure(Instant now) {
  const std::size_t pending = ports_.store.pending_bytes();
  const bool pressed = pressed_ ? pending > kStorePendingBytesMax / 2 : pending > kStorePendingBytesMax;
  if (pressed == pressed_ || stopping_) return;
  pressed_ = pressed;
  for (const auto& [id, client] : clients_) {
    if (client->link) continue;  // links have their own windows
    client->hold_reading(now, Hold::kStore, pressed);
  }
}

}  // namespace hedgerow::node
