// What an intent weighs while it waits for the store: about the memory that it holds, in bytes (G6).
// Pure. Thread rule: a free function.
#pragma once

#include <cstddef>

#include "daemon/node/store_port.hpp"

namespace hedgerow::node {

[[nodiscard]] std::size_t weight(const Intent& intent);

}  // namespace hedgerow::node
