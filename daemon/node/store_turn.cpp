#include "daemon/node/store_turn.hpp"

#include <algorithm>
#include <gsl/assert>
#include <iterator>
#include <utility>

#include "daemon/node/limits.hpp"
#include "sync/base/overloaded.hpp"
#include "sync/log/segment.hpp"

namespace hedgerow::node {

namespace {

// What becomes of each intent of a turn that did not commit.
class FailedTurn {
 public:
  explicit FailedTurn(const Error& error) { result_.failure = error; }

  // What is answered with a refusal.
  void operator()(PublishIntent& intent) {
    if (intent.ack.client != 0) refuse(intent.ack, result_.failure->category);
    if (intent.will != 0) result_.wills.push_back({.number = intent.will, .refused = result_.failure});
    if (intent.token != 0) result_.told.push_back({.token = intent.token, .error = result_.failure});
  }
  // What it repeats may have been on disk before this turn: whether it is, the session knows.
  void operator()(RepeatIntent& intent) {
    result_.acks.push_back({.address = intent.ack, .stored = true, .why = result_.failure->category});
  }
  void operator()(RefusalIntent& intent) { refuse(intent.ack, intent.why); }
  void operator()(PutSessionIntent& intent) {
    unsaved(intent.token);
    if (intent.token == 0) result_.lost_sessions.push_back(intent.session.id);
  }
  void operator()(ReplaceSessionIntent& intent) { unsaved(intent.token); }
  void operator()(BarrierIntent& intent) { unsaved(intent.token); }
  void operator()(sync::ApplySegment& intent) { received(intent.link, intent.channel); }
  void operator()(sync::StagePage& intent) { received(intent.link, intent.channel); }
  void operator()(sync::MergeStaged& intent) { received(intent.link, intent.channel); }
  void operator()(PositionIntent& intent) {
    result_.lost_positions.push_back(intent.id);
    if (!intent.finished.empty() || !intent.runs.empty()) result_.lost.emplace_back(std::move(intent));
  }
  // The will of a CONNECT is refused with it; one whose connection died must not be forgotten.
  void operator()(PutWillIntent& intent) {
    unsaved(intent.token);
    if (intent.token == 0) result_.lost.emplace_back(std::move(intent));
  }
  // What nobody can be refused.
  void operator()(ReleaseReceivedIntent& intent) { result_.lost.emplace_back(intent); }
  void operator()(AddReleaseIntent& intent) { result_.lost.emplace_back(intent); }
  void operator()(EraseSessionIntent& intent) { result_.lost.emplace_back(intent); }
  void operator()(EraseWillIntent& intent) { result_.lost.emplace_back(intent); }
  void operator()(LearnIntent&) {}
  void operator()(RenewIntent& intent) { result_.lost.emplace_back(std::move(intent)); }
  void operator()(PutGroupIntent& intent) { result_.lost.emplace_back(std::move(intent)); }
  void operator()(EraseGroupIntent& intent) { result_.lost.emplace_back(std::move(intent)); }
  // What is asked for again by whoever asked for it.
  void operator()(sync::DropStaged&) {}
  void operator()(sync::CommitNow&) {}
  void operator()(TrimIntent&) {}

  TurnResult take() { return std::move(result_); }

 private:
  void refuse(const AckAddress& address, Category why) {
    result_.acks.push_back({.address = address, .stored = false, .why = why});
  }
  void unsaved(std::uint64_t token) {
    if (token != 0) result_.unsaved.push_back(token);
  }
  void received(sync::LinkId link, sync::ChannelNo channel) {
    result_.received.push_back({link, channel, tl::unexpected<Error>(*result_.failure)});
  }

