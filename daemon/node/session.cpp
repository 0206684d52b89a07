#include "daemon/node/session.hpp"

#include <algorithm>
#include <gsl/assert>
#include <utility>

#include "daemon/node/client.hpp"
#include "daemon/node/limits.hpp"

namespace hedgerow::node {

// The page's messages are all of place.channel.
void RetainedRun::drop_page() {
  if (page.empty()) return;
  place = next == 0 ? page_from : RetainedPlace{.channel = place.channel, .after_topic = page[next - 1].message->topic};
  page = {};
  charge.set(0);
  next = 0;
  exhausted = false;
}

bool Run::has_room() const {
  return stretches.size() < kStretchesMax || open.waiting.size() + open.begun.size() < kStretchMessagesMax;
}

void Run::move_to(RunPlace to) {
  place = std::move(to);
  has_moved = true;
}

void Run::end_stretch() {
  if (!has_moved && open.empty()) return;
  if (open.empty() && !stretches.empty()) {
    stretches.back().end = place;
  } else if (stretches.size() < kStretchesMax) {
    open.end = place;
    stretches.push_back(std::exchange(open, {}));
  } else {
    return;
  }
  has_moved = false;
}

void Run::acknowledge(sync::Arrival arrival) {
  for (Stretch& stretch : stretches) stretch.waiting.erase(arrival);
  open.waiting.erase(arrival);
}

StoredSubscription stored_subscription(const std::string& filter, const Subscription& subscription) {
  const std::uint32_t identifier = subscription.options.subscription_identifier;
  return {.filter = filter,
          .options = options_byte(subscription.options),
          .identifier = identifier == 0 ? std::nullopt : std::optional(identifier),
          .start = subscription.start,
          .retained_due = subscription.retained_due,
          .retained_channel = subscription.retained_channel,
          .retained_topic = subscription.retained_topic,
          .replay = subscription.replay};
}

StoredSession Session::stored() const {
  StoredSession out{.id = id,
                    .owner = owner,
                    .client_id = client_id,
                    .expiry_s = expiry_s,
                    .position = position_submitted,
                    .subscriptions = {}};
  out.subscriptions.reserve(subscriptions.size());
  for (const auto& [filter, subscription] : subscriptions) {
    out.subscriptions.push_back(stored_subscription(filter, subscription));
  }
  return out;
}

void Session::add_filter(std::size_t bytes) {
  filter_bytes += bytes;
  charge.set(charge.bytes() + subscription_cost(bytes));
}

void Session::remove_filter(std::size_t bytes) {
  filter_bytes -= bytes;
  charge.set(charge.bytes() - subscription_cost(bytes));
}

Session* SessionRegistry::find(std::uint64_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second.get();
}

Session* SessionRegistry::find(std::string_view owner, std::string_view client_id) {
  const auto found = by_name_.find({std::string(owner), std::string(client_id)});
  return found == by_name_.end() ? nullptr : find(found->second);
}

Session& SessionRegistry::add(std::unique_ptr<Session> session) {
  Session& added = *session;
  std::size_t cost = 0;
  for (const auto& [filter, subscription] : added.subscriptions) cost += subscription_cost(filter.size());
  added.charge = MemoryCharge(subscriptions_, cost);
  const bool new_name = by_name_.emplace(std::pair(added.owner, added.client_id), added.id).second;
  Expects(new_name);
  const bool new_id = by_id_.emplace(added.id, std::move(session)).second;
  Expects(new_id);
  return added;
}

void SessionRegistry::erase(std::uint64_t id) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return;
  by_name_.erase({found->second->owner, found->second->client_id});
  by_id_.erase(found);
}

std::size_t SessionRegistry::persistent() const {
  return static_cast<std::size_t>(
      std::count_if(by_id_.begin(), by_id_.end(), [](const auto& entry) { return entry.second->is_persistent(); }));
}

std::uint8_t options_byte(const mqtt::SubOptions& options) {
  const unsigned byte = static_cast<unsigned>(options.qos) | (options.no_local ? 4U : 0U) |
                        (options.retain_as_published ? 8U : 0U) |
                        (static_cast<unsigned>(options.retain_handling) << 4U);
  return static_cast<std::uint8_t>(byte);
}

mqtt::SubOptions options_from(std::uint8_t byte, std::optional<std::uint32_t> identifier) {
  return {.subscription_identifier = identifier.value_or(0),
          .qos = static_cast<mqtt::QoS>(byte & 3U),
          .no_local = (byte & 4U) != 0,
          .retain_as_published = (byte & 8U) != 0,
          .retain_handling = static_cast<mqtt::RetainHandling>((byte >> 4U) & 3U)};
}

}  // namespace hedgerow::node
