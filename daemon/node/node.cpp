#include "daemon/node/node.hpp"

#include <algorithm>
#include <gsl/assert>
#include <utility>

#include "daemon/mqtt/topic.hpp"
#include "daemon/node/accepted_link.hpp"
#include "daemon/node/limits.hpp"

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

std::size_t cell_bytes(const sync::LocalWrite& write) {
  return write.message->topic.size() + write.message->properties.size() + write.message->payload.size();
}

bool is_reserved(std::string_view topic) {
  return topic.starts_with('$') || topic == config::kSystemTopicRoot ||
         (topic.starts_with(config::kSystemTopicRoot) && topic[config::kSystemTopicRoot.size()] == '/');
}

bool is_node(const Arrived& arrived) { return arrived.identity && arrived.identity->role == security::Role::kNode; }

mqtt::ReasonCode reason_of(Category category) {
  switch (category) {
    case Category::kLimit: return mqtt::ReasonCode::kQuotaExceeded;
    case Category::kRefused: return mqtt::ReasonCode::kNotAuthorized;
    case Category::kNotFound: return mqtt::ReasonCode::kTopicNameInvalid;
    case Category::kInvalidInput:
    case Category::kUnavailable:
    case Category::kIo:
    case Category::kCorrupt:
    case Category::kNotInVersion: return mqtt::ReasonCode::kUnspecifiedError;
  }
  return mqtt::ReasonCode::kUnspecifiedError;
}

}  // namespace

Node::Node(Instant now, NodeSettings settings, NodePorts ports, ChannelTable channels, NodeState state)
    : settings_(std::move(settings)),
      ports_(std::move(ports)),
      channels_(std::move(channels)),
      delivery_(
          {.self = state.self, .latest = state.last_arrival, .hash_seed = ports_.random()}, ports_.store, sessions_,
          channels_, ports_.wall_clock, counters_, [this](Client& client) { touch(client); }, ports_.log),
      links_({.mesh = settings_.mesh,
              .node = settings_.name,
              .replica = state.self,
              .version = settings_.version,
              .incarnation = ports_.random()},
             replicated_channels(channels_, state.channels), channels_, ports_.store, ports_.read_hasher,
             [this](const sync::DeliverLive& live) { delivery_.publish_foreign(*live.message, live.retain); }),
      link_topic_("hedgerow/" + settings_.mesh + "/link/"),
      next_tick_(now + kTick),
      next_trim_(now) {
  restore_sessions(now, state.sessions);
}

Node::~Node() = default;

std::unique_ptr<StreamHandler> Node::on_accept(Instant now, const Arrived& arrived, Stream& stream) {
  if (stopping_) return nullptr;
  mqtt::ConnectionLimits limits = settings_.connection_limits;
  if (is_node(arrived)) limits.packet_bytes_max = std::max(limits.packet_bytes_max, kLinkPacketBytesMax);
  auto client = std::make_unique<Client>(++last_client_, now, arrived, stream, *this, limits);
  clients_.emplace(client->id(), client.get());
  if (pressed_) client->hold_reading(now, true);
  return client;
}

// --- what clients want ---

void Node::on_publish(Instant now, Client& client, const mqtt::PublishRequest& request) {
  if (is_link_message(client, request.topic)) {
    if (client.link) links_.on_message(now, *client.link, request.payload);
    return;
  }
  if (is_reserved(request.topic)) return refuse(client, request, Category::kRefused);
  const ChannelTable::Entry* channel = channels_.owner_of(request.topic);
  if (channel == nullptr) return refuse(client, request, Category::kNotFound);
  if (stopping_) return;  // no acknowledgement: the client keeps it

  ++counters_.received;
  auto message = std::make_shared<const sync::Message>(sync::Message{.topic = std::string(request.topic),
                                                                     .properties = to_bytes(request.properties),
                                                                     .payload = to_bytes(request.payload),
                                                                     .expiry_s = request.expiry_s});
  const std::uint64_t publisher = client.session->id;
  const auto qos = static_cast<std::uint8_t>(request.qos);
  sync::LocalWrite write{.channel = channel->number,
                         .kind = {.record = qos > 0, .cell = request.retain, .qos = qos},
                         .publisher = publisher,
                         .message = message};
  if (qos > 0) {
    if (request.retain) {
      if (const auto soon = cells_soon_.find(message->topic); soon != cells_soon_.end()) {
        cells_soon_bytes_ -= cell_bytes(soon->second);
        cells_soon_.erase(soon);
      }
    }
    ports_.store.submit(
        PublishIntent{.write = std::move(write), .ack = {.client = client.id(), .packet_id = request.packet_id}});
    return;
  }
  delivery_.publish_live(*message, request.retain, publisher);
  if (channels_.is_replicated(*channel)) links_.publish_live(now, message, request.retain);
  if (request.retain) set_cell_soon(now, std::move(write));
}