  TurnResult result_;
};

TurnResult failed_turn(std::vector<Intent>& intents, const Error& error) {
  FailedTurn failed(error);
  for (Intent& intent : intents) std::visit(failed, intent);
  return failed.take();
}

// Trimming writes nothing that anybody waits for.
bool may_wait(const Intent& intent) {
  const auto* segment = std::get_if<sync::ApplySegment>(&intent);
  return (segment != nullptr && segment->may_wait) || std::holds_alternative<TrimIntent>(intent);
}

void put_before(std::vector<Received>& later, std::vector<Received> earlier) {
  earlier.insert(earlier.end(), std::make_move_iterator(later.begin()), std::make_move_iterator(later.end()));
  later = std::move(earlier);
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
                                     .why = written ? Category::kIo : written.error().category,
                                     .seq = own_seq(publish.ack)});
              if (!written) {
                result.refused.push_back({publish.ack.client, publish.write.message->topic, written.error().what});
              }
            }
            const auto refused = written ? std::nullopt : std::optional<Error>(written.error());
            if (publish.will != 0) result.wills.push_back({.number = publish.will, .refused = refused});
            if (publish.token != 0) result.told.push_back({.token = publish.token, .error = refused});
            if (written && publish.erased_will != 0) return sessions_.erase_will(publish.erased_will);
            if (!written || !publish.remember_received) return {};
            return sessions_.add_received(publish.ack.session, publish.ack.packet_id);
          },
          [&](ReleaseReceivedIntent& release) -> Expected<void> {
            result.acks.push_back({.address = release.ack, .stored = release.found});
            if (!release.persistent) return {};
            return sessions_.erase_received(release.ack.session, release.ack.packet_id);
          },
          [&](AddReleaseIntent& release) -> Expected<void> {
            result.acks.push_back({.address = release.ack});
            return sessions_.add_release(release.ack.session,
                                         {.packet_id = release.ack.packet_id, .arrival = release.arrival});
          },
          [&](PutWillIntent& put) -> Expected<void> {
            if (put.died) {
              auto stamp = engine_.stamp_now(now);
              if (!stamp) return tl::unexpected<Error>(std::move(stamp.error()));
              put.will.died = *stamp;
              result.stamped.push_back(put.will);
            }
            auto stored = sessions_.put_will(put.will);
            if (stored && put.token != 0) result.saved.push_back(put.token);
            return stored;
          },
          [&](EraseWillIntent& erase) { return sessions_.erase_will(erase.session); },
          [&](PutGroupIntent& put) {
            auto stored = sessions_.put_group(put.group);
            if (stored) result.groups.push_back(put.group);
            return stored;
          },
          [&](EraseGroupIntent& erase) { return sessions_.erase_group(erase.share, erase.filter); },
          [&](sync::ApplySegment& segment) {
            if (segment.fills) return fill(now, segment, result);
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
          [](sync::CommitNow&) -> Expected<void> { return {}; },
          [&](PutSessionIntent& put) -> Expected<void> {
            auto stored = sessions_.put_session(put.session);
            if (stored && put.token != 0) result.saved.push_back(put.token);
            return stored;
          },
          [&](ReplaceSessionIntent& replace) -> Expected<void> {
            if (auto erased = sessions_.erase_session(replace.replaced); !erased) return erased;
            for (const StoredSession& session : replace.sessions) {
              if (auto put = sessions_.put_session(session); !put) return put;
            }
            for (const StoredWill& will : replace.wills) {
              if (auto put = sessions_.put_will(will); !put) return put;
            }
            result.saved.push_back(replace.token);
            return {};
          },
          [&](EraseSessionIntent& erase) { return sessions_.erase_session(erase.id); },
          [&](PositionIntent& position) -> Expected<void> {
            for (const StoredSubscription& subscription : position.runs) {
              if (auto put = sessions_.put_runs(position.id, subscription); !put) return put;
            }
            auto stored = sessions_.put_position(position.id, position.position, position.finished);
            if (stored) result.positions.emplace_back(position.id, position.position);
            return stored;
          },
          [&](BarrierIntent& barrier) -> Expected<void> {
            result.saved.push_back(barrier.token);
            return {};
          },
          [&](RepeatIntent& repeat) -> Expected<void> {
            result.acks.push_back({.address = repeat.ack, .seq = own_seq(repeat.ack)});
            return {};
          },
          [&](RefusalIntent& refusal) -> Expected<void> {
            result.acks.push_back({.address = refusal.ack, .stored = false, .why = refusal.why});
            return {};
          },
          [](RenewIntent&) -> Expected<void> { return {}; },
          [](LearnIntent&) -> Expected<void> { return {}; },
          [&](TrimIntent&) -> Expected<void> {
            auto more = engine_.trim(now);
            if (!more) return tl::unexpected<Error>(std::move(more.error()));
            result.trim_again = *more;
            trims_ = true;
            return {};
          },
      },
      intent);
}

Expected<std::optional<TurnResult::Renewed>> StoreTurn::renew(std::vector<Intent>& intents, std::string& unlearnt) {
  std::string why;
  for (Intent& intent : intents) {
    if (auto* const renewal = std::get_if<RenewIntent>(&intent)) {
      if (renewal->beginning != beginnings_) continue;
      if (auto done = engine_.renew(renewal->fresh, renewal->shown); !done)
        return tl::unexpected<Error>(std::move(done.error()));
      ++beginnings_;
      why = renewal->peer +
            " holds messages of this node that are not here: the database was rolled back to an earlier state, or is "
            "one of two copies; it goes on as a new replica, and gets back from its peers what they have";
    } else if (auto* const learnt = std::get_if<LearnIntent>(&intent)) {
      const auto changed = engine_.learn(learnt->branches.channel, learnt->branches.states, learnt->fresh);
      if (!changed && changed.error().category == Category::kIo) return tl::unexpected<Error>(changed.error());
      // Nonsense, or no room: nothing has changed, and whoever contradicts us is asked again.
      if (!changed) {
        unlearnt = learnt->branches.peer +
                   " tells of two boards that wrote under one name, and that cannot be taken: " + changed.error().what;
      }
      if (!changed || !*changed) continue;
      ++beginnings_;
      why = "two boards wrote under one name, as " + learnt->branches.peer +
            " tells: each goes on under a name of its own. Give every board an empty data directory, not a copy";
    }
  }
  if (why.empty()) return std::nullopt;
  return TurnResult::Renewed{
      .replica = engine_.self(), .why = std::move(why), .channels = engine_.channels(), .beginning = beginnings_};
}

