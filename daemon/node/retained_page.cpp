#include "daemon/node/retained_page.hpp"

#include <optional>
#include <utility>

#include "daemon/mqtt/topic.hpp"
#include "daemon/node/limits.hpp"

namespace hedgerow::node {

namespace {

// The levels of a filter before its first wildcard, with the slash that ends them. "a/#" matches "a" too
// [MQTT-4.7.1-2], hence no slash before '#'.
std::string literal_prefix(std::string_view filter) {
  const std::size_t wildcard = filter.find_first_of("+#");
  if (wildcard == std::string_view::npos) return std::string(filter);
  std::string_view prefix = filter.substr(0, wildcard);
  if (filter[wildcard] == '#' && !prefix.empty()) prefix.remove_suffix(1);
  return std::string(prefix);
}

// Nothing: there is none behind it.
std::optional<sync::ChannelNo> next_channel(const ChannelTable& channels, sync::ChannelNo after) {
  std::optional<sync::ChannelNo> next;
  for (const ChannelTable::Entry& entry : channels.entries()) {
    if (entry.number > after && (!next || entry.number < *next)) next = entry.number;
  }
  return next;
}

}  // namespace

Expected<RetainedPage> read_retained_page(sync::ReadView& view, const ChannelTable& channels, std::string_view filter,
                                          RetainedPlace from, const WantsCell& wants) {
  RetainedPage page{.cells = {}, .next = std::move(from)};
  const std::string prefix = literal_prefix(filter);
  bool is_read = false;
  while (!is_read) {
    const sync::ChannelNo number = page.next.channel;
    const bool is_none = number == sync::ChannelNo{} || channels.is_spooled(number);
    auto cells =
        is_none ? std::vector<sync::Cell>() : view.cells(number, prefix, page.next.after_topic, kReadPageBytes);
    if (!cells) return tl::unexpected<Error>(std::move(cells.error()));
    if (cells->empty()) {
      const auto next = next_channel(channels, number);
      page.exhausted = !next;
      if (!next) break;
      page.next = {.channel = *next, .after_topic = {}};
      continue;
    }
    is_read = true;
    page.next.after_topic = cells->back().message->topic;
    for (sync::Cell& cell : *cells) {
      if (cell.is_tombstone() || !mqtt::matches(filter, cell.message->topic)) continue;
      const auto wanted = wants(number, cell);
      if (!wanted) return tl::unexpected<Error>(wanted.error());
      if (*wanted) page.cells.push_back(std::move(cell));
    }
  }
  return page;
}

}  // namespace hedgerow::node
