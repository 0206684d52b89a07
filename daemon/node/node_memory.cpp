// The part of Node that keeps what all clients together hold within its bounds (G6).
#include <algorithm>
#include <chrono>
#include <utility>

#include "daemon/node/limits.hpp"
#include "daemon/node/node.hpp"

namespace hedgerow::node {

void Node::count(Client& client) {
  client.count_queue();
  if (client.counted_bytes == 0) {
    client.queued_since.reset();
  } else if (!client.queued_since) {
    client.queued_since = now_;
  }
  count_input(client);
}

// Of peers, one packet may be larger, and there are few.
void Node::count_input(Client& client) {
  const std::size_t bytes = client.link ? 0 : client.connection().unfinished_bytes();
  const std::uint64_t packets = client.connection().packets_in();
  if (client.unfinished_bytes == 0 || client.whole_packets != packets) client.whole_packet_at = now_;
  client.whole_packets = packets;
  unfinished_.bytes += bytes - std::exchange(client.unfinished_bytes, bytes);
}

// Those that have not taken all they were sent for a while, the fullest first. Others only where answers to what they
// sent, which cannot be dropped, are too much.
bool Node::relieve_queues() {
  if ((!budget_.is_short && !budget_.is_exceeded()) || now_ < next_relief_) return false;
  next_relief_ = now_ + kReliefPause;
  budget_.is_short = false;
  const auto is_slow = [this](const Client* client) {
    return client->queued_since && now_ - *client->queued_since >= kQueuePatience;
  };
  std::vector<Client*> fullest;
  std::size_t slow_bytes = 0;
  for (const auto& [id, client] : clients_) {
    count(*client);  // they may have taken some of it since
    if (is_slow(client)) slow_bytes += client->counted_bytes;
    if (client->counted_bytes > 0 && (budget_.is_exceeded() || is_slow(client))) fullest.push_back(client);
  }
  std::sort(fullest.begin(), fullest.end(), [&](const Client* a, const Client* b) {
    return std::pair(is_slow(b), b->counted_bytes) < std::pair(is_slow(a), a->counted_bytes);
  });
  bool has_cut = false;
  for (Client* client : fullest) {
    // What waits for those who keep up goes by itself: nobody slow is closed for it.
    const bool slow_hold_too_much = is_slow(client) && slow_bytes > budget_.all_bytes_max;
    if (!slow_hold_too_much && !budget_.is_exceeded()) break;
    if (is_slow(client)) slow_bytes -= client->counted_bytes;
    ++counters_.closed_readers;
    closed_readers_.note(now_, ports_.log,
                         "a client was closed: it did not take what it was sent, and what waits for all clients is "
                         "more than twice \"queue_bytes\"");
    client->cut();
    touch(*client);
    client->count_queue();
    has_cut = true;
  }
  return has_cut;
}

bool Node::relieve_input() {
  bool has_closed = false;
  while (unfinished_.bytes > unfinished_.bytes_max) {
    Client* worst = nullptr;
    std::uint64_t most = 0;
    for (const auto& [id, client] : clients_) {
      count_input(*client);  // one that had to wait may have completed its packet since
      const auto held = std::chrono::duration_cast<std::chrono::milliseconds>(now_ - client->whole_packet_at);
      // Input that had to wait is handled with the time at which it came.
      const auto held_ms = static_cast<std::uint64_t>(std::max<std::int64_t>(held.count(), 0));
      const std::uint64_t weight = client->unfinished_bytes * (held_ms + 1);
      if (weight <= most) continue;
      most = weight;
      worst = client;
    }
    if (worst == nullptr) break;
    ++counters_.closed_writers;
    closed_writers_.note(now_, ports_.log,
                         "a client was closed in the middle of a packet: those of all clients that are not complete "
                         "take as much memory as \"unfinished_bytes\" allows");
    worst->connection().disconnect(mqtt::ReasonCode::kQuotaExceeded, "too many packets are incomplete");
    worst->connection().drop_input();
    count_input(*worst);
    touch(*worst);
    has_closed = true;
  }
  return has_closed;
}

}  // namespace hedgerow::node
