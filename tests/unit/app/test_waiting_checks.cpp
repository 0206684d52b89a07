#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "daemon/app/waiting_checks.hpp"

namespace hedgerow::app {
namespace {

struct Check {
  std::string address;
  int number = 0;
  bool wanted = true;
  [[nodiscard]] bool is_wanted() const { return wanted; }
};

// All that wait, in their order.
std::vector<int> take_all(WaitingChecks<Check>& waiting) {
  std::vector<int> out;
  while (const auto check = waiting.take()) out.push_back(check->number);
  return out;
}

void add(WaitingChecks<Check>& waiting, const std::string& address, std::vector<int> numbers) {
  for (const int number : numbers) CHECK_FALSE(waiting.add({address, number}));
}

TEST_CASE("checks of one address are served in the order in which they came", "[app][G6]") {
  WaitingChecks<Check> waiting(9);
  add(waiting, "a", {1, 2, 3});
  CHECK(take_all(waiting) == std::vector<int>{1, 2, 3});
  CHECK(waiting.empty());
}

TEST_CASE("addresses take turns, however many checks each has", "[app][G6]") {
  WaitingChecks<Check> waiting(9);
  add(waiting, "a", {1, 2, 3, 4});
  add(waiting, "b", {11, 12});
  add(waiting, "c", {21});
  CHECK(take_all(waiting) == std::vector<int>{1, 11, 21, 2, 12, 3, 4});
}

TEST_CASE("an address that has all places gives one up to another", "[app][G6]") {
  WaitingChecks<Check> waiting(4);
  add(waiting, "a", {1, 2, 3, 4});
  CHECK(waiting.add({"b", 11})->number == 4);
  CHECK(waiting.add({"b", 12})->number == 3);
  CHECK(waiting.add({"b", 13})->number == 13);  // it has as many
  CHECK(waiting.add({"a", 5})->number == 5);
  CHECK(take_all(waiting) == std::vector<int>{1, 11, 2, 12});
}

TEST_CASE("what nobody waits for any more makes room, and is passed over", "[app][G6]") {
  WaitingChecks<Check> waiting(3);
  CHECK_FALSE(waiting.add({"a", 1, false}));
  CHECK_FALSE(waiting.add({"a", 2, false}));
  CHECK_FALSE(waiting.add({"b", 3}));
  add(waiting, "a", {4, 5});
  CHECK(take_all(waiting) == std::vector<int>{4, 3, 5});
  CHECK_FALSE(waiting.add({"a", 6, false}));
  CHECK(take_all(waiting).empty());
  CHECK(waiting.empty());
}

}  // namespace
}  // namespace hedgerow::app
