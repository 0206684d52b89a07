#include <algorithm>
#include <catch2/catch_test_macros.hpp>

#include "firmware-shim/codec/frame.h"
#include "sync/base/bytes.hpp"
#include "tests/support/seeded_random.hpp"

namespace hedgerow {
namespace {

Bytes framed(const Bytes& message) {
  Bytes frame(HR_FRAME_SIZE_MAX(message.size()));
  frame.resize(hr_frame_encode(message.data(), message.size(), frame.data()));
  return frame;
}

class Line {
 public:
  explicit Line(std::size_t capacity = 600) : buffer_(capacity) {
    hr_frame_decoder_init(&decoder, buffer_.data(), buffer_.size());
  }
  std::vector<Bytes> push(const Bytes& bytes) {
    std::vector<Bytes> messages;
    for (const std::uint8_t byte : bytes) {
      if (const std::size_t size = hr_frame_decode(&decoder, byte); size != 0) {
        messages.emplace_back(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(size));
      }
    }
    return messages;
  }
  hr_frame_decoder decoder{};

 private:
  Bytes buffer_;
};

TEST_CASE("a frame is COBS of the message and its CRC, ended by a zero", "[frame]") {
  // CRC-32 of "123456789" is CBF43926: the check value of the catalogue of CRC algorithms.
  CHECK(to_hex(framed(to_bytes("123456789"))) == "0e313233343536373839cbf4392600");
  // CRC-32 of 00 is D202EF8D.
  CHECK(to_hex(framed({0})) == "0105d202ef8d00");
}

TEST_CASE("every message comes back, whatever its length and its zeros", "[frame]") {
  test::SeededRandom random{test::pick_seed("frames")};
  Line line;
  for (std::size_t size = 1; size < 590; ++size) {
    Bytes message(size);
    for (std::uint8_t& byte : message) {
      byte = random.one_in(3) ? std::uint8_t{0} : static_cast<std::uint8_t>(random.next());
    }
    if (size % 5 == 0) message.assign(size, 0xFF);
    const Bytes frame = framed(message);
    CHECK(frame.size() <= HR_FRAME_SIZE_MAX(size));
    CHECK(std::count(frame.begin(), frame.end(), 0) == 1);
    CHECK(line.push(frame) == std::vector<Bytes>{message});
  }
  CHECK(line.decoder.damaged == 0);
}

TEST_CASE("damage costs the frame that it hits, or two, and is counted", "[frame]") {
  test::SeededRandom random{test::pick_seed("damaged frames")};
  const Bytes message = to_bytes("reading 42");
  for (int round = 0; round < 5'000; ++round) {
    Line line;
    Bytes bytes = framed(message);
    const std::size_t at = random.below(bytes.size());
    if (random.one_in(2)) {
      bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(at));
    } else {
      bytes[at] = static_cast<std::uint8_t>(bytes[at] ^ (1 + random.below(255)));
    }
    for (int n = 0; n < 2; ++n) append(bytes, framed(message));
    const std::vector<Bytes> got = line.push(bytes);
    REQUIRE(!got.empty());
    for (const Bytes& one : got) REQUIRE(one == message);
    REQUIRE(got.size() < 3);
    REQUIRE(line.decoder.damaged > 0);
  }
}

TEST_CASE("a message without room is damaged, not cut short", "[frame]") {
  Line line{10};
  CHECK(line.push(framed(to_bytes("1234567"))).empty());
  CHECK(line.decoder.damaged == 1);
  CHECK(line.push(framed(to_bytes("123456"))).size() == 1);
}

TEST_CASE("zeros between frames are no damage", "[frame]") {
  Line line;
  CHECK(line.push({0, 0, 0}).empty());
  CHECK(line.decoder.damaged == 0);
}

}  // namespace
}  // namespace hedgerow
