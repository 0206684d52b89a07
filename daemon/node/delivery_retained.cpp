// The part of Delivery that brings retained messages to new subscriptions, page by page.
#include <algorithm>
#include <memory>
#include <utility>

#include "daemon/mqtt/topic.hpp"
#include "daemon/node/delivery.hpp"
#include "daemon/node/limits.hpp"

namespace hedgerow::node {

bool Delivery::pump_retained(Session& session) {
  while (!session.retained.empty()) {
    RetainedRun& run = session.retained.front();
    for (; run.next < run.page.size(); ++run.next) {
      if (!offer_retained(session, run, run.page[run.next])) return false;
    }
    run.page.clear();
    run.next = 0;
    if (!run.exhausted) {
      read_retained(session, run);
      return false;
    }
    session.retained.pop_front();
  }
  return true;
}

bool Delivery::offer_retained(Session& session, const RetainedRun& run, const sync::Cell& cell) {
  std::optional<std::uint32_t> expiry_left_s;
  if (expired(*cell.message, cell.order.stamp, expiry_left_s)) return true;
  if (cell.order.replica != settings_.self && !is_deliverable(*cell.message)) return true;
  const auto qos = std::min(run.options.qos, static_cast<mqtt::QoS>(cell.qos));
  if (!has_room(session, qos, /*again=*/false)) return false;
  const std::uint16_t packet_id = qos == mqtt::QoS::kAtMostOnce ? std::uint16_t{0} : session.window.add(0);
  wish_.clear();
  wish_.add(run.options);
  const auto outcome = session.client->connection().publish({.topic = cell.message->topic,
                                                             .properties = cell.message->properties,
                                                             .payload = cell.message->payload,
                                                             .qos = qos,
                                                             .packet_id = packet_id,
                                                             .retain = true,  // [MQTT-3.3.1-8]
                                                             .expiry_left_s = expiry_left_s,
                                                             .subscription_ids = wish_.identifiers});
  if (outcome == mqtt::PublishOutcome::kSent) {
    ++counters_.delivered;
  } else {
    ++counters_.dropped;
    if (packet_id != 0 && outcome == mqtt::PublishOutcome::kTooLarge) session.window.acknowledge(packet_id);
  }
  touched_(*session.client);
  return true;
}

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

struct RetainedPage {
  std::vector<sync::Cell> cells;
  std::size_t channel = 0;
  std::string after_topic;
  bool exhausted = false;
};

// Reads on until the page holds something or nothing is left.
Expected<RetainedPage> read_retained_page(sync::ReadView& view, const ChannelTable& channels, std::string_view filter,
                                          sync::Arrival start, std::size_t channel, std::string after_topic) {
  RetainedPage page{.cells = {}, .channel = channel, .after_topic = std::move(after_topic)};
  const std::string prefix = literal_prefix(filter);
  while (page.cells.empty() && page.channel < channels.entries().size()) {
    auto cells = view.cells(channels.entries()[page.channel].number, prefix, page.after_topic, kReadPageBytes);
    if (!cells) return tl::unexpected<Error>(std::move(cells.error()));
    if (cells->empty()) {
      ++page.channel;
      page.after_topic.clear();
      continue;
    }
    page.after_topic = cells->back().message->topic;
    for (sync::Cell& cell : *cells) {
      // What was set after the subscription began comes from the log, unless it is in none (QoS 0).
      const bool comes_live = cell.arrival > start && cell.qos != 0;
      if (!cell.is_tombstone() && !comes_live && mqtt::matches(filter, cell.message->topic)) {
        page.cells.push_back(std::move(cell));
      }
    }
  }
  page.exhausted = page.channel >= channels.entries().size();
  return page;
}

}  // namespace

void Delivery::read_retained(Session& session, RetainedRun& run) {
  if (run.reading) return;
  run.reading = true;
  const auto find_run = [this, id = session.id, run_id = run.id](Session*& found) -> RetainedRun* {
    found = sessions_.find(id);
    if (found == nullptr) return nullptr;
    const auto at = std::find_if(found->retained.begin(), found->retained.end(),
                                 [&](const RetainedRun& candidate) { return candidate.id == run_id; });
    return at == found->retained.end() ? nullptr : &*at;
  };
  const auto fail = [this, find_run](const Error& error) {
    Session* found = nullptr;
    RetainedRun* at = find_run(found);
    if (at == nullptr) return;
    at->reading = false;  // the next tick tries again
    log_(error.what);
  };
  store_.read(
      [this, find_run, fail, filter = run.filter, start = run.start, channel = run.channel,
       after = run.after_topic](sync::ReadView& view) -> Continuation {
        auto page = read_retained_page(view, channels_, filter, start, channel, after);
        if (!page) return [fail, error = page.error()](Instant) { fail(error); };
        return [this, find_run, page = std::make_shared<RetainedPage>(std::move(*page))](Instant) {
          Session* found = nullptr;
          RetainedRun* at = find_run(found);
          if (at == nullptr) return;
          at->reading = false;
          at->page = std::move(page->cells);
          at->next = 0;
          at->channel = page->channel;
          at->after_topic = std::move(page->after_topic);
          at->exhausted = page->exhausted;
          pump(*found);
        };
      },
      [fail](Instant, const Error& error) { fail(error); });
}

}  // namespace hedgerow::node
