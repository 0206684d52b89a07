// Sources: what `get`, `history` and `gaps` read, page by page.
// Thread rule: one owner at a time; next() is called on the reader thread, one call after the other, each with a
// snapshot of its own. A source keeps its place, and what it needs of the node that may change. Ownership: the
// ChannelTable must outlive it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/node/channels.hpp"
#include "daemon/node/expiry.hpp"
#include "sync/engine/storage.hpp"

namespace hedgerow::control {

// Documents of about one page; none when there was nothing in it.
struct Page {
  std::vector<std::string> documents;
  bool last = false;
};

class Source {
 public:
  virtual ~Source() = default;
  [[nodiscard]] virtual Expected<Page> next(sync::ReadView& view) = 0;
};

// This node, as its sources know it.
struct Home {
  const node::ChannelTable& channels;
  std::string mesh;
  std::string node;
  sync::ReplicaId replica{};
  node::MessageAges ages;  // at the request
  node::Moment moment;
};

// The retained messages that the filter matches, those of each channel in byte order of their topics.
[[nodiscard]] std::unique_ptr<Source> retained_source(Home home, std::string filter);

// Stored messages that the filter matches, in order of arrival, but for what has expired: those written at `since_ms`
// or later, and of these the newest `most`.
struct HistoryWish {
  std::string filter;
  std::optional<std::uint64_t> since_ms = {};
  std::optional<std::uint64_t> most = {};
};
[[nodiscard]] std::unique_ptr<Source> history_source(Home home, HistoryWish wish);

// The gaps of the channel that owns the topic, of all channels that may hold topics of the filter, or of all (empty).
[[nodiscard]] std::unique_ptr<Source> gaps_source(Home home, std::string filter);

}  // namespace hedgerow::control
