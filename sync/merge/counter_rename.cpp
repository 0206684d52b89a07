#include "sync/merge/counter_rename.hpp"

#include <algorithm>
#include <limits>

namespace hedgerow::sync {

Expected<Counter> CounterRename::rename(const Write& write, const Counter& changed) {
  Counter out = changed;
  const Counter::Part* const was = out.find(names_.from);
  if (was == nullptr || was->now.seq != write.seq || write.seq <= names_.after) {
    return fail(Category::kCorrupt, "op " + std::to_string(write.seq) + " is not what changed the counter");
  }
  if (!begun_ && was->life != write.seq && write.before != 0) {
    left_ = *was;
    left_->now = {.seq = write.before, .total = was->now.total - write.amount};
    if (left_->base && left_->base->seq > write.before) left_->base = left_->now;
  }
  begun_ = true;
  const Seq seq = write.seq - names_.after;
  if (!moved_) moved_ = Counter::Part{.replica = names_.to, .life = seq, .now = {}, .base = {}};
  using Range = std::numeric_limits<std::int64_t>;
  const std::int64_t total = moved_->now.total;
  if (write.amount > 0 ? total > Range::max() - write.amount : total < Range::min() - write.amount) {
    return fail(Category::kLimit, "the counts of this run leave the 64-bit integers");
  }
  moved_->now = {.seq = seq, .total = total + write.amount};
  if (!write.is_reset) {
    Counter alone;
    alone.put(*moved_);
    return alone;
  }
  last_reset_ = write.seq;
  moved_->base = moved_->now;
  if (left_) left_->base = left_->now;
  return rename(out);
}

Counter CounterRename::rename(const Counter& state) const {
  if (!begun_) return state;
  Counter out = state;
  const Counter::Part* const was = out.find(names_.from);
  if (was != nullptr && was->base && was->base->seq > std::max(names_.after, last_reset_)) {
    // Somebody took these ops, and deleted what they counted: there they stay what they are.
    Counter::Part theirs = *was;
    theirs.now = *theirs.base;
    out.put(theirs);
  } else if (left_) {
    Counter::Part left = *left_;
    // Others may have deleted what they knew of it since.
    if (was != nullptr && was->life == left.life && was->base && (!left.base || *was->base > *left.base)) {
      left.base = std::min(*was->base, left.now);
    }
    out.put(left);
  } else {
    std::erase_if(out.parts_, [this](const Counter::Part& part) { return part.replica == names_.from; });
  }
  out.put(*moved_);
  return out;
}

}  // namespace hedgerow::sync
