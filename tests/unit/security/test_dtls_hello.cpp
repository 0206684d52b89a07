// What is read of a stranger's datagram before there is a session.
#include <catch2/catch_test_macros.hpp>

#include "security/dtls_mbedtls/cookies.hpp"
#include "security/dtls_mbedtls/hello.hpp"

using namespace hedgerow;
using namespace hedgerow::security;

namespace {

// A ClientHello with one cipher and no extensions.
Bytes a_hello(ByteView cookie = {}) {
  Bytes body = {0xFE, 0xFD};
  body.insert(body.end(), 32, 0x52);
  body.push_back(0);
  body.push_back(static_cast<std::uint8_t>(cookie.size()));
  append(body, cookie);
  append(body, Bytes{0, 2, 0xC0, 0xA8, 1, 0});
  const auto size = static_cast<std::uint8_t>(body.size());
  Bytes out = {22, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 7, 0, static_cast<std::uint8_t>(size + 12)};
  append(out, Bytes{1, 0, 0, size, 0, 3, 0, 0, 0, 0, 0, size});
  append(out, body);
  return out;
}

const Cookies cookies(Cookies::Secret{1, 2, 3});
constexpr Instant kNow{std::chrono::hours{5}};

}  // namespace

TEST_CASE("a ClientHello is read", "[dtls]") {
  const Bytes datagram = a_hello(Bytes{9, 8});
  const auto hello = read_client_hello(datagram);
  REQUIRE(hello);
  CHECK(hello->record_sequence == 7);
  CHECK(hello->message_seq == 3);
  CHECK(to_bytes(hello->random) == Bytes(32, 0x52));
  CHECK(to_bytes(hello->cookie) == Bytes{9, 8});
}

TEST_CASE("a ClientHello that was cut is none", "[dtls]") {
  const Bytes datagram = a_hello(Bytes{9, 8});
  for (std::size_t size = 0; size < datagram.size(); ++size) {
    INFO(size);
    CHECK_FALSE(read_client_hello(ByteView{datagram}.first(size)));
  }
}

TEST_CASE("a ClientHello in fragments is none", "[dtls][G6]") {
  Bytes first = a_hello();
  first[13 + 11] = static_cast<std::uint8_t>(first[13 + 11] - 1);
  CHECK_FALSE(read_client_hello(first));
  Bytes second = a_hello();
  second[13 + 8] = 1;
  CHECK_FALSE(read_client_hello(second));
}

TEST_CASE("other records, epochs and messages are no ClientHello", "[dtls]") {
  for (const auto& [at, value] : {std::pair{0, 23}, {1, 0x03}, {4, 1}, {13, 2}}) {
    Bytes other = a_hello();
    other[static_cast<std::size_t>(at)] = static_cast<std::uint8_t>(value);
    INFO(at);
    CHECK_FALSE(read_client_hello(other));
  }
}

TEST_CASE("the records of a datagram are told apart, with connection ids", "[dtls]") {
  const Bytes datagram = {22, 0xFE, 0xFD, 0, 1, 0, 0, 0, 0, 0, 5, 0, 1, 0xAA,  //
                          25, 0xFE, 0xFD, 0, 1, 0, 0, 0, 0, 1, 0, 1, 2, 3,    4, 5, 6, 7, 8, 0, 2, 0xBB, 0xCC};
  ByteView rest = datagram;
  const auto first = take_record(rest);
  REQUIRE(first);
  CHECK(first->epoch == 1);
  CHECK(first->sequence == 5);
  CHECK(to_bytes(first->content) == Bytes{0xAA});
  const auto second = take_record(rest);
  REQUIRE(second);
  CHECK(second->type == kDtlsConnectionIdRecord);
  CHECK(second->sequence == 256);
  CHECK(to_bytes(second->connection_id) == Bytes{1, 2, 3, 4, 5, 6, 7, 8});
  CHECK(to_bytes(second->content) == Bytes{0xBB, 0xCC});
  CHECK(rest.empty());
  CHECK_FALSE(take_record(rest));
}

TEST_CASE("HelloVerifyRequest is shorter than what asks for it", "[dtls][G6]") {
  const Bytes datagram = a_hello();
  const auto hello = read_client_hello(datagram);
  REQUIRE(hello);
  const Bytes answer = hello_verify_request(*hello, cookies.make(kNow, "192.0.2.7:4000", hello->random));
  CHECK(answer.size() < datagram.size());
  ByteView rest = answer;
  const auto record = take_record(rest);
  REQUIRE(record);
  CHECK(rest.empty());
  CHECK(record->sequence == hello->record_sequence);
  CHECK(record->content[0] == 3);
}

TEST_CASE("a cookie is good at its address, for its ClientHello, and for a while", "[dtls]") {
  const Bytes random(32, 0x52);
  const DtlsCookie cookie = cookies.make(kNow, "192.0.2.7:4000", random);
  CHECK(cookies.is_good(kNow, "192.0.2.7:4000", random, cookie));
  CHECK(cookies.is_good(kNow + kDtlsCookieSlot, "192.0.2.7:4000", random, cookie));
  CHECK_FALSE(cookies.is_good(kNow + 2 * kDtlsCookieSlot, "192.0.2.7:4000", random, cookie));
  CHECK_FALSE(cookies.is_good(kNow, "192.0.2.7:4001", random, cookie));
  CHECK_FALSE(cookies.is_good(kNow, "192.0.2.7:4000", Bytes(32, 0x53), cookie));
  CHECK_FALSE(cookies.is_good(kNow, "192.0.2.7:4000", random, ByteView{cookie}.first(15)));
  CHECK_FALSE(cookies.is_good(kNow, "192.0.2.7:4000", random, {}));
  CHECK_FALSE(Cookies(Cookies::Secret{9}).is_good(kNow, "192.0.2.7:4000", random, cookie));
}
