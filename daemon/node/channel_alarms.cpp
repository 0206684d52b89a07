#include "daemon/node/channel_alarms.hpp"

#include <utility>

#include "daemon/node/limits.hpp"

namespace hedgerow::node {

ChannelAlarms::ChannelAlarms(const ChannelTable& channels, Log log) : channels_(channels), log_(std::move(log)) {
  for (const ChannelTable::Entry& entry : channels_.entries()) {
    if (!entry.configured || entry.merge == entry.channel.merge) continue;
    const std::string is(to_string(entry.merge));
    of_file_.push_back("channel \"" + entry.channel.name + "\" goes on with merge \"" + is +
                       "\", since messages of that kind are in it, though the configuration says \"" +
                       std::string(to_string(entry.channel.merge)) + "\": put \"" + is +
                       "\" back, or give the channel another name");
    log_(of_file_.back());
  }
}

void ChannelAlarms::on_received(Instant now, const Received& received) {
  if (received.result || received.result.error().category != Category::kLimit) return;
  const ChannelTable::Entry* const entry = channels_.find(received.channel);
  if (entry == nullptr) return;
  std::string sentence =
      "channel \"" + entry->channel.name + "\": what a peer holds is not taken: " + received.result.error().what;
  Refused& refused = refused_[received.channel];
  if (refused.sentence != sentence) log_(sentence);
  refused = {.sentence = std::move(sentence), .until = now + kRefusedAlarmStands};
}

std::string ChannelAlarms::sentence_of(const sync::ForkStatus& fork) const {
  const ChannelTable::Entry* const entry = channels_.find(fork.channel);
  return "channel \"" + (entry == nullptr ? "" : entry->channel.name) + "\": " + fork.peer +
         " holds other messages than this node under one and the same name" +
         (fork.replica == sync::ReplicaId{} ? ""
                                            : ", replica " + std::to_string(static_cast<std::uint64_t>(fork.replica))) +
         ": they are not taken from there. A board was copied while it ran; set the database aside on the node that is "
         "wrong, it fills up from the others";
}

void ChannelAlarms::on_tick(Instant now, const std::vector<sync::ChannelContradiction>& contradictions,
                            const std::vector<sync::ForkStatus>& forks) {
  std::set<std::string> seen;
  for (const sync::ForkStatus& fork : forks) {
    if (fork.is_asked) continue;
    std::string sentence = sentence_of(fork);
    if (!of_peers_.contains(sentence)) log_(sentence);
    seen.insert(std::move(sentence));
  }
  for (const sync::ChannelContradiction& contradiction : contradictions) {
    if (!of_peers_.contains(contradiction.what)) log_(contradiction.what);
    seen.insert(contradiction.what);
  }
  of_peers_ = std::move(seen);
  std::erase_if(refused_, [now](const auto& refused) { return refused.second.until <= now; });
}

std::vector<std::string> ChannelAlarms::sentences() const {
  std::vector<std::string> out = of_file_;
  out.insert(out.end(), of_peers_.begin(), of_peers_.end());
  for (const auto& [channel, refused] : refused_) out.push_back(refused.sentence);
  return out;
}

}  // namespace hedgerow::node