void Node::refuse(Client& client, const mqtt::PublishRequest& request, Category why) {
  if (request.qos == mqtt::QoS::kAtMostOnce) {
    ++counters_.refused;
    return;
  }
  // Publishes before it may still wait for the disk, and are answered first.
  ports_.store.submit(RefusalIntent{.ack = {.client = client.id(), .packet_id = request.packet_id}, .why = why});
}

void Node::on_subscribe(Instant now, Client& client, const mqtt::SubscribeRequest& request) {
  std::vector<mqtt::ReasonCode> codes;
  codes.reserve(request.entries.size());
  Session& session = *client.session;
  std::vector<std::string> added;
  bool changed = false;
  bool becomes_link = false;
  const std::string own_link_filter =
      client.arrived().identity ? link_topic_ + client.arrived().identity->node + "/#" : std::string();
  for (const mqtt::SubscribeEntry& entry : request.entries) {
    mqtt::ReasonCode code = entry.verdict;
    if (!mqtt::is_failure(code) && entry.filter.starts_with(link_topic_)) {
      becomes_link = entry.filter == own_link_filter && is_node(client.arrived());
      code = becomes_link ? mqtt::ReasonCode::kSuccess : mqtt::ReasonCode::kNotAuthorized;
    } else if (!mqtt::is_failure(code)) {
      const bool known = session.subscriptions.contains(entry.filter);
      if (!known && (session.subscriptions.size() >= kSubscriptionsPerSessionMax ||
                     session.filter_bytes + entry.filter.size() > kFilterBytesPerSessionMax)) {
        code = mqtt::ReasonCode::kQuotaExceeded;
      } else {
        delivery_.subscribe(session, entry.filter, entry.options);
        if (!known) added.emplace_back(entry.filter);
        changed = true;
      }
    }
    codes.push_back(code);
  }
  if (session.retained_unsettled) hold_for_cells(session);
  if (changed && session.is_persistent()) {
    // The promise to remember it is kept on disk first.
    ++session.holds;
    store_session(session, [this, client_id = client.id(), packet_id = request.packet_id, codes, added,
                            id = session.id](bool stored) mutable {
      if (Client* waiting = find_client(client_id)) {
        if (!stored) std::fill(codes.begin(), codes.end(), mqtt::ReasonCode::kQuotaExceeded);
        waiting->connection().suback(packet_id, codes);
        touch(*waiting);
      }
      Session* held = sessions_.find(id);
      if (held == nullptr) return;
      if (held->holds > 0) --held->holds;
      // What was refused must not be delivered either.
      for (const std::string& filter : added) {
        if (!stored) delivery_.unsubscribe(*held, filter);
      }
      delivery_.pump(*held);
    });
  } else {
    client.connection().suback(request.packet_id, codes);
    delivery_.pump(session);
  }
  if (becomes_link && !client.link) {
    auto link =
        std::make_unique<AcceptedLink>(client, link_topic_ + client.arrived().identity->node + "/" + settings_.name,
                                       [this](Client& it) { touch(it); });
    AcceptedLink& output = *link;
    accepted_links_[client.id()] = std::move(link);
    client.link = links_.up(now, client.arrived().identity->node, /*dialled=*/false, output);
    ports_.log("link with " + client.arrived().identity->node + " is up (it dialled us)");
  }
}

