#include "tests/sim/network.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "sync/link/wire.hpp"
#include "sync/log/segment.hpp"

namespace hedgerow::sim {

using namespace std::chrono_literals;

namespace {
constexpr std::size_t kChords = 2;  // beside the ring: about six links a node
}  // namespace

Network::Network(const Options& options, Scheduler& scheduler)
    : options_(options), scheduler_(scheduler), random_(options.seed ^ 0x6E65'7477'6F72'6B21U) {}

void Network::attach(std::vector<LinkEnd*> nodes) {
  nodes_ = std::move(nodes);
  if (options_.topology == Topology::kSparse) {
    for (std::size_t a = 0; a < nodes_.size(); ++a) {
      want(a, (a + 1) % nodes_.size());
      for (std::size_t chord = 0; chord < kChords; ++chord) {
        const std::size_t b = random_.below(nodes_.size());
        if (b != a) want(a, b);
      }
    }
    return;
  }
  for (std::size_t a = 0; a < nodes_.size(); ++a) {
    for (std::size_t b = a + 1; b < nodes_.size(); ++b) {
      const bool wanted = options_.topology == Topology::kMesh ||
                          (options_.topology == Topology::kLine && b == a + 1) ||
                          (options_.topology == Topology::kStar && a == 0);
      if (!wanted) continue;
      const bool forward = random_.one_in(2);
      want(forward ? a : b, forward ? b : a);
      if (options_.network.both_dial) want(forward ? b : a, forward ? a : b);
    }
  }
}

// --- dialling --------------------------------------------------------------------------------------------------------

void Network::want(std::size_t dialler, std::size_t listener) {
  slots_.push_back({.dialler = dialler, .listener = listener, .connected = false, .dialling = false, .waiting = false});
}

void Network::dial_later(std::size_t slot) {
  slots_[slot].waiting = false;
  if (slots_[slot].dialling) return;
  slots_[slot].dialling = true;
  scheduler_.after(draw_between(random_, 1ms, options_.network.redial_max), [this, slot] { dial(slot); });
}

// Dialling in vain is left out: the dialler tries again soon after it could succeed.
void Network::dial_who_can() {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    if (slot.waiting && nodes_[slot.listener]->is_up() && !is_cut(slot.dialler, slot.listener)) dial_later(i);
  }
}

void Network::dial(std::size_t index) {
  Slot& slot = slots_[index];
  slot.dialling = false;
  LinkEnd& dialler = *nodes_[slot.dialler];
  LinkEnd& listener = *nodes_[slot.listener];
  if (!dialler.is_up() || slot.connected) return;
  if (!listener.is_up() || is_cut(slot.dialler, slot.listener)) {
    slot.waiting = true;
    return;
  }
  slot.connected = true;
  auto connection = std::make_shared<Connection>();
  connection->dialler = slot.dialler;
  connection->listener = slot.listener;
  connection->slot = index;
  const sync::LinkId ours{++last_link_};
  const sync::LinkId theirs{++last_link_};
  connection->streams[0].to = slot.listener;
  connection->streams[0].sender = ours;
  connection->streams[0].receiver = theirs;
  connection->streams[1].to = slot.dialler;
  connection->streams[1].sender = theirs;
  connection->streams[1].receiver = ours;
  connection->streams[random_.below(2)].slower = draw_between(random_, 0ms, options_.network.slow_max);
  links_[ours] = connection;
  links_[theirs] = connection;
  listener.link_up(theirs, /*dialled=*/false);
  dialler.link_up(ours, /*dialled=*/true);
}

// --- messages --------------------------------------------------------------------------------------------------------

void Network::send(sync::LinkId link, Bytes message) {
  ++sent_;
  sent_bytes_ += message.size();
  const auto found = links_.find(link);
  if (found == links_.end()) return;
  const std::shared_ptr<Connection> connection = found->second;
  const std::size_t direction = connection->streams[0].sender == link ? 0 : 1;
  Stream& stream = connection->streams[direction];
  stream.queued_bytes += message.size();
  const bool is_hello = message.size() > 1 && message[1] == static_cast<std::uint8_t>(sync::wire::Type::kHello);
  const bool lost = random_.below(1000) < options_.network.drop_per_mille || scheduler_.now() < stream.deaf_until;
  const bool doubled = !is_hello && random_.below(1000) < options_.network.duplicate_per_mille;
  Instant when = scheduler_.now() + draw_between(random_, options_.network.delay_min, options_.network.delay_max);
  when = std::max({when + stream.slower, stream.last_arrival, stream.clogged_until});
  stream.last_arrival = when;
  ++under_way_;
  const auto kept = std::make_shared<const Bytes>(std::move(message));
  scheduler_.at(when, [this, connection, direction, kept, lost] { arrive(connection, direction, *kept, lost); });
  if (!doubled || lost) return;
  ++under_way_;
  stream.queued_bytes += kept->size();
  scheduler_.at(when, [this, connection, direction, kept] { arrive(connection, direction, *kept, false); });
}

void Network::arrive(const std::shared_ptr<Connection>& connection, std::size_t direction, const Bytes& message,
                     bool lost) {
  --under_way_;
  Stream& stream = connection->streams[direction];
  stream.queued_bytes -= message.size();
  const Stream& back = connection->streams[1 - direction];
  if (links_.contains(stream.sender)) nodes_[back.to]->drained(stream.sender);
  if (lost || connection->broken || !links_.contains(stream.receiver)) return;
  count(message, back.to, stream.to);
  nodes_[stream.to]->message(stream.receiver, message);
}

void Network::count(const Bytes& message, std::size_t from, std::size_t to) {
  const auto decoded = sync::wire::decode(message);
  if (!decoded) return;
  const auto add = [&](ByteView segment) {
    const auto header = sync::peek_segment(segment);
    if (!header) return;
    delivered_ops_ += header->count;
    if (spread_ == nullptr) return;
    for (sync::Seq seq = header->first_seq; seq <= header->last_seq(); ++seq) {
      spread_->on_op(scheduler_.now(), header->replica, seq, from, to);
    }
  };
  if (const auto* push = std::get_if<sync::wire::Push>(&*decoded)) {
    add(push->segment);
  } else if (const auto* range = std::get_if<sync::wire::Range>(&*decoded)) {
    for (const ByteView segment : range->segments) add(segment);
  } else if (!std::holds_alternative<sync::wire::Page>(*decoded)) {
    return;
  }
  data_bytes_ += message.size();
}

std::size_t Network::queued_bytes(sync::LinkId link) const {
  const auto found = links_.find(link);
  if (found == links_.end()) return 0;
  const Connection& connection = *found->second;
  return connection.streams[connection.streams[0].sender == link ? 0 : 1].queued_bytes;
}

// --- breaking --------------------------------------------------------------------------------------------------------

// An end learns that its link is gone.
void Network::notice(const std::shared_ptr<Connection>& connection, bool dialler) {
  const sync::LinkId link = connection->streams[dialler ? 0 : 1].sender;
  if (links_.erase(link) == 0) return;
  nodes_[dialler ? connection->dialler : connection->listener]->link_down(link);
  if (!dialler) return;
  slots_[connection->slot].connected = false;
  dial_later(connection->slot);
}

void Network::break_connection(Connection& broken) {
  if (broken.broken) return;
  broken.broken = true;
  for (const bool dialler : {true, false}) {
    const auto found = links_.find(broken.streams[dialler ? 0 : 1].sender);
    if (found == links_.end()) continue;
    scheduler_.after(draw_between(random_, 0ms, options_.network.unnoticed_max),
                     [this, connection = found->second, dialler] { notice(connection, dialler); });
  }
}

// One end closes: it has forgotten the link; the other end learns it from the stream.
void Network::close(sync::LinkId link) {
  const auto found = links_.find(link);
  if (found == links_.end()) return;
  const std::shared_ptr<Connection> connection = found->second;
  const bool dialler = connection->streams[0].sender == link;
  break_connection(*connection);
  scheduler_.after(0ms, [this, connection, dialler] { notice(connection, dialler); });
}

void Network::node_started(std::size_t node) {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].dialler == node) dial_later(i);
  }
  dial_who_can();
}

