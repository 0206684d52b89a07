// Who is at the other end of a link, and which channels both have.
#include <algorithm>
#include <utility>

#include "sync/limits.hpp"
#include "sync/link/replicator.hpp"

namespace hedgerow::sync {

std::optional<std::string> Replicator::reject_greeting(const Link& link, const wire::Hello& hello) const {
  if (hello.mesh != settings_.mesh) {
    return "the peer belongs to mesh \"" + hello.mesh + "\", this node to \"" + settings_.mesh + "\"";
  }
  if (hello.incarnation == settings_.incarnation && hello.replica == settings_.replica) return std::string(kReasonSelf);
  if (hello.node == settings_.node) {
    return "another node of the mesh is also named \"" + hello.node + "\": give one of the two a name of its own";
  }
  if (!link.authenticated.empty() && link.authenticated != hello.node) {
    return "the peer calls itself \"" + hello.node + "\", but its certificate says \"" + link.authenticated + "\"";
  }
  return reject_removed(hello.node, hello.replica);
}

std::optional<std::string> Replicator::reject_removed(const std::string& peer, ReplicaId replica) const {
  if (settings_.removed.contains(settings_.replica)) return "this node was removed from the mesh";
  if (!settings_.removed.contains(replica)) return std::nullopt;
  return "node \"" + peer + "\" was removed from the mesh: it can join anew with an empty database";
}

std::span<const Action> Replicator::on_removed(Instant now, std::set<ReplicaId> removed) {
  actions_.clear();
  settings_.removed = std::move(removed);
  for (auto at = links_.begin(); at != links_.end();) {
    const Link& link = (at++)->second;  // the one that is closed goes, no other
    const auto peer = peers_.find(link.peer);
    if (peer == peers_.end()) continue;
    if (auto reason = reject_removed(link.peer, peer->second.replica)) close(now, link.id, std::move(*reason));
  }
  return finish();
}

void Replicator::on_hello(Instant now, Link& link, const wire::Hello& hello) {
  if (!link.peer.empty()) return close(now, link.id, "the peer greeted twice");
  if (auto reason = reject_greeting(link, hello)) return close(now, link.id, std::move(*reason));
  if (hello.replica == settings_.replica) {
    renew(hello.node);
    return close(now, link.id,
                 "node \"" + hello.node + "\" runs on a copy of this node's database: both go on under new names");
  }

  // Links from before the peer's restart are dead, though nobody has noticed yet.
  const auto known = peers_.find(hello.node);
  if (known != peers_.end() && known->second.incarnation != hello.incarnation) {
    std::vector<LinkId> dead;
    for (const auto& [id, other] : links_) {
      if (other.peer == hello.node) dead.push_back(id);
    }
    for (const LinkId id : dead) close(now, id, "\"" + hello.node + "\" has started anew on another link");
  }

  link.peer = hello.node;
  Peer& peer = peers_[hello.node];
  if (peer.name.empty()) {
    peer.name = hello.node;
    peer.number = PeerNo{++last_peer_};
    peer.replica = hello.replica;
    peer.incarnation = hello.incarnation;
    peer.channels.resize(channels_.size());
    // Of two that say everything at once, one leaves it to the other to compare. Whatever moves later is said with
    // checks, so of two marks that come to one number one is always compared.
    for (Shared& shared : peer.channels) shared.checks = settings_.node < peer.name;
  }
  peer.version = hello.software;
  peer.contradictions.clear();
  for (const wire::Hello::Channel& theirs : hello.channels) {
    const auto ours =
        std::find_if(channels_.begin(), channels_.end(), [&](const Channel& each) { return each.name == theirs.name; });
    const bool is_shared = ours != channels_.end() && compare(*ours, theirs, peer);
    const auto index = is_shared ? static_cast<std::size_t>(ours - channels_.begin()) : kNotOurs;
    link.numbering.push_back(index);
    if (index != kNotOurs) peer.channels[index].shared = true;
  }
  for (std::size_t i = 0; i < channels_.size(); ++i) forget_forks(i);
  choose_active(now, peer);
}

const std::string& Replicator::filter_of(const Channel& channel) const {
  static const std::string kUnknown;
  const auto found = settings_.filters.find(channel.name);
  return found == settings_.filters.end() ? kUnknown : found->second;
}

bool Replicator::compare(const Channel& ours, const wire::Hello::Channel& theirs, Peer& peer) const {
  const auto note = [&](std::string_view key, std::string_view here, std::string_view there, bool is_kept_apart) {
    peer.contradictions.push_back(
        {.channel = ours.number,
         .peer = peer.name,
         .what = "channel \"" + ours.name + "\" has " + std::string(key) + " \"" + std::string(here) +
                 "\" here, but \"" + std::string(there) + "\" on " + peer.name +
                 (is_kept_apart ? ": nothing of it is exchanged with that node until both say the same"
                                : ": let both configurations say the same"),
         .is_kept_apart = is_kept_apart});
  };
  if (ours.merge != theirs.merge) {
    note("merge", to_string(ours.merge), to_string(theirs.merge), /*is_kept_apart=*/true);
    return false;
  }
  const std::string& filter = filter_of(ours);
  const bool differs = !filter.empty() && !theirs.filter.empty() && filter != theirs.filter;
  if (differs) note("filter", filter, theirs.filter, /*is_kept_apart=*/false);
  return true;
}

}  // namespace hedgerow::sync
