#include "daemon/node/store_turn.hpp"

#include "sync/base/overloaded.hpp"

namespace hedgerow::node {

namespace {

// All acks of a turn that did not commit become refusals.
TurnResult failed_turn(std::vector<Intent>& intents, const Error& error) {
  TurnResult result;
  for (Intent& intent : intents) {
    if (const auto* publish = std::get_if<PublishIntent>(&intent); publish != nullptr && publish->ack.client != 0) {
      result.acks.push_back({.address = publish->ack, .stored = false, .why = error.category});
    } else if (const auto* put = std::get_if<PutSessionIntent>(&intent); put != nullptr && put->token != 0) {
      result.unsaved.push_back(put->token);
    } else if (const auto* barrier = std::get_if<BarrierIntent>(&intent)) {
      result.unsaved.push_back(barrier->token);
    } else if (const auto* refusal = std::get_if<RefusalIntent>(&intent)) {
      result.acks.push_back({.address = refusal->ack, .stored = false, .why = refusal->why});
    } else if (const auto* position = std::get_if<PositionIntent>(&intent)) {
      result.lost_positions.push_back(position->id);
    } else if (const auto* erasure = std::get_if<EraseSessionIntent>(&intent)) {
      result.lost_erasures.push_back(erasure->id);
    } else if (const auto* segment = std::get_if<sync::ApplySegment>(&intent)) {
      result.received.push_back({segment->link, segment->channel, tl::unexpected<Error>(error)});
    } else if (const auto* page = std::get_if<sync::StagePage>(&intent)) {
      result.received.push_back({page->link, page->channel, tl::unexpected<Error>(error)});
    } else if (const auto* merge = std::get_if<sync::MergeStaged>(&intent)) {
      result.received.push_back({merge->link, merge->channel, tl::unexpected<Error>(error)});
    }
  }
  result.failure = error;
  return result;
}

}  // namespace

// The engine keeps a refused input apart from a failed storage: the former leaves the turn as it was, the latter comes
// back from commit(). Only the session store's failures end the turn here.
Expected<void> StoreTurn::apply(const WallTime& now, Intent& intent, TurnResult& result) {
  const auto receive = [&](sync::LinkId link, sync::ChannelNo channel,
                           Expected<sync::ReceiveResult> outcome) -> Expected<void> {
    result.received.push_back({link, channel, std::move(outcome)});
    return {};
  };
  const auto applied = [](Expected<void> done) -> Expected<sync::ReceiveResult> {
    if (!done) return tl::unexpected<Error>(std::move(done.error()));
    return sync::ReceiveResult::kApplied;
  };
  return std::visit(
      Overloaded{
          [&](PublishIntent& publish) -> Expected<void> {
            const auto written = engine_.write(now, publish.write);
            if (publish.ack.client != 0) {
              result.acks.push_back({.address = publish.ack,
                                     .stored = written.has_value(),
                                     .why = written ? Category::kIo : written.error().category});
            }
            return {};
          },
          [&](sync::ApplySegment& segment) {
            return receive(segment.link, segment.channel, engine_.receive(now, segment.channel, segment.segment));
          },
          [&](sync::StagePage& page) {
            return receive(page.link, page.channel,
                           applied(engine_.stage(page.channel, page.peer, page.page_no, page.page)));
          },
          [&](sync::MergeStaged& merge) {
            return receive(merge.link, merge.channel,
                           engine_.merge_staged(now, merge.channel, merge.peer, merge.frontier, merge.pages));
          },
          [&](sync::DropStaged& drop) { return engine_.drop_staged(drop.channel, drop.peer); },
          [&](PutSessionIntent& put) -> Expected<void> {
            auto stored = sessions_.put_session(put.session);
            if (stored && put.token != 0) result.saved.push_back(put.token);
            return stored;
          },
          [&](EraseSessionIntent& erase) { return sessions_.erase_session(erase.id); },
          [&](PositionIntent& position) -> Expected<void> {
            auto stored = sessions_.put_position(position.id, position.position, {});
            if (stored) result.positions.emplace_back(position.id, position.position);
            return stored;
          },
          [&](BarrierIntent& barrier) -> Expected<void> {
            result.saved.push_back(barrier.token);
            return {};
          },
          [&](RefusalIntent& refusal) -> Expected<void> {
            result.acks.push_back({.address = refusal.ack, .stored = false, .why = refusal.why});
            return {};
          },
          [&](TrimIntent&) -> Expected<void> {
            auto more = engine_.trim(now);
            if (!more) return tl::unexpected<Error>(std::move(more.error()));
            result.trim_again = *more;
            return {};
          },
      },
      intent);
}

TurnResult StoreTurn::run(const WallTime& now, std::vector<Intent>& intents) {
  if (auto begun = engine_.begin(); !begun) return failed_turn(intents, begun.error());
  TurnResult result;
  for (Intent& intent : intents) {
    if (auto done = apply(now, intent, result); !done) {
      engine_.rollback();
      return failed_turn(intents, done.error());
    }
  }
  auto committed = engine_.commit();
  if (!committed) return failed_turn(intents, committed.error());
  result.committed = std::move(*committed);
  return result;
}

}  // namespace hedgerow::node
