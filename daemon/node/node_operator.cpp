// The part of Node that serves the operator of this board, who is beyond all access rules (daemon/control).
#include <gsl/assert>
#include <utility>

#include "daemon/mqtt/topic.hpp"
#include "daemon/node/node.hpp"

namespace hedgerow::node {

namespace {

// The fixed header, the topic's length, the packet identifier, no properties: what a PUBLISH is beside its topic and
// payload.
constexpr std::size_t kPublishHeadBytes = mqtt::kFixedHeaderBytesMax + 2 + 2 + 1;

Expected<void> check_topic(std::string_view topic, bool reserved) {
  if (!mqtt::is_valid_topic_name(topic) || mqtt::topic_level_count(topic) > mqtt::kTopicLevelsMax) {
    return fail(Category::kInvalidInput,
                "this is no topic to publish to: it needs at least one character, none of + and #, no control "
                "characters, and at most " +
                    std::to_string(mqtt::kTopicLevelsMax) + " levels");
  }
  if (reserved) {
    return fail(Category::kRefused, "topics that begin with hedgerow/ or $ are written by the nodes themselves");
  }
  return {};
}

}  // namespace

void Node::publish_for_operator(OperatorPublish publish, OperatorTold then) {
  if (stopping_) return then(Error{Category::kUnavailable, "hedgerowd is shutting down"});
  if (const auto checked = check_topic(publish.topic, is_reserved(publish.topic)); !checked) {
    return then(checked.error());
  }
  const std::size_t bytes = kPublishHeadBytes + publish.topic.size() + publish.payload.size();
  if (bytes > settings_.connection_limits.packet_bytes_max) {
    return then(Error{Category::kLimit, "the message has " + std::to_string(bytes) +
                                            " bytes, more than limits.packet_bytes allows (" +
                                            std::to_string(settings_.connection_limits.packet_bytes_max) + ")"});
  }
  const ChannelTable::Entry* const channel = channels_.owner_of(publish.topic);
  if (channel == nullptr) return then(Error{Category::kNotFound, "no channel of this node takes that topic"});
  ++counters_.received;
  counters_.received_bytes += publish.payload.size();
  if (publish.retain) cells_soon_.forget(publish.topic);
  const std::uint64_t token = ++last_token_;
  told_.emplace(token, std::move(then));
  auto message = std::make_shared<const sync::Message>(sync::Message{
      .topic = std::move(publish.topic), .properties = {}, .payload = std::move(publish.payload), .expiry_s = {}});
  ports_.store.submit(PublishIntent{.write = {.channel = channel->number,
                                              .kind = {.record = true, .cell = publish.retain, .qos = 1},
                                              .publisher = 0,
                                              .message = std::move(message)},
                                    .ack = {},
                                    .token = token});
}

void Node::set_mesh_state(std::string_view leaf, std::string_view payload, OperatorTold then) {
  if (stopping_) return then(Error{Category::kUnavailable, "hedgerowd is shutting down"});
  auto message = std::make_shared<const sync::Message>(
      sync::Message{.topic = "hedgerow/" + settings_.mesh + "/" + std::string(leaf),
                    .properties = {},
                    .payload = to_bytes(payload),
                    .expiry_s = {}});
  const ChannelTable::Entry* const channel = channels_.owner_of(message->topic);
  Expects(channel != nullptr);  // the built-in channel
  told_.emplace(++last_token_, std::move(then));
  ports_.store.submit(PublishIntent{.write = {.channel = channel->number,
                                              .kind = {.record = true, .cell = true, .qos = 1},
                                              .publisher = 0,
                                              .message = std::move(message)},
                                    .ack = {},
                                    .token = last_token_});
}

void Node::tell_operator(const std::vector<Told>& told) {
  for (const Told& outcome : told) {
    if (outcome.error) ++counters_.refused;
    if (auto waiting = told_.extract(outcome.token)) waiting.mapped()(outcome.error);
  }
}

void Node::when_cells_stored(std::function<void()> then) {
  flush_cells();
  if (cells_token_ == 0 && !delivery_.awaits_commit()) return then();
  waiting_.emplace(++last_token_, [then = std::move(then)](bool) { then(); });
  ports_.store.submit(BarrierIntent{.token = last_token_});
}

std::uint64_t Node::watch(std::string filter, std::shared_ptr<WatchOutput> output) {
  Expects(mqtt::is_valid_topic_filter(filter) && !mqtt::is_shared_filter(filter));
  for (const SystemValue& value : system_topics_.matching(filter)) {
    const sync::Message message{
        .topic = std::string(value.topic), .properties = {}, .payload = to_bytes(value.value), .expiry_s = {}};
    if (output->has_room()) output->show({.message = message, .retain = true, .replica = delivery_.outbound().self()});
  }
  const std::uint64_t watcher = delivery_.watchers().add(std::move(filter), std::move(output));
  when_cells_stored([this, watcher] { delivery_.watchers().start(watcher); });
  return watcher;
}

void Node::unwatch(std::uint64_t watcher) { delivery_.watchers().remove(watcher); }

void Node::on_watch_room(std::uint64_t watcher) { delivery_.watchers().pump(watcher); }

// --- what may have expired ---

Moment Node::moment() const {
  const Instant waits_since = std::max(started_, links_.connected_at().value_or(started_));
  return {.now = now_, .wall = ports_.wall_clock(), .awaits_clock = now_ - waits_since < kClockWait};
}

std::optional<std::string> Node::withheld_alarm() const {
  const std::optional<Withheld>& withheld = delivery_.withheld();
  if (!withheld || now_ - withheld->last >= kWithheldAlarmStands) return std::nullopt;
  if (withheld->for_our_clock && ports_.wall_clock().quality == ClockQuality::kSynchronised) return std::nullopt;
  return "messages with a Message Expiry Interval are withheld from subscribers (" +
         std::to_string(counters_.withheld) +
         " since the start), since they may have expired and nobody here knows how old they are: " +
         (withheld->for_our_clock ? "the clock of this board is not synchronised"
                                  : "the clocks of the boards that wrote them were not synchronised, or are ahead") +
         ". Give the boards a time service, or publish without that interval";
}

void Node::tell_withheld() {
  const std::optional<std::string> alarm = withheld_alarm();
  if (alarm && !withheld_told_) ports_.log(*alarm);
  withheld_told_ = alarm.has_value();
}

}  // namespace hedgerow::node
