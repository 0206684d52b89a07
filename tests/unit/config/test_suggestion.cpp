#include <array>
#include <catch2/catch_test_macros.hpp>
#include <string>

#include "daemon/config/suggestion.hpp"

namespace hedgerow::config {
namespace {

TEST_CASE("changed, added, dropped and swapped letters count one each", "[config]") {
  CHECK(edit_distance("listeners", "listeners") == 0);
  CHECK(edit_distance("tls", "tlS") == 0);
  CHECK(edit_distance("listenrs", "listeners") == 1);
  CHECK(edit_distance("listteners", "listeners") == 1);
  CHECK(edit_distance("lisetners", "listeners") == 1);
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("abc", "") == 3);
}

TEST_CASE("the nearest word within a third of the length is meant", "[config]") {
  constexpr std::array<std::string_view, 4> kWords = {"name", "address", "tls", "auth"};
  CHECK(nearest_word("adress", kWords) == "address");
  CHECK(nearest_word("Name", kWords) == "name");
  CHECK(nearest_word("tsl", kWords) == "tls");
  CHECK(nearest_word("password", kWords).empty());
  CHECK(nearest_word("tl", kWords).empty());
  CHECK(nearest_word("", kWords).empty());
}

TEST_CASE("a very long word is compared with nothing", "[config][G6]") {
  const std::string word(100'000, 'a');
  const std::array<std::string_view, 1> words = {word};
  CHECK(nearest_word(word, words).empty());
}

}  // namespace
}  // namespace hedgerow::config
