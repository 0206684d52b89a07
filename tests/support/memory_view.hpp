// Views of a MemoryStorage: what was committed when they were opened.
// Thread rule: the storage's thread.
#pragma once

#include <memory>
#include <vector>

#include "tests/support/memory_storage.hpp"

namespace hedgerow::test {

// Ordered by replica.
[[nodiscard]] std::vector<sync::ReplicaState> replicas_of(const MemoryStorage::Channel& channel);

[[nodiscard]] std::unique_ptr<sync::ReadView> make_memory_view(std::shared_ptr<const MemoryStorage::State> state);

}  // namespace hedgerow::test
