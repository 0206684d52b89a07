// ChannelAlarms: what somebody must see to in channels: this node's file contradicts what the channel holds, or a
// peer's; or what a peer sends is refused: at a limit, so that nothing behind it comes through (G3, G6), or since it
// contradicts what is held here and nothing tells why (G5).
// Each is logged once when it begins.
// Thread rule: the loop thread. Ownership: the table must outlive it.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "daemon/node/channels.hpp"
#include "daemon/node/store_port.hpp"

namespace hedgerow::node {

class ChannelAlarms {
 public:
  using Log = std::function<void(const std::string&)>;
  ChannelAlarms(const ChannelTable& channels, Log log);

  void on_received(Instant now, const Received& received);
  void on_tick(Instant now, const std::vector<sync::ChannelContradiction>& contradictions,
               const std::vector<sync::ForkStatus>& forks);

  [[nodiscard]] std::vector<std::string> sentences() const;

 private:
  // Peers send again what was refused, at the latest after their longest back-off.
  struct Refused {
    std::string sentence;
    Instant until{};
  };

  [[nodiscard]] std::string sentence_of(const sync::ForkStatus& fork) const;

  const ChannelTable& channels_;
  Log log_;
  std::vector<std::string> of_file_;
  std::set<std::string> of_peers_;
  std::map<sync::ChannelNo, Refused> refused_;
};

}  // namespace hedgerow::node
