// What clients publish, drawn from the seed: kinds, topics, sizes. It knows nothing of what the checkers want.
// Thread rule: one simulation, one thread. Ownership: the random source must outlive it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sync/log/op.hpp"
#include "sync/merge/merge_kind.hpp"
#include "tests/sim/options.hpp"

namespace hedgerow::sim {

class Workload {
 public:
  Workload(const Options& options, Random& random) : options_(options), random_(random) {}

  // One client's publish to a channel, or a live message.
  struct Publish {
    bool live = false;
    std::size_t channel = 0;  // a position in SimNode::kChannelNames
    sync::OpKind kind;
    sync::MessagePtr message;
  };
  // So many come at once.
  [[nodiscard]] std::size_t burst();
  [[nodiscard]] Publish next();
  // Without a payload; its properties are its number.
  [[nodiscard]] sync::Message next_message();
  [[nodiscard]] std::uint64_t last_message() const { return last_message_; }

 private:
  [[nodiscard]] std::size_t draw_channel();
  // A patch, or an increment.
  [[nodiscard]] Bytes change(sync::MergeKind merge);

  const Options& options_;
  Random& random_;
  std::uint64_t last_message_ = 0;
};

}  // namespace hedgerow::sim
