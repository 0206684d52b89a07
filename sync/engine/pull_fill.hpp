// What fills another node's gap, out of our log: a part of answer_pull(), sync/engine/pull.hpp.
// Pure over the port. Thread rule: free functions; one thread a view and chain.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "sync/base/bytes.hpp"
#include "sync/base/expected.hpp"
#include "sync/engine/pull.hpp"
#include "sync/engine/storage.hpp"
#include "sync/log/chain.hpp"

namespace hedgerow::sync {

// The channel that is asked about. Borrows.
struct FilledChannel {
  ChannelNo channel{};
  std::string_view name;
  const std::vector<ReplicaState>& states;  // ordered by replica
};

[[nodiscard]] bool is_fill_token(ByteView token);

// kInvalidInput: the token breaks its grammar. kCorrupt: our own log broke.
[[nodiscard]] Expected<PullAnswer> answer_fill(ReadView& view, Chain& chain, const FilledChannel& channel,
                                               ByteView token, std::size_t window_bytes);

}  // namespace hedgerow::sync
