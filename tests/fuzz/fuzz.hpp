// What a fuzz target is made of: the entry that libFuzzer, or the replay, calls with bytes that anybody may have sent,
// and a check that also counts when asserts are off.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

// Returns 0. Must neither crash, hang, leak nor depend on an earlier call.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace hedgerow::fuzz {

// Ends the program, so that the input is kept, unless the rule holds.
inline void require(bool holds, const char* rule) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", rule);
  std::abort();
}

}  // namespace hedgerow::fuzz
