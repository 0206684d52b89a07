#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "daemon/net_asio/raw_stream.hpp"

namespace hedgerow::net_asio {
namespace {

class Raw {
 public:
  // What came whole, in hexadecimal.
  std::vector<std::string> add(const Bytes& bytes) {
    std::vector<std::string> out;
    stream.add(now, bytes, [&](ByteView message) { out.push_back(to_hex(message)); });
    return out;
  }
  void pause() { now += kRawPause + std::chrono::milliseconds{1}; }

  RawStream stream;
  Instant now{};
};

using Messages = std::vector<std::string>;

TEST_CASE_METHOD(Raw, "messages are told apart by their own length, however they come", "[net][things]") {
  CHECK(add({2, 0x16, 3, 1, 0}) == Messages{"0216", "030100"});
  CHECK(add({4}).empty());
  CHECK(add({9, 9}).empty());
  CHECK(add({9, 2}) == Messages{"04090909"});
  CHECK(add({0x16}) == Messages{"0216"});
}

TEST_CASE_METHOD(Raw, "a length of three bytes is one, too", "[net][things]") {
  CHECK(add({1, 0}).empty());
  CHECK(add({5, 0x16}).empty());
  CHECK(add({7}) == Messages{"0100051607"});
}

TEST_CASE_METHOD(Raw, "after a pause a message begins, whatever there was before", "[net][things]") {
  CHECK(add({9, 1, 2}).empty());
  pause();
  CHECK(add({2, 0x16}) == Messages{"0216"});
  CHECK(stream.damaged() == 1);
}

TEST_CASE_METHOD(Raw, "what can be no length is dropped with all up to the next pause", "[net][things][G6]") {
  for (const Bytes& wrong : {Bytes{0, 2}, Bytes{1, 0, 3}, Bytes{1, 0xFF, 0xFF}}) {
    CHECK(add(wrong).empty());
    CHECK(add({2, 0x16}).empty());
    pause();
    CHECK(add({2, 0x16}) == Messages{"0216"});
    pause();
  }
  CHECK(stream.damaged() == 3);
}

TEST_CASE_METHOD(Raw, "what waits for its end is bounded", "[net][things][G6]") {
  CHECK(add({1, 4, 0}).empty());
  CHECK(add(Bytes(kSerialMessageBytesMax - 3, 7)).size() == 1);
  CHECK(add({2, 0x16}) == Messages{"0216"});
}

}  // namespace
}  // namespace hedgerow::net_asio
