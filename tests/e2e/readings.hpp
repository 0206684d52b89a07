// Readings of a thing: the numbers from 1 on, as the daemon has stored them.
// Thread rule: one thread at a time.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <set>
#include <string>
#include <vector>

#include "tests/support/daemon.hpp"

namespace hedgerow::test {

// In the order of the log.
inline std::vector<std::size_t> stored_readings(const Daemon& daemon, const std::string& topic,
                                                bool only_latest = false) {
  std::vector<std::string> arguments = {"--data", daemon.data().string(), "history", topic, "--json"};
  if (only_latest) arguments.insert(arguments.end(), {"--limit", "1"});
  const Finished history = run(Programs::native().command("hedgerow", arguments));
  REQUIRE(history.status.code == 0);
  std::vector<std::size_t> readings;
  const std::string key = "\"payload\":\"";
  for (std::size_t at = history.out.find(key); at != std::string::npos; at = history.out.find(key, at + 1)) {
    readings.push_back(std::stoul(history.out.substr(at + key.size(), 20)));
  }
  return readings;
}

inline std::vector<std::size_t> numbers_to(std::size_t count) {
  std::vector<std::size_t> numbers;
  for (std::size_t n = 1; n <= count; ++n) numbers.push_back(n);
  return numbers;
}

inline std::vector<std::size_t> first_copies(const std::vector<std::size_t>& readings) {
  std::vector<std::size_t> first;
  std::set<std::size_t> seen;
  for (const std::size_t n : readings) {
    if (seen.insert(n).second) first.push_back(n);
  }
  return first;
}

}  // namespace hedgerow::test