void Network::node_crashed(std::size_t node) {
  std::vector<std::shared_ptr<Connection>> touched;
  for (const auto& [link, connection] : links_) {
    if (connection->dialler == node || connection->listener == node) touched.push_back(connection);
  }
  for (const auto& connection : touched) {
    const bool dialled = connection->dialler == node;
    links_.erase(connection->streams[dialled ? 0 : 1].sender);
    if (dialled) slots_[connection->slot].connected = false;
    break_connection(*connection);
  }
}

std::vector<Network::Connection*> Network::live_connections() {
  std::vector<Connection*> out;
  for (const auto& [link, connection] : links_) {
    if (!connection->broken && connection->streams[0].sender == link) out.push_back(connection.get());
  }
  return out;
}

void Network::break_some_link() {
  const auto all = live_connections();
  if (!all.empty()) break_connection(*all[random_.below(all.size())]);
}

Network::Stream* Network::some_stream() {
  const auto all = live_connections();
  return all.empty() ? nullptr : &all[random_.below(all.size())]->streams[random_.below(2)];
}

void Network::clog_some_link(Duration duration) {
  if (Stream* stream = some_stream()) {
    stream->clogged_until = std::max(stream->clogged_until, scheduler_.now() + duration);
  }
}

void Network::deafen_some_link(Duration duration) {
  if (Stream* stream = some_stream()) {
    stream->deaf_until = std::max(stream->deaf_until, scheduler_.now() + duration);
  }
}

void Network::partition(std::uint64_t side) {
  side_ = side;
  for (Connection* connection : live_connections()) {
    if (is_cut(connection->dialler, connection->listener)) break_connection(*connection);
  }
  dial_who_can();
}

void Network::heal() {
  side_ = 0;
  dial_who_can();
}

void Network::become_reliable() {
  heal();
  options_.network.drop_per_mille = 0;
  options_.network.duplicate_per_mille = 0;
  for (Connection* connection : live_connections()) {
    for (Stream& stream : connection->streams) stream.deaf_until = Instant::min();
  }
}

}  // namespace hedgerow::sim