TurnResult StoreTurn::run(const WallTime& now, std::vector<Intent>& intents) {
  Expects(!must_commit_before(intents));
  std::string unlearnt;
  auto renewed = renew(intents, unlearnt);
  if (!renewed) return failed_turn(intents, renewed.error());
  TurnResult result = run_intents(now, intents);
  result.renewed = std::move(*renewed);
  result.unlearnt = std::move(unlearnt);
  return result;
}

bool StoreTurn::must_commit_before(const std::vector<Intent>& intents) const {
  return is_open_ && std::any_of(intents.begin(), intents.end(), [](const Intent& intent) {
           return std::holds_alternative<RenewIntent>(intent) || std::holds_alternative<LearnIntent>(intent);
         });
}

TurnResult StoreTurn::commit(const WallTime& now) {
  Expects(is_open_);
  remote_commit_.need_sync();
  std::vector<Intent> none;
  return run_intents(now, none);
}

TurnResult StoreTurn::run_intents(const WallTime& now, std::vector<Intent>& intents) {
  const bool was_open = is_open_;
  auto result = attempt(now, intents, /*makes_room=*/false);
  if (!result && !was_open && result.error().category == Category::kLimit) {
    remote_commit_.on_end();
    if (auto again = attempt(now, intents, /*makes_room=*/true)) return std::move(*again);
  }
  if (!result) return fail(intents, result.error());
  return std::move(*result);
}

Expected<TurnResult> StoreTurn::attempt(const WallTime& now, std::vector<Intent>& intents, bool makes_room) {
  if (!is_open_) {
    if (auto begun = engine_.begin(); !begun) return tl::unexpected<Error>(std::move(begun.error()));
    trims_ = false;
  }
  TurnResult result;
  if (makes_room) {
    const std::uint64_t ops_before = engine_.totals().ops;
    Intent trim = TrimIntent{};
    const auto done = apply(now, trim, result);
    if (!done || engine_.totals().ops == ops_before) {
      engine_.rollback();
      return hedgerow::fail(Category::kLimit, "nothing can be trimmed");
    }
  }
  for (Intent& intent : intents) {
    if (auto done = apply(now, intent, result); !done) {
      engine_.rollback();
      return tl::unexpected<Error>(std::move(done.error()));
    }
    if (!may_wait(intent)) remote_commit_.need_sync();
  }
  const bool stays_open = stay_open(result);
  result.clock = engine_.clock();
  if (stays_open) return result;
  auto committed = engine_.commit();
  if (!committed) return tl::unexpected<Error>(std::move(committed.error()));
  const std::uint64_t bytes = committed->totals.bytes;
  bytes_trimmed_ = trims_ ? bytes : std::min(bytes_trimmed_, bytes);
  result.trim_again = result.trim_again || bytes - bytes_trimmed_ > kTrimGrowthBytes;
  std::vector<sync::CommittedSegment> segments = std::exchange(result.handed_out, {});
  std::move(committed->segments.begin(), committed->segments.end(), std::back_inserter(segments));
  result.committed = std::move(*committed);
  result.committed.segments = std::move(segments);
  put_before(result.received, std::exchange(waiting_, {}));
  is_open_ = false;
  remote_commit_.on_end();
  return result;
}

bool StoreTurn::stay_open(TurnResult& result) {
  for (const Received& received : result.received) remote_commit_.on_received(received.result);
  if (remote_commit_.is_due()) return false;
  auto handed_out = engine_.hand_out();
  if (!handed_out) return false;  // commit() says why, or succeeds
  result.handed_out = std::move(*handed_out);
  remote_commit_.on_handed_out(result.handed_out);
  if (remote_commit_.is_due() || !remote_commit_.is_waiting()) return false;
  is_open_ = true;
  result.is_open = true;
  std::move(result.received.begin(), result.received.end(), std::back_inserter(waiting_));
  result.received.clear();
  return true;
}

Expected<void> StoreTurn::fill(const WallTime& now, const sync::ApplySegment& segment, TurnResult& result) {
  auto outcome = engine_.fill(now, segment.channel, segment.segment);
  if (outcome && *outcome == sync::ReceiveResult::kApplied) {
    const sync::Arrival last = engine_.last_arrival();
    result.filled.push_back({.first = last + 1 - sync::peek_segment(segment.segment)->count, .last = last});
  }
  result.received.push_back({segment.link, segment.channel, std::move(outcome)});
  return {};
}

sync::Seq StoreTurn::own_seq(const AckAddress& address) const {
  return address.peer_channel ? engine_.own_seq(*address.peer_channel) : sync::kSeqMax;
}

TurnResult StoreTurn::fail(std::vector<Intent>& intents, const Error& error) {
  TurnResult result = failed_turn(intents, error);
  std::vector<Received> waiting = std::exchange(waiting_, {});
  for (Received& received : waiting) received.result = tl::unexpected<Error>(error);
  put_before(result.received, std::move(waiting));
  is_open_ = false;
  remote_commit_.on_end();
  return result;
}

}  // namespace hedgerow::node
