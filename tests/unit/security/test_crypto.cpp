#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <limits>
#include <span>
#include <vector>

#include "security/crypto_mbedtls/crypto.hpp"
#include "security/crypto_mbedtls/page_memory.hpp"

using namespace hedgerow;
using namespace hedgerow::security;

namespace {

std::string digest(std::string_view text) {
  Sha256 hasher;
  hasher.update(as_bytes(text));
  return to_hex(hasher.finish());
}

}  // namespace

TEST_CASE("SHA-256 gives the digests of FIPS 180-4's examples", "[crypto]") {
  CHECK(digest("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST_CASE("SHA-256 does not depend on how the input is cut", "[crypto]") {
  Sha256 hasher;
  hasher.update(as_bytes("a"));
  hasher.update({});
  hasher.update(as_bytes("bc"));
  CHECK(to_hex(hasher.finish()) == digest("abc"));
}

// Every place of the end in a block. The digest of the digests was computed by Python's hashlib.
TEST_CASE("SHA-256 is right for every length of the last block", "[crypto]") {
  Sha256 digests;
  for (std::size_t length = 0; length < 300; ++length) {
    Bytes bytes;
    for (std::size_t i = 0; i < length; ++i) bytes.push_back(static_cast<std::uint8_t>(i * 7 + length));
    Sha256 hasher;
    hasher.update(bytes);
    digests.update(hasher.finish());
  }
  CHECK(to_hex(digests.finish()) == "d5238871a46ac4a1a75ac3fb19d645b0b3b9e5f35f5f720e2b240d605c6b694e");
}

TEST_CASE("SHA-256 starts anew after finish", "[crypto]") {
  Sha256 hasher;
  hasher.update(as_bytes("first"));
  (void)hasher.finish();
  hasher.update(as_bytes("abc"));
  CHECK(to_hex(hasher.finish()) == digest("abc"));
}

TEST_CASE("cryptography may be started twice and gives random bytes", "[crypto]") {
  REQUIRE(init_crypto());
  REQUIRE(init_crypto());
  std::array<std::uint8_t, 32> one{};
  std::array<std::uint8_t, 32> two{};
  REQUIRE(random_bytes(one));
  REQUIRE(random_bytes(two));
  CHECK(one != two);
}

TEST_CASE("a large block takes memory only for the pages that are written to", "[crypto][G6]") {
  const auto page_bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t pages = 8;
  auto* const block = static_cast<std::uint8_t*>(allocate_zeroed(pages, page_bytes));
  REQUIRE(block != nullptr);
  block[page_bytes] = 1;
  std::vector<unsigned char> resident(pages);
  REQUIRE(::mincore(block, pages * page_bytes, resident.data()) == 0);
  CHECK(std::count_if(resident.begin(), resident.end(), [](unsigned char page) { return (page & 1U) != 0; }) == 1);
  release(block);
}

TEST_CASE("blocks are zero, also where one was used before", "[crypto]") {
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{100}, std::size_t{16} * 1024, std::size_t{100'000}}) {
    for (int again = 0; again < 2; ++again) {
      auto* const block = static_cast<std::uint8_t*>(allocate_zeroed(1, bytes));
      REQUIRE(block != nullptr);
      const std::span all(block, bytes);
      CHECK(std::all_of(all.begin(), all.end(), [](std::uint8_t byte) { return byte == 0; }));
      std::fill(all.begin(), all.end(), std::uint8_t{0xFF});
      release(block);
    }
  }
}

TEST_CASE("what malloc gave is given back to it, also at a page's start", "[crypto]") {
  release(nullptr);
  release(std::malloc(100));
  release(std::aligned_alloc(4096, 4096));
}

TEST_CASE("a block whose size has no number is refused", "[crypto]") {
  CHECK(allocate_zeroed(std::numeric_limits<std::size_t>::max(), 2) == nullptr);
}
