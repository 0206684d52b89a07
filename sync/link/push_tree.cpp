#include "sync/link/push_tree.hpp"

#include <algorithm>
#include <utility>

#include "sync/limits.hpp"
#include "sync/link/timing.hpp"

namespace hedgerow::sync {
namespace {

template <class Entries>
auto place_of(Entries& entries, ReplicaId replica) {
  return std::lower_bound(entries.begin(), entries.end(), replica,
                          [](const auto& entry, ReplicaId wanted) { return entry.replica < wanted; });
}

template <class Entries>
auto find_in(Entries& entries, ReplicaId replica) -> decltype(&*entries.begin()) {
  const auto place = place_of(entries, replica);
  return place != entries.end() && place->replica == replica ? &*place : nullptr;
}

template <class Entry>
Entry& found_or_added(std::vector<Entry>& entries, ReplicaId replica) {
  const auto place = place_of(entries, replica);
  if (place != entries.end() && place->replica == replica) return *place;
  Entry entry{};
  entry.replica = replica;
  return *entries.insert(place, entry);
}

// Returns whether it was there.
template <class Entry>
bool erase_from(std::vector<Entry>& entries, ReplicaId replica) {
  const auto place = place_of(entries, replica);
  if (place == entries.end() || place->replica != replica) return false;
  entries.erase(place);
  return true;
}

void add(std::vector<Graft>& grafts, PeerNo to, ReplicaId replica) {
  auto graft = std::find_if(grafts.begin(), grafts.end(), [to](const Graft& each) { return each.to == to; });
  if (graft == grafts.end()) graft = grafts.insert(graft, Graft{.to = to, .replicas = {}});
  graft->replicas.push_back(replica);
}

}  // namespace

PushTree::Neighbour& PushTree::neighbour(PeerNo peer) {
  const auto found =
      std::find_if(neighbours_.begin(), neighbours_.end(), [peer](const Neighbour& each) { return each.peer == peer; });
  return found != neighbours_.end() ? *found : neighbours_.emplace_back(Neighbour{.peer = peer, .lazy = {}});
}

PushTree::Source* PushTree::source_of(ReplicaId replica) {
  if (Source* const known = find_in(sources_, replica)) return known;
  return sources_.size() < kReplicasPerChannelMax ? &found_or_added(sources_, replica) : nullptr;
}

// --- what this node is sent ------------------------------------------------------------------------------------------

void PushTree::on_news(Instant now, PeerNo from, ReplicaId replica) {
  if (Coming* const coming = find_in(coming_, replica)) coming->due = now + kTreeGrace;
  std::vector<Lazy>& lazy = neighbour(from).lazy;
  const Lazy* const pruned = find_in(lazy, replica);
  // It was sent before the prune arrived.
  if (pruned != nullptr && now - pruned->since < kPruneInterval) return;
  if (pruned != nullptr) erase_from(lazy, replica);
  if (Source* const source = source_of(replica)) source->upstream = from;
}

bool PushTree::on_copy(Instant now, PeerNo from, ReplicaId replica) {
  if (replica != own_) {
    Source* const source = source_of(replica);
    if (source == nullptr) return false;
    if (source->upstream == PeerNo{}) source->upstream = from;
    if (source->upstream == from) return false;
  }
  std::vector<Lazy>& lazy = neighbour(from).lazy;
  const Lazy* const pruned = find_in(lazy, replica);
  if (pruned != nullptr && now - pruned->since < kPruneInterval) return false;
  found_or_added(lazy, replica).since = now;
  return true;
}

void PushTree::on_announced(Instant now, PeerNo from, const FrontierEntry& mark) {
  const Source* const source = find_in(sources_, mark.replica);
  // What its upstream did not push before it announced it is not coming.
  if (source == nullptr || source->upstream == PeerNo{} || source->upstream == from) return;
  Coming& coming = found_or_added(coming_, mark.replica);
  if (coming.seq == 0) coming.due = now + kTreeGrace;
  coming.seq = std::max(coming.seq, mark.seq);
}

void PushTree::on_gap(ReplicaId replica) { erase_from(coming_, replica); }

bool PushTree::is_coming(Instant now, ReplicaId replica, Seq held) const {
  const Coming* const coming = find_in(coming_, replica);
  return coming != nullptr && coming->seq > held && now < coming->due;
}

Instant PushTree::next_due(Instant now, const Frontier& held) {
  Instant next = Instant::max();
  std::erase_if(coming_, [&held](const Coming& each) { return each.seq <= seq_in(held, each.replica); });
  for (const Coming& each : coming_) {
    if (now < each.due) next = std::min(next, each.due);
  }
  return next;
}

void PushTree::on_asked(PeerNo from, ReplicaId replica) {
  if (!erase_from(neighbour(from).lazy, replica)) return;
  if (Source* const source = source_of(replica)) source->upstream = from;
}

// --- what this node sends --------------------------------------------------------------------------------------------

bool PushTree::is_lazy(PeerNo to, ReplicaId replica) const {
  for (const Neighbour& each : neighbours_) {
    if (each.peer == to) return find_in(each.lazy, replica) != nullptr;
  }
  return false;
}

std::vector<Graft> PushTree::on_prune(Instant now, PeerNo from, const Frontier& marks) {
  std::vector<Graft> out;
  for (const FrontierEntry& mark : marks) {
    found_or_added(neighbour(from).lazy, mark.replica).since = now;
    Source* const source = find_in(sources_, mark.replica);
    if (source != nullptr && source->upstream == from) seek(*source, out);
  }
  return out;
}

std::vector<Graft> PushTree::on_graft(PeerNo from, const Frontier& marks) {
  std::vector<Graft> out;
  for (const FrontierEntry& mark : marks) {
    erase_from(neighbour(from).lazy, mark.replica);
    Source* const source = find_in(sources_, mark.replica);
    if (source != nullptr && source->upstream == from) seek(*source, out);
  }
  return out;
}

void PushTree::on_question(PeerNo from, const Frontier& above, const Frontier& held) {
  std::erase_if(neighbour(from).lazy,
                [&](const Lazy& each) { return seq_in(above, each.replica) < seq_in(held, each.replica); });
}

void PushTree::on_new_link(PeerNo peer) { neighbour(peer).lazy.clear(); }

// --- links -----------------------------------------------------------------------------------------------------------

void PushTree::seek(Source& source, std::vector<Graft>& out) {
  const PeerNo lost = std::exchange(source.upstream, PeerNo{});
  erase_from(coming_, source.replica);
  bool is_found = false;
  for (Neighbour& each : neighbours_) {
    Lazy* const lazy = each.peer == lost ? nullptr : find_in(each.lazy, source.replica);
    if (lazy == nullptr) continue;
    // It lives on others, and is not pushed to: the first one that brings news becomes the upstream, the others are
    // pruned again.
    lazy->since = {};
    add(out, each.peer, source.replica);
    is_found = true;
  }
  if (is_found) return;
  for (const Neighbour& each : neighbours_) {
    if (each.peer != lost) add(out, each.peer, source.replica);
  }
}

std::vector<Graft> PushTree::on_gone(PeerNo peer) {
  std::vector<Graft> out;
  std::erase_if(neighbours_, [peer](const Neighbour& each) { return each.peer == peer; });
  for (Source& source : sources_) {
    if (source.upstream == peer) seek(source, out);
  }
  return out;
}

}  // namespace hedgerow::sync
