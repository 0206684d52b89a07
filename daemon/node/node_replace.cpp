// The part of Node that starts a client's session anew [MQTT-3.1.2-4]. Where the disk must know the new one, the old
// one ends together with its being there, in one intent: a clean start that the disk refuses has changed nothing. Who
// connects to the session while that is under way waits for the outcome.
#include <utility>

#include "daemon/node/limits.hpp"
#include "daemon/node/newcomer.hpp"

namespace hedgerow::node {

void Node::replace_session(Client& client, const Newcomer& newcomer, const Session& old) {
  auto replacing = std::make_unique<Replacing>(
      Replacing{.fresh = fresh_id(), .client = client.id(), .stores = old.stores, .by = newcomer});
  ReplaceSessionIntent intent{.replaced = old.id, .token = ++last_token_};
  if (client.will) {
    StoredWill will = *std::exchange(client.will, nullptr);
    will.session = replacing->fresh;
    if (!wills_.set(will)) {
      return turn_down(client, newcomer, mqtt::ReasonCode::kQuotaExceeded, "the node keeps no more wills");
    }
    intent.wills.push_back(std::move(will));
  }
  if (newcomer.session_expiry_s > 0) {
    intent.sessions.push_back(make_session(replacing->fresh, client, newcomer)->stored());
  }
  replacing_.emplace(old.id, std::move(replacing));
  waiting_.emplace(intent.token, [this, id = old.id](bool stored) { on_replaced(id, stored); });
  ports_.store.submit(std::move(intent));
}

void Node::await_replaced(Replacing& replacing, const Client& client, const Newcomer& newcomer) {
  const auto take_place_of = [this](std::uint64_t id) {
    Client* before = find_client(id);
    if (before == nullptr || before->connection().closing()) return;
    before->connection().refuse(mqtt::ReasonCode::kSessionTakenOver);
    touch(*before);
  };
  take_place_of(std::exchange(replacing.client, 0));
  if (replacing.next) take_place_of(replacing.next->first);
  replacing.next = {client.id(), newcomer};
}

void Node::on_replaced(std::uint64_t id, bool stored) {
  const std::unique_ptr<Replacing> replacing = std::move(replacing_.extract(id).mapped());
  Client* client = find_client(replacing->client);
  if (client != nullptr && client->connection().closing()) client = nullptr;
  if (client != nullptr) touch(*client);
  if (!stored) {
    wills_.disarm(replacing->fresh);
    if (client != nullptr) turn_down(*client, replacing->by, mqtt::ReasonCode::kQuotaExceeded, "the disk is full");
  } else {
    Session& old = *sessions_.find(id);
    if (old.stores == replacing->stores) old.was_stored = false;
    end_session(old);
    settle_replaced(*replacing, client);
  }
  if (!replacing->next) return;
  Client* next = find_client(replacing->next->first);
  if (next == nullptr || next->connection().closing()) return;
  touch(*next);
  admit(now_, *next, replacing->next->second);
}

// The disk has the new session, and its will.
void Node::settle_replaced(const Replacing& replacing, Client* client) {
  const bool is_kept = replacing.by.session_expiry_s > 0;
  const StoredWill* will = wills_.find_armed(replacing.fresh);
  const bool is_allowed =
      client != nullptr && ports_.access.knows(client->principal) && (will == nullptr || may_fire(*will));
  if (is_allowed) {
    Session& session = sessions_.add(make_session(replacing.fresh, *client, replacing.by));
    session.was_stored = session.was_confirmed = is_kept;
    session.stored_expiry_s = session.expiry_s;
    client->session = &session;
    return accept(session, *client, replacing.by, /*session_present=*/false);
  }
  if (client != nullptr) {
    ++counters_.refused_access;
    client->connection().refuse(mqtt::ReasonCode::kNotAuthorized);
  }
  if (is_kept) ports_.store.submit(EraseSessionIntent{.id = replacing.fresh});
  if (wills_.disarm(replacing.fresh)) tidy_will_row(replacing.fresh);
}

}  // namespace hedgerow::node
