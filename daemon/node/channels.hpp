// ChannelTable joins a node's configured channels to the numbers that its database gave them.
// Pure. Thread-compatible: the loop thread changes it, so the reader thread may only ask for what never changes.
#pragma once

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "daemon/config/channel_map.hpp"
#include "sync/engine/storage.hpp"

namespace hedgerow::node {

class ChannelTable {
 public:
  struct Entry {
    sync::ChannelNo number{};
    config::Channel channel;
    bool configured = true;  // false: left out; its data stays readable. One that is spooled is configured
    // How the database merges it, which need not be what the configuration wants: Engine::open().
    sync::MergeKind merge = sync::MergeKind::kLastWrite;
    [[nodiscard]] bool merges() const { return merge != sync::MergeKind::kLastWrite; }
  };

  // `stored`: as Engine::channels() has them after open(); every configured channel is among them. In `configured` the
  // spooled ones come last.
  ChannelTable(const std::vector<config::Channel>& configured, const std::vector<sync::ChannelState>& stored)
      : map_(own_of(configured)) {
    for (const config::Channel& channel : configured) {
      const auto found = std::find_if(stored.begin(), stored.end(),
                                      [&](const sync::ChannelState& state) { return state.name == channel.name; });
      if (found == stored.end()) continue;
      entries_.push_back({.number = found->number, .channel = channel, .merge = found->merge});
      if (channel.spooled) spooled_.push_back(found->number);
    }
    for (const sync::ChannelState& state : stored) {
      if (find(state.number) == nullptr) {
        config::Channel left_out;
        left_out.name = state.name;
        entries_.push_back(
            {.number = state.number, .channel = std::move(left_out), .configured = false, .merge = state.merge});
      }
    }
  }

  // The channel that owns the topic; null when none does. Never a spooled one.
  [[nodiscard]] const Entry* owner_of(std::string_view topic) const {
    const auto index = map_.channel_of(topic);
    return index ? &entries_[*index] : nullptr;
  }
  [[nodiscard]] const Entry* find(sync::ChannelNo number) const {
    const auto found =
        std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.number == number; });
    return found == entries_.end() ? nullptr : &*found;
  }
  [[nodiscard]] bool is_replicated(const Entry& entry) const {
    return entry.configured && entry.channel.scope == config::Scope::kMesh;
  }
  // It is exchanged with peers and is none of this node's own: its messages are neither delivered nor looked up here.
  // From any thread.
  [[nodiscard]] bool is_spooled(sync::ChannelNo number) const {
    return std::find(spooled_.begin(), spooled_.end(), number) != spooled_.end();
  }
  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }

  // Takes over what may change while the node runs: `late` and `conflate`.
  void reconfigure(const std::vector<config::Channel>& channels) {
    for (Entry& entry : entries_) {
      const auto found = std::find_if(channels.begin(), channels.end(), [&](const config::Channel& channel) {
        return entry.configured && channel.name == entry.channel.name;
      });
      if (found == channels.end()) continue;
      entry.channel.late = found->late;
      entry.channel.conflate = found->conflate;
    }
  }

 private:
  static std::vector<config::Channel> own_of(std::vector<config::Channel> configured) {
    std::erase_if(configured, [](const config::Channel& channel) { return channel.spooled; });
    return configured;
  }

  config::ChannelMap map_;
  std::vector<Entry> entries_;  // the configured ones first, in the map's order, of them the spooled ones last
  std::vector<sync::ChannelNo> spooled_;  // mostly none
};

}  // namespace hedgerow::node
