#include "daemon/app/followed_state.hpp"

#include <algorithm>
#include <gsl/assert>

#include "daemon/config/config.hpp"
#include "daemon/node/limits.hpp"

namespace hedgerow::app {

namespace {

std::string prefix_of(std::string_view mesh, std::string_view part) {
  return std::string(config::kSystemTopicRoot) + "/" + std::string(mesh) + "/" + std::string(part);
}

}  // namespace

Expected<void> each_of_state(sync::ReadView& view, sync::ChannelNo number, std::string_view mesh, std::string_view part,
                             const std::function<void(std::string_view leaf, const sync::Cell& cell)>& visit) {
  const std::string prefix = prefix_of(mesh, part);
  std::string after;
  while (true) {
    const auto cells = view.cells(number, prefix, after, node::kReadPageBytes);
    if (!cells) return tl::unexpected<Error>(cells.error());
    if (cells->empty()) return {};
    for (const sync::Cell& cell : *cells) {
      if (!cell.is_tombstone()) visit(std::string_view{cell.message->topic}.substr(prefix.size()), cell);
    }
    after = cells->back().message->topic;
  }
}

void FollowedState::start(node::Node& node, node::StorePort& store) {
  node_ = &node;
  store_ = &store;
}

sync::ChannelNo FollowedState::number() const {
  const node::ChannelTable::Entry* const own = node_->channels().owner_of(config::kSystemTopicRoot);
  Expects(own != nullptr);  // the built-in channel
  return own->number;
}

void FollowedState::on_turn(const node::TurnResult& turn) {
  const sync::ChannelNo own = number();
  const std::string prefix = prefix_of(mesh_, part_);
  const auto tells = [&](const sync::CommittedSegment& segment) {
    return segment.channel == own && std::any_of(segment.ops.begin(), segment.ops.end(), [&](const sync::Op& op) {
             return op.message != nullptr && op.message->topic.starts_with(prefix);
           });
  };
  const auto& merged = turn.committed.merged;
  has_come_ = has_come_ || std::any_of(turn.handed_out.begin(), turn.handed_out.end(), tells) ||
              std::any_of(turn.committed.segments.begin(), turn.committed.segments.end(), tells) ||
              std::find(merged.begin(), merged.end(), own) != merged.end();
  if (!turn.is_open && std::exchange(has_come_, false)) is_stale_ = true;
}

void FollowedState::read_again(Read read) {
  if (!is_stale_ || is_reading_) return;
  is_stale_ = false;
  is_reading_ = true;
  const auto failed = [this](Instant, const Error&) {
    is_reading_ = false;
    is_stale_ = true;
  };
  store_->read(
      [this, failed, read = std::move(read), own = number()](sync::ReadView& view) -> node::Continuation {
        auto taken = read(view, own);
        if (!taken) return [failed, error = std::move(taken.error())](Instant now) { failed(now, error); };
        return [this, take = std::move(*taken)](Instant) {
          is_reading_ = false;
          take();
        };
      },
      failed);
}

}  // namespace hedgerow::app