void Node::on_unsubscribe(Instant, Client& client, const mqtt::UnsubscribeRequest& request) {
  std::vector<mqtt::ReasonCode> codes;
  bool changed = false;
  for (const std::string_view filter : request.filters) {
    const bool existed = delivery_.unsubscribe(*client.session, filter);
    changed = changed || existed;
    codes.push_back(existed ? mqtt::ReasonCode::kSuccess : mqtt::ReasonCode::kNoSubscriptionExisted);
  }
  if (!changed || !client.session->is_persistent()) {
    client.connection().unsuback(request.packet_id, codes);
    return;
  }
  store_session(*client.session,
                [this, client_id = client.id(), packet_id = request.packet_id, codes](bool stored) mutable {
                  Client* waiting = find_client(client_id);
                  if (waiting == nullptr) return;
                  if (!stored) std::fill(codes.begin(), codes.end(), mqtt::ReasonCode::kUnspecifiedError);
                  waiting->connection().unsuback(packet_id, codes);
                  touch(*waiting);
                });
}

void Node::on_puback(Instant now, Client& client, std::uint16_t packet_id) {
  Session& session = *client.session;
  if (!session.window.acknowledge(packet_id)) return;
  on_retained_settled(session);
  save_position(session, now, /*at_once=*/false);
  delivery_.pump(session);
}

void Node::on_drained(Instant now, Client& client) {
  if (client.link) links_.on_drained(now, *client.link);
  if (client.session != nullptr) delivery_.pump(*client.session);
  touch(client);
  flush();
}

void Node::on_handled(Instant now, Client& client) {
  update_pressure(now);
  touch(client);
  flush();
}

bool Node::is_link_message(const Client& client, std::string_view topic) const {
  if (!topic.starts_with(link_topic_) || !is_node(client.arrived())) return false;
  return topic.substr(link_topic_.size()) == settings_.name + "/" + client.arrived().identity->node;
}

// --- the node's own voice, and cells of QoS 0 ---

void Node::publish_own(std::string_view leaf, std::string_view payload) {
  const std::string topic = "hedgerow/" + settings_.mesh + "/nodes/" + settings_.name + "/" + std::string(leaf);
  const ChannelTable::Entry* channel = channels_.owner_of(topic);
  Expects(channel != nullptr);  // the built-in channel
  auto message = std::make_shared<const sync::Message>(
      sync::Message{.topic = topic, .properties = {}, .payload = to_bytes(payload), .expiry_s = {}});
  ports_.store.submit(PublishIntent{.write = {.channel = channel->number,
                                              .kind = {.record = true, .cell = true, .qos = 1},
                                              .publisher = 0,
                                              .message = std::move(message)},
                                    .ack = {}});
}

void Node::set_cell_soon(Instant now, sync::LocalWrite write) {
  const auto [soon, is_new] = cells_soon_.try_emplace(write.message->topic);
  if (!is_new) cells_soon_bytes_ -= cell_bytes(soon->second);
  cells_soon_bytes_ += cell_bytes(write);
  soon->second = std::move(write);
  if (!cells_due_) cells_due_ = now + kCellDelay;
  if (cells_soon_.size() >= kCellsSoonMax || cells_soon_bytes_ > kCellsSoonBytesMax) flush_cells();
}

void Node::flush_cells() {
  for (auto& [topic, write] : cells_soon_) ports_.store.submit(PublishIntent{.write = std::move(write), .ack = {}});
  if (!cells_soon_.empty()) {
    const std::uint64_t token = cells_token_ = ++last_token_;
    waiting_.emplace(token, [this, token](bool) {
      if (cells_token_ == token) cells_token_ = 0;
    });
    ports_.store.submit(BarrierIntent{.token = token});
  }
  cells_soon_.clear();
  cells_soon_bytes_ = 0;
  cells_due_.reset();
}

