#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "daemon/net_asio/limits.hpp"
#include "daemon/net_asio/write_queue.hpp"

namespace hedgerow::net_asio {
namespace {

void push(WriteQueue& queue, std::string_view text) {
  Bytes bytes = to_bytes(text);
  queue.push(bytes);
  CHECK(bytes.empty());
}

}  // namespace

TEST_CASE("an empty queue has nothing in front", "[net]") {
  WriteQueue queue;
  CHECK(queue.empty());
  CHECK(queue.front().empty());
  std::vector<ByteView> pieces(3);
  queue.gather(pieces);
  CHECK(pieces.empty());
}

TEST_CASE("small pushes are joined", "[net]") {
  WriteQueue queue;
  push(queue, "ab");
  push(queue, "cd");
  CHECK(as_text(queue.front()) == "abcd");
  CHECK(queue.bytes() == 4);
}

TEST_CASE("large pushes keep apart, and one gathering takes several", "[net]") {
  WriteQueue queue;
  const std::string large(kWriteChunkBytes, 'x');
  push(queue, large);
  push(queue, large);
  push(queue, "end");
  std::vector<ByteView> pieces;
  queue.gather(pieces);
  CHECK(pieces.size() == 3);
}

TEST_CASE("consuming stops in the middle of a piece", "[net]") {
  WriteQueue queue;
  push(queue, "abcdef");
  queue.consume(2);
  CHECK(as_text(queue.front()) == "cdef");
  CHECK(queue.bytes() == 4);
  push(queue, "gh");
  CHECK(as_text(queue.front()) == "cdefgh");
}

TEST_CASE("an empty push changes nothing", "[net]") {
  WriteQueue queue;
  push(queue, "");
  CHECK(queue.empty());
}

TEST_CASE("bytes leave in the order in which they came, whatever the sizes", "[net]") {
  WriteQueue queue;
  std::string in;
  std::string out;
  std::uint64_t state = 7;
  INFO("seed " << state);
  const auto next = [&state](std::uint64_t bound) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    return static_cast<std::size_t>((state >> 33U) % bound);
  };
  std::vector<ByteView> pieces;
  for (int turn = 0; turn < 2000; ++turn) {
    const std::string text(next(next(10) == 0 ? 40'000 : 200), static_cast<char>('a' + turn % 26));
    in += text;
    push(queue, text);
    queue.gather(pieces);
    std::size_t room = next(3) == 0 ? 0 : next(50'000);
    std::size_t taken = 0;
    for (const ByteView piece : pieces) {
      const std::size_t part = std::min(room, piece.size());
      out += as_text(piece.first(part));
      taken += part;
      room -= part;
    }
    queue.consume(taken);
    if (queue.bytes() != in.size() - out.size()) FAIL("lost count in turn " << turn);
  }
  while (!queue.empty()) {
    out += as_text(queue.front());
    queue.consume(queue.front().size());
  }
  CHECK(in == out);
}

}  // namespace hedgerow::net_asio
