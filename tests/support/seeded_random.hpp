// Random numbers for tests: the same on every platform for the same seed. HEDGEROW_TEST_SEED sets the seed; without it
// each run has another one. The seed is printed before anything can go wrong. Thread rule: one instance belongs to one
// thread.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace hedgerow::test {

inline std::uint64_t pick_seed(const char* test) {
  const char* given = std::getenv("HEDGEROW_TEST_SEED");
  const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
  std::fprintf(stderr, "%s: HEDGEROW_TEST_SEED=%llu\n", test, static_cast<unsigned long long>(seed));
  return seed;
}

// SplitMix64 (Steele, Lea, Flood 2014).
class SeededRandom {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    state_ += 0x9E37'79B9'7F4A'7C15U;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xBF58'476D'1CE4'E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D0'49BB'1331'11EBU;
    return z ^ (z >> 31U);
  }
  // From 0 to bound - 1. REQUIRES: bound > 0.
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(next() % bound); }
  bool one_in(std::size_t n) { return below(n) == 0; }

 private:
  std::uint64_t state_;
};

}  // namespace hedgerow::test
