// The format of sealed frames, by vectors that another implementation of AES-CMAC and AES-CCM has made.
#include <catch2/catch_test_macros.hpp>
#include <numeric>
#include <string>

#include "firmware-shim/codec/seal.h"
#include "firmware-shim/seal_mbedtls/seal_mbedtls.h"
#include "sync/base/bytes.hpp"

namespace hedgerow::test {
namespace {

const hr_seal_crypto& crypto() { return hr_seal_mbedtls; }

Bytes from_hex(std::string_view hex) {
  Bytes out;
  for (std::size_t at = 0; at + 1 < hex.size(); at += 2) {
    out.push_back(static_cast<std::uint8_t>(std::stoul(std::string(hex.substr(at, 2)), nullptr, 16)));
  }
  return out;
}
Bytes counting(std::uint8_t from, std::size_t size) {
  Bytes out(size);
  std::iota(out.begin(), out.end(), from);
  return out;
}

// Key 00…0f, id a0…a7, the thing's nonce 10…1f, the gateway's 20…2f.
class Vector {
 public:
  Vector() {
    std::iota(std::begin(hello.id), std::end(hello.id), std::uint8_t{0xA0});
    std::iota(std::begin(hello.thing_nonce), std::end(hello.thing_nonce), std::uint8_t{0x10});
    REQUIRE(hr_seal_begin(&crypto(), key.data(), &hello, gateway_nonce.data(), HR_SEAL_THING, &thing));
    REQUIRE(hr_seal_begin(&crypto(), key.data(), &hello, gateway_nonce.data(), HR_SEAL_GATEWAY, &gateway));
  }
  static Bytes close(hr_seal_session& session, ByteView message) {
    Bytes frame(message.size() + HR_SEAL_OVERHEAD);
    REQUIRE(hr_seal_close(&crypto(), &session, message.data(), message.size(), frame.data()) == frame.size());
    return frame;
  }
  static hr_seal_result open(hr_seal_session& session, const Bytes& frame, Bytes& message) {
    message.resize(frame.size() - HR_SEAL_OVERHEAD);
    return hr_seal_open(&crypto(), &session, frame.data(), frame.size(), message.data());
  }

