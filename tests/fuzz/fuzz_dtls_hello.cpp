// Datagrams of strangers, before there is a session. security/dtls_mbedtls/hello.hpp.
//
//   input := bytes of one datagram
#include <algorithm>
#include <array>

#include "security/dtls_mbedtls/hello.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hedgerow;
  using fuzz::require;
  const ByteView datagram{data, size};
  const ByteView whole = security::whole_records(datagram);
  std::size_t bytes = 0;
  for (ByteView rest = whole; const auto record = security::take_record(rest);) {
    bytes += 13 + record->connection_id.size() + record->content.size();
  }
  require(bytes == whole.size(), "records follow each other without a gap");
  const auto hello = security::read_client_hello(datagram);
  if (!hello) return 0;
  const std::array<std::uint8_t, 16> cookie{};
  const Bytes answer = security::hello_verify_request(*hello, cookie);
  require(answer.size() < size, "the answer to a stranger is shorter than what he sent");
  ByteView rest = answer;
  const auto record = security::take_record(rest);
  require(record && rest.empty() && record->sequence == hello->record_sequence, "and one record of the same number");
  return 0;
}
