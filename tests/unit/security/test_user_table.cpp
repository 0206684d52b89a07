#include <catch2/catch_test_macros.hpp>
#include <string>

#include "security/passwords/user_table.hpp"

namespace hedgerow::security {
namespace {

PasswordHash hash_of(std::uint8_t fill) {
  PasswordHash hash{.iterations = 210'000, .salt = Bytes(16, fill), .hash = {}};
  hash.hash.fill(fill);
  return hash;
}

std::string line(const std::string& name, const std::string& salt = std::string(32, 'a'),
                 const std::string& iterations = "210000", const std::string& hash = std::string(128, 'b')) {
  return name + ":pbkdf2-sha512:" + iterations + ":" + salt + ":" + hash + "\n";
}

std::string refused(const std::string& text) {
  const Expected<UserTable> table = UserTable::parse(text);
  return table ? "accepted" : table.error().what;
}

TEST_CASE("a table reads what it has written, in the order of the names", "[passwords]") {
  UserTable table;
  REQUIRE(table.put("bob", hash_of(1)));
  REQUIRE(table.put("Alice@farm.lan", hash_of(2)));
  const Expected<UserTable> again = UserTable::parse(table.format());
  REQUIRE(again);
  CHECK(again->users() == table.users());
  CHECK(again->users()[0].name == "Alice@farm.lan");
  CHECK(table.format().starts_with("# Users of hedgerowd"));
}

TEST_CASE("comments and empty lines are passed over, the last line may lack its end", "[passwords]") {
  std::string text = "# head\n\n" + line("alice");
  text.pop_back();
  const Expected<UserTable> table = UserTable::parse(text);
  REQUIRE(table);
  CHECK(table->find("alice") != nullptr);
  CHECK(table->find("bob") == nullptr);
}

TEST_CASE("to put a user again replaces the password", "[passwords]") {
  UserTable table;
  REQUIRE(table.put("a", hash_of(1)));
  REQUIRE(table.put("a", hash_of(2)));
  REQUIRE(table.users().size() == 1);
  CHECK(*table.find("a") == hash_of(2));
}

TEST_CASE("who is erased is gone", "[passwords]") {
  UserTable table;
  REQUIRE(table.put("a", hash_of(1)));
  CHECK(table.erase("a"));
  CHECK_FALSE(table.erase("a"));
  CHECK(table.find("a") == nullptr);
}

TEST_CASE("a user name can stand in a line, a topic and a rule", "[passwords]") {
  for (const char* const name : {"a", "A-1_b.c@d", "7"}) CHECK(check_user_name(name));
  for (const char* const name : {"a:b", "a/b", "a+", "#", "*", "a b", "-a", "@a", "ä", "a\n", "%n"}) {
    CHECK_FALSE(check_user_name(name));
  }
  CHECK(check_user_name("").error().what == "the user name is empty: give 1 to 63 of A-Z a-z 0-9 - _ . @");
  CHECK(check_user_name(std::string(64, 'a')).error().what ==
        "the user name has 64 characters, at most 63 are allowed: shorten it");
}

TEST_CASE("a damaged line is named with its number and what is wrong", "[passwords]") {
  CHECK(refused("\nalice\n") == "line 2 is not NAME:pbkdf2-sha512:ITERATIONS:SALT:HASH");
  CHECK(refused(line("a b")) ==
        "line 1 the user name has a character at position 2 that is not allowed: use A-Z a-z 0-9 - _ . @, first a "
        "letter or digit");
  CHECK(refused("a:sha256:1000:aa:bb") == "line 1 has another scheme than pbkdf2-sha512");
  for (const char* const iterations : {"", "999", "10000001", "-5000", "5000x", "99999999999"}) {
    CHECK(refused(line("a", std::string(32, 'a'), iterations)) ==
          "line 1 has a number of iterations that is not from 1000 to 10000000");
  }
  for (const std::string& salt : {std::string{}, std::string(30, 'a'), std::string(33, 'a'), std::string(32, 'g')}) {
    CHECK(refused(line("a", salt)) == "line 1 has a salt that is not 32 to 128 hexadecimal digits");
  }
  CHECK(refused(line("a", std::string(32, 'a'), "1000", std::string(126, 'b'))) ==
        "line 1 has a hash that is not 128 hexadecimal digits");
}

TEST_CASE("a user stands once", "[passwords]") {
  CHECK(refused(line("a") + line("a")) == "line 2 names a a second time");
}

TEST_CASE("users are bounded", "[passwords][G6]") {
  UserTable table;
  for (std::size_t at = 0; at < kUsersMax; ++at) REQUIRE(table.put("u" + std::to_string(at), hash_of(1)));
  CHECK(table.put("one-more", hash_of(1)).error().category == Category::kLimit);
  CHECK(table.put("u7", hash_of(2)));
  CHECK(UserTable::parse(table.format()));
}

}  // namespace
}  // namespace hedgerow::security