  Bytes key = counting(0, HR_SEAL_KEY_SIZE);
  Bytes gateway_nonce = counting(0x20, HR_SEAL_NONCE_SIZE);
  hr_seal_hello hello{};
  hr_seal_session thing{};
  hr_seal_session gateway{};
};

TEST_CASE("AES-CMAC is that of RFC 4493", "[seal][G7]") {
  const Bytes key = from_hex("2b7e151628aed2a6abf7158809cf4f3c");
  const Bytes message = from_hex(
      "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
      "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710");
  Bytes mac(16);
  REQUIRE(crypto().cmac(nullptr, key.data(), message.data(), 16, mac.data()));
  CHECK(to_hex(mac) == "070a16b46b4d4144f79bdd9dd04a287c");
  REQUIRE(crypto().cmac(nullptr, key.data(), message.data(), 64, mac.data()));
  CHECK(to_hex(mac) == "51f0bebf7e3b9d92fc49741779363cfe");
}

TEST_CASE_METHOD(Vector, "both sides derive the session key of the vector", "[seal][G7]") {
  CHECK(to_hex(thing.key) == "895501e1d52f9dc1b048d7b5ae24cebc");
  CHECK(to_hex(gateway.key) == to_hex(thing.key));
}

TEST_CASE_METHOD(Vector, "hello and welcome are those of the vector", "[seal][G7]") {
  Bytes frame(HR_SEAL_HELLO_SIZE);
  hr_seal_write_hello(&hello, frame.data());
  CHECK(to_hex(frame) == "0001a0a1a2a3a4a5a6a7101112131415161718191a1b1c1d1e1f");
  frame.resize(HR_SEAL_WELCOME_SIZE);
  REQUIRE(hr_seal_write_welcome(&crypto(), &gateway, gateway_nonce.data(), frame.data()));
  CHECK(to_hex(frame) == "0002202122232425262728292a2b2c2d2e2f8b899822dae95a98");
  hr_seal_session taken{};
  REQUIRE(hr_seal_take_welcome(&crypto(), key.data(), &hello, frame.data(), &taken));
  CHECK(to_hex(taken.key) == to_hex(thing.key));
}

TEST_CASE_METHOD(Vector, "data is that of the vector, each way", "[seal][G7]") {
  CHECK(to_hex(close(thing, {})) == "000300000001cfaf6621a4652c7f");
  CHECK(to_hex(close(thing, from_hex("0201"))) == "0003000000026516ca608d5864d46931");
  thing.sent = 0x01020303;
  CHECK(to_hex(close(thing, {})) == "0003010203046132b0113637ffde");
  CHECK(to_hex(close(gateway, as_bytes("hello, thing"))) == "000300000001147cefc851c31f5efa694aca836d7f1400b05816");
}

TEST_CASE_METHOD(Vector, "what one side closes the other opens, once, and only upwards", "[seal][G7]") {
  Bytes message;
  const Bytes first = close(thing, as_bytes("one"));
  const Bytes second = close(thing, as_bytes("two"));
  CHECK(open(gateway, second, message) == HR_SEAL_OPENED);
  CHECK(as_text(message) == "two");
  CHECK(open(gateway, second, message) == HR_SEAL_REPEATED);
  CHECK(open(gateway, first, message) == HR_SEAL_REPEATED);
  CHECK(open(thing, second, message) == HR_SEAL_FORGED);  // sent back to where it came from
}

TEST_CASE_METHOD(Vector, "a frame with any bit changed, or any piece missing, does not open", "[seal][G7]") {
  const Bytes frame = close(thing, as_bytes("message"));
  Bytes message;
  for (std::size_t bit = 16; bit < 8 * frame.size(); ++bit) {
    Bytes changed = frame;
    changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ 1U << bit % 8);
    REQUIRE(open(gateway, changed, message) == HR_SEAL_FORGED);
  }
  for (std::size_t size = HR_SEAL_OVERHEAD; size < frame.size(); ++size) {
    REQUIRE(open(gateway, Bytes(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(size)), message) ==
            HR_SEAL_FORGED);
  }
  CHECK(gateway.received == 0);
  CHECK(open(gateway, frame, message) == HR_SEAL_OPENED);
}

TEST_CASE_METHOD(Vector, "a welcome with any bit changed is nobody's", "[seal][G7]") {
  Bytes welcome(HR_SEAL_WELCOME_SIZE);
  REQUIRE(hr_seal_write_welcome(&crypto(), &gateway, gateway_nonce.data(), welcome.data()));
  hr_seal_session taken{};
  for (std::size_t bit = 16; bit < 8 * welcome.size(); ++bit) {
    Bytes changed = welcome;
    changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ 1U << bit % 8);
    REQUIRE_FALSE(hr_seal_take_welcome(&crypto(), key.data(), &hello, changed.data(), &taken));
  }
  hello.thing_nonce[15] ^= 1;
  CHECK_FALSE(hr_seal_take_welcome(&crypto(), key.data(), &hello, welcome.data(), &taken));
}

TEST_CASE_METHOD(Vector, "a session ends before a counter comes again", "[seal][G7]") {
  thing.sent = UINT32_MAX - 1;
  const Bytes last = close(thing, as_bytes("z"));
  Bytes message;
  CHECK(open(gateway, last, message) == HR_SEAL_OPENED);
  Bytes frame(1 + HR_SEAL_OVERHEAD);
  CHECK(hr_seal_close(&crypto(), &thing, as_bytes("z").data(), 1, frame.data()) == 0);
}

TEST_CASE("kinds have their sizes, and plain messages are told from them", "[seal]") {
  const auto kind = [](const Bytes& bytes) { return hr_seal_kind_of(bytes.data(), bytes.size()); };
  CHECK(kind({}) == HR_SEAL_PLAIN);
  CHECK(kind({2, 0x16}) == HR_SEAL_PLAIN);
  CHECK(kind({0}) == HR_SEAL_MALFORMED);
  CHECK(kind({0, 4}) == HR_SEAL_AGAIN);
  CHECK(kind({0, 4, 0}) == HR_SEAL_MALFORMED);
  CHECK(kind({0, 5}) == HR_SEAL_MALFORMED);
  Bytes frame(HR_SEAL_OVERHEAD);
  frame[1] = 3;
  CHECK(kind(frame) == HR_SEAL_DATA);
  frame.pop_back();
  CHECK(kind(frame) == HR_SEAL_MALFORMED);
}

}  // namespace
}  // namespace hedgerow::test
