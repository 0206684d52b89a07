// Reads the retained messages that a filter asks for, page by page: for new subscriptions, and for whoever asks.
// Pure. Thread rule: free functions; the caller's job on the reader thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/node/channels.hpp"
#include "sync/engine/storage.hpp"

namespace hedgerow::node {

// Where reading goes on: behind this topic of this channel. Channels are read by their numbers, which stay as they are,
// whatever the configuration says of their order; 0 lies before the first.
struct RetainedPlace {
  sync::ChannelNo channel{};
  std::string after_topic = {};
};

struct RetainedPage {
  std::vector<sync::Cell> cells;
  RetainedPlace next;
  bool exhausted = false;
};

// Whether a cell is wanted, beside that it is no tombstone and matches.
using WantsCell = std::function<Expected<bool>(sync::ChannelNo channel, const sync::Cell& cell)>;

// Looks at about a page's bytes, of which the page may hold none, so that others who read come between.
[[nodiscard]] Expected<RetainedPage> read_retained_page(sync::ReadView& view, const ChannelTable& channels,
                                                        std::string_view filter, RetainedPlace from,
                                                        const WantsCell& wants);

}  // namespace hedgerow::node
