#include "security/dtls_mbedtls/dtls_server.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "security/crypto_mbedtls/crypto.hpp"

namespace hedgerow::security {

using State = DtlsSession::State;

DtlsServer::DtlsServer(std::shared_ptr<const DtlsContext> context, const Cookies::Secret& secret, Ports ports)
    : context_(std::move(context)), cookies_(secret), ports_(std::move(ports)) {}

DtlsServer::~DtlsServer() = default;

void DtlsServer::on_datagram(Instant now, const std::string& address, ByteView datagram) {
  if (const auto hello = read_client_hello(datagram)) return on_client_hello(now, address, *hello, datagram);
  // A flight sent again may have records of the handshake before the one with the connection id.
  ByteView rest = datagram;
  for (ByteView from_record = rest; const auto record = take_record(rest); from_record = rest) {
    if (record->type == kDtlsConnectionIdRecord) return on_moving(now, address, *record, from_record, datagram);
  }
  on_bound(now, address, datagram);
}

void DtlsServer::on_client_hello(Instant now, const std::string& address, const ClientHello& hello, ByteView datagram) {
  if (!cookies_.is_good(now, address, hello.random, hello.cookie)) {
    return ports_.send(address, hello_verify_request(hello, cookies_.make(now, address, hello.random)));
  }
  const auto under_way = handshakes_.find(address);
  if (under_way != handshakes_.end()) {
    const Client& client = *under_way->second;
    const bool same =
        std::equal(hello.random.begin(), hello.random.end(), client.hello_random.begin(), client.hello_random.end());
    if (same) return feed(now, ClientPtr(under_way->second), datagram);
    forget(ClientPtr(under_way->second));  // its client has begun anew
  } else if (is_of_an_open_session(address, hello)) {
    ++counters_.dropped;
    return;
  }
  if (make_room(now)) return begin(now, address, hello, datagram);
  refuse(address, "too many handshakes at once");
}

// A double that came late. A second handshake would be given the client's last flight when that is sent again, and
// break it off for its wrong keys.
bool DtlsServer::is_of_an_open_session(const std::string& address, const ClientHello& hello) const {
  return std::any_of(open_.begin(), open_.end(), [&](const auto& entry) {
    const Client& client = *entry.second;
    return client.address == address &&
           std::equal(hello.random.begin(), hello.random.end(), client.hello_random.begin(), client.hello_random.end());
  });
}

bool DtlsServer::make_room(Instant now) {
  if (now >= second_ + std::chrono::seconds{1}) {
    second_ = now;
    begun_ = 0;
  }
  if (begun_ == kDtlsHandshakesPerSecondMax) return false;
  if (handshakes_.size() < kDtlsHandshakesMax) return true;
  const auto oldest = std::min_element(handshakes_.begin(), handshakes_.end(), [](const auto& a, const auto& b) {
    return a.second->session->started() < b.second->session->started();
  });
  if (now < oldest->second->session->started() + kDtlsHandshakeTurn) return false;
  const ClientPtr slow = oldest->second;
  refuse(slow->address, "others wait, and its handshake did not get on");
  forget(slow);
  return true;
}

void DtlsServer::begin(Instant now, const std::string& address, const ClientHello& hello, ByteView datagram) {
  DtlsConnectionId id{};
  if (!random_bytes(id)) return refuse(address, "the system gives no random numbers");
  auto client = std::make_shared<Client>();
  client->address = address;
  client->hello_random = to_bytes(hello.random);
  DtlsSession::Ports ports{.key_of = ports_.key_of,
                           .send = [this, raw = client.get()](ByteView bytes) { ports_.send(raw->address, bytes); }};
  auto session = DtlsSession::create(context_, now, id, std::move(ports));
  if (!session) return refuse(address, session.error().what);
  client->session = std::move(*session);
  ++begun_;
  handshakes_[address] = client;
  by_connection_id_[id] = client;
  if (next_sweep_ == Instant::max()) next_sweep_ = now + kDtlsSweep;
  feed(now, client, datagram);
}

// `from_record`: the datagram from that record on.
void DtlsServer::on_moving(Instant now, const std::string& address, const DtlsRecord& record, ByteView from_record,
                           ByteView datagram) {
  DtlsConnectionId id{};
  std::copy(record.connection_id.begin(), record.connection_id.end(), id.begin());
  const auto found = by_connection_id_.find(id);
  if (found == by_connection_id_.end()) {
    ++counters_.dropped;
    return;
  }
  const ClientPtr client = found->second;
  if (client->address != address) {
    const DtlsSession& session = *client->session;
    const bool follows = session.state() == State::kOpen && session.is_newest(record.epoch, record.sequence) &&
                         session.is_authentic(from_record);
    if (!follows) {
      ++counters_.dropped;
      return;
    }
    ++counters_.moved;
    client->address = address;
  }
  feed(now, client, datagram);
}

// Of a new handshake and the session before it at one address, records of the session are told by its key.
void DtlsServer::on_bound(Instant now, const std::string& address, ByteView datagram) {
  const auto handshake = handshakes_.find(address);
  const auto open = bound_.find(address);
  ClientPtr client;
  if (open != bound_.end() && (handshake == handshakes_.end() || open->second->session->is_authentic(datagram))) {
    client = open->second;
  } else if (handshake != handshakes_.end()) {
    client = handshake->second;
  }
  if (client) return feed(now, client, datagram);
  ++counters_.dropped;
}

void DtlsServer::feed(Instant now, const ClientPtr& client, ByteView datagram) {
  std::vector<Bytes> messages;
  client->session->feed(now, datagram, messages);
  const bool was_open = client->session->state() == State::kOpen || !messages.empty();
  const DtlsPeer peer = was_open ? client->session->peer() : DtlsPeer{};
  const std::string from = client->address;
  after_call(now, client);
  for (const Bytes& message : messages) ports_.deliver(now, peer, from, message);
}

// The session may have changed its state.
void DtlsServer::after_call(Instant now, const ClientPtr& client) {
  const auto handshake = handshakes_.find(client->address);
  const bool was_handshaking = handshake != handshakes_.end() && handshake->second == client;
  switch (client->session->state()) {
    case State::kHandshaking: return;
    case State::kOpen:
      if (was_handshaking) adopt(now, client);
      return;
    case State::kEnded:
      if (!was_handshaking) return end(now, client);
      refuse(client->address, client->session->reason());
      return forget(client);
  }
}

void DtlsServer::adopt(Instant now, const ClientPtr& client) {
  const DtlsSession& session = *client->session;
  const std::string id = session.peer().id();
  handshakes_.erase(client->address);
  if (const auto before = open_.find(id); before != open_.end()) {
    forget(ClientPtr(before->second));
  } else if (open_.size() == kDtlsSessionsMax) {
    refuse(client->address, std::to_string(kDtlsSessionsMax) + " sessions are open, and no more are taken");
    client->session->close(now);
    return forget(client);
  }
  ++counters_.opened;
  open_[id] = client;
  if (!session.has_connection_id()) {
    // Who was there before has lost the address.
    if (const auto other = bound_.find(client->address); other != bound_.end()) {
      end(now, ClientPtr(other->second));
    }
    bound_[client->address] = client;
  }
}

void DtlsServer::forget(const ClientPtr& client) {
  const auto erase = [&](auto& map, const auto& key) {
    const auto found = map.find(key);
    if (found != map.end() && found->second == client) map.erase(found);
  };
  erase(handshakes_, client->address);
  erase(bound_, client->address);
  erase(by_connection_id_, client->session->connection_id());
  erase(open_, client->session->peer().id());
}

void DtlsServer::refuse(const std::string& address, const std::string& reason) {
  ++counters_.refused;
  last_refusal_ = "DTLS from " + address + ": " + reason;
}

void DtlsServer::end(Instant now, const ClientPtr& client) {
  client->session->close(now);
  forget(client);
}

void DtlsServer::on_timer(Instant now) {
  std::vector<ClientPtr> due;
  for (const auto& [address, client] : handshakes_) {
    if (now >= client->session->deadline()) due.push_back(client);
  }
  if (now >= next_sweep_) {
    next_sweep_ = now + kDtlsSweep;
    std::vector<ClientPtr> silent;
    for (const auto& [id, client] : open_) {
      if (now >= client->session->last_heard() + kDtlsIdleMax) silent.push_back(client);
    }
    for (const ClientPtr& client : silent) end(now, client);
  }
  for (const ClientPtr& client : due) {
    client->session->on_timer(now);
    after_call(now, client);
  }
}

Instant DtlsServer::next_deadline() const {
  Instant next = next_sweep_;
  for (const auto& [address, client] : handshakes_) next = std::min(next, client->session->deadline());
  return next;
}

bool DtlsServer::send(Instant now, const std::string& peer_id, ByteView message) {
  const auto found = open_.find(peer_id);
  return found != open_.end() && found->second->session->send(now, message);
}

std::vector<std::string> DtlsServer::check_keys(Instant now) {
  std::vector<ClientPtr> revoked;
  for (const auto& [id, client] : open_) {
    const std::optional<std::string>& thing = client->session->peer().thing;
    if (!thing) continue;
    const std::optional<DtlsKey> known = ports_.key_of(*thing);
    if (!known || !client->session->was_opened_by(known->key)) revoked.push_back(client);
  }
  std::vector<std::string> names;
  for (const ClientPtr& client : revoked) {
    names.push_back(client->session->peer().thing.value_or(std::string()));
    end(now, client);
  }
  return names;
}

void DtlsServer::close(Instant now) {
  for (const auto& [id, client] : open_) client->session->close(now);
  open_.clear();
  bound_.clear();
  handshakes_.clear();
  by_connection_id_.clear();
}

}  // namespace hedgerow::security