void Node::hold_for_cells(Session& session) {
  flush_cells();
  if (cells_token_ == 0) return;
  ++session.holds;
  waiting_.emplace(++last_token_, [this, id = session.id](bool) {
    Session* held = sessions_.find(id);
    if (held == nullptr) return;
    if (held->holds > 0) --held->holds;
    delivery_.pump(*held);
  });
  ports_.store.submit(BarrierIntent{.token = last_token_});
}

// --- what the store did ---

void Node::on_turn(Instant now, TurnResult turn) {
  if (turn.failure) {
    on_failed_turn(turn);
    retry_lost(now, turn);
    links_.on_turn(now, turn);
    flush();
    return;
  }
  send_acks(turn.acks);
  links_.on_turn(now, turn);
  for (const auto& [id, position] : turn.positions) {
    if (Session* session = sessions_.find(id)) {
      session->position_saved = std::max(session->position_saved, position);
      session->window.settle(position);
    }
  }
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

void Node::send_acks(const std::vector<Ack>& acks) {
  for (const Ack& ack : acks) {
    if (!ack.stored) ++counters_.refused;
    Client* client = find_client(ack.address.client);
    if (client == nullptr) continue;
    client->connection().puback(ack.address.packet_id, ack.stored ? mqtt::ReasonCode::kSuccess : reason_of(ack.why));
    touch(*client);
  }
}

void Node::on_failed_turn(const TurnResult& turn) {
  send_acks(turn.acks);
  for (const std::uint64_t token : turn.unsaved) {
    if (auto waiting = waiting_.extract(token)) waiting.mapped()(/*stored=*/false);
  }
  if (turn.failure->category == Category::kLimit) {
    ports_.log(turn.failure->what);
  } else {
    ports_.on_fatal(*turn.failure);
  }
}

// --- time ---

Instant Node::next_deadline() const {
  Instant next = std::min(next_tick_, links_.next_deadline());
  if (cells_due_) next = std::min(next, *cells_due_);
  return next;
}

void Node::on_timer(Instant now) {
  if (cells_due_ && *cells_due_ <= now) flush_cells();
  if (links_.next_deadline() <= now) links_.on_timer(now);
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
    for (const std::uint64_t id : std::exchange(erasures_due_, {})) {
      ports_.store.submit(EraseSessionIntent{.id = id});
    }
    delivery_.pump_stalled();
    save_due_positions(now);
    expire_sessions(now);
    links_.on_tick(now);
    if (next_trim_ <= now) {
      next_trim_ = now + kTrimInterval;
      ports_.store.submit(TrimIntent{});
    }
    update_pressure(now);
  }
  flush();
}

// --- the end ---

void Node::stop_taking(Instant now) {
  stopping_ = true;
  flush_cells();
  for (const auto& [id, client] : clients_) client->hold_reading(now, true);
}

void Node::say_goodbye(Instant now) {
  for (const auto& [id, session] : sessions_.all()) {
    if (session->is_persistent()) save_position(*session, now, /*at_once=*/true);
  }
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

void Node::touch(Client& client) {
  if (client.flush_due) return;
  client.flush_due = true;
  touched_.push_back(&client);
}

void Node::flush() {
  if (flushing_) return;
  flushing_ = true;
  // Flushing may handle held input, which may touch more clients: they are appended.
  for (std::size_t i = 0; i < touched_.size(); ++i) {
    touched_[i]->flush_due = false;
    touched_[i]->flush();
  }
  touched_.clear();
  flushing_ = false;
  ports_.on_deadline();
}

void Node::update_pressure(Instant now) {
  const std::size_t pending = ports_.store.pending_bytes();
  const bool pressed = pressed_ ? pending > kStorePendingBytesMax / 2 : pending > kStorePendingBytesMax;
  if (pressed == pressed_ || stopping_) return;
  pressed_ = pressed;
  for (const auto& [id, client] : clients_) {
    if (client->link) continue;  // links have their own windows
    client->hold_reading(now, pressed);
  }
}

}  // namespace hedgerow::node
