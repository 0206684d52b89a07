#include "security/dtls_mbedtls/hello.hpp"

#include <cstddef>

#include "security/dtls_mbedtls/limits.hpp"

namespace hedgerow::security {
namespace {

constexpr std::uint8_t kClientHello = 1;
constexpr std::uint8_t kHelloVerifyRequest = 3;
constexpr std::size_t kHandshakeHeaderBytes = 12;
constexpr std::size_t kRandomBytes = 32;
// Whatever is spoken afterwards, this message is of DTLS 1.0 (RFC 6347, 4.2.1).
constexpr std::uint64_t kDtls10 = 0xFEFF;

// Reads from the front; ok() is false for good once too little was there.
class Reader {
 public:
  explicit Reader(ByteView bytes) : rest_(bytes) {}

  [[nodiscard]] ByteView bytes(std::size_t count) {
    if (!ok_ || count > rest_.size()) {
      ok_ = false;
      return {};
    }
    const ByteView taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }
  [[nodiscard]] std::uint64_t number(std::size_t count) {
    std::uint64_t value = 0;
    for (const std::uint8_t byte : bytes(count)) value = value << 8U | byte;
    return value;
  }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] ByteView rest() const { return rest_; }

 private:
  ByteView rest_;
  bool ok_ = true;
};

void append_number(Bytes& out, std::uint64_t value, unsigned count) {
  for (unsigned shift = count * 8; shift != 0; shift -= 8)
    out.push_back(static_cast<std::uint8_t>(value >> (shift - 8)));
}

}  // namespace

std::optional<DtlsRecord> take_record(ByteView& datagram) {
  Reader reader(datagram);
  DtlsRecord record;
  record.type = static_cast<std::uint8_t>(reader.number(1));
  const std::uint64_t major = reader.number(1);
  static_cast<void>(reader.number(1));
  record.epoch = static_cast<std::uint16_t>(reader.number(2));
  record.sequence = reader.number(6);
  if (record.type == kDtlsConnectionIdRecord) record.connection_id = reader.bytes(kDtlsConnectionIdBytes);
  record.content = reader.bytes(static_cast<std::size_t>(reader.number(2)));
  if (!reader.ok() || major != kDtls10 >> 8U) return std::nullopt;
  datagram = reader.rest();
  return record;
}

ByteView whole_records(ByteView datagram) {
  ByteView rest = datagram;
  while (take_record(rest)) {
  }
  return datagram.first(datagram.size() - rest.size());
}

std::optional<ClientHello> read_client_hello(ByteView datagram) {
  const std::optional<DtlsRecord> record = take_record(datagram);
  if (!record || record->type != kDtlsHandshakeRecord || record->epoch != 0) return std::nullopt;
  Reader reader(record->content);
  ClientHello hello;
  hello.record_sequence = record->sequence;
  const std::uint64_t type = reader.number(1);
  const std::uint64_t length = reader.number(3);
  hello.message_seq = static_cast<std::uint16_t>(reader.number(2));
  const std::uint64_t fragment_offset = reader.number(3);
  const std::uint64_t fragment_length = reader.number(3);
  static_cast<void>(reader.number(2));
  hello.random = reader.bytes(kRandomBytes);
  static_cast<void>(reader.bytes(static_cast<std::size_t>(reader.number(1))));
  hello.cookie = reader.bytes(static_cast<std::size_t>(reader.number(1)));
  const bool whole = fragment_offset == 0 && fragment_length == length;
  if (!reader.ok() || type != kClientHello || !whole) return std::nullopt;
  if (length + kHandshakeHeaderBytes > record->content.size()) return std::nullopt;
  return hello;
}

Bytes hello_verify_request(const ClientHello& hello, ByteView cookie) {
  const std::uint64_t body = 2 + 1 + cookie.size();
  Bytes out = {kDtlsHandshakeRecord};
  append_number(out, kDtls10, 2);
  append_number(out, 0, 2);
  append_number(out, hello.record_sequence, 6);  // that of the ClientHello (RFC 6347, 4.2.1)
  append_number(out, kHandshakeHeaderBytes + body, 2);
  out.push_back(kHelloVerifyRequest);
  append_number(out, body, 3);
  append_number(out, hello.message_seq, 2);
  append_number(out, 0, 3);
  append_number(out, body, 3);
  append_number(out, kDtls10, 2);
  out.push_back(static_cast<std::uint8_t>(cookie.size()));
  append(out, cookie);
  return out;
}

}  // namespace hedgerow::security
