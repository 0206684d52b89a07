// What a datagram of DTLS 1.2 says without any session: its records' headers, and a ClientHello's cookie.
//
//   datagram    = record { record }
//   record      = type u8, version u16, epoch u16, sequence u48, [connection id], length u16, length bytes
//   ClientHello = record of type 22 and epoch 0 whose content is:
//                 1 u8, length u24, message_seq u16, 0 u24, length u24,
//                 version u16, random 32 bytes, session id <u8>, cookie <u8>, whatever
//
// Numbers are big-endian. A connection id stands in records of type 25 only (RFC 9146, 4), and all of ours have
// kDtlsConnectionIdBytes. A ClientHello in several fragments is none: it has to fit a datagram, or answering it would
// take memory before the sender has shown that he is where he says (RFC 6347, 4.2.1).
// Pure. Thread rule: plain functions; results view what they were read from.
#pragma once

#include <cstdint>
#include <optional>

#include "sync/base/bytes.hpp"

namespace hedgerow::security {

inline constexpr std::uint8_t kDtlsHandshakeRecord = 22;
inline constexpr std::uint8_t kDtlsConnectionIdRecord = 25;

struct DtlsRecord {
  std::uint8_t type = 0;
  std::uint16_t epoch = 0;
  std::uint64_t sequence = 0;
  ByteView connection_id = {};  // of type 25
  ByteView content = {};
};

// Takes the first record off the front of `datagram`. Nothing: it begins with none.
[[nodiscard]] std::optional<DtlsRecord> take_record(ByteView& datagram);

// The records that `datagram` begins with, without what follows them and is none. mbedTLS wants no other: it takes less
// than a record's head behind a record for a fault of its own, and ends the session.
[[nodiscard]] ByteView whole_records(ByteView datagram);

struct ClientHello {
  std::uint64_t record_sequence = 0;
  std::uint16_t message_seq = 0;
  ByteView random = {};
  ByteView cookie = {};
};

// Nothing: the datagram begins with something else.
[[nodiscard]] std::optional<ClientHello> read_client_hello(ByteView datagram);

// The answer that costs nothing to have given: one record, shorter than any ClientHello.
[[nodiscard]] Bytes hello_verify_request(const ClientHello& hello, ByteView cookie);

}  // namespace hedgerow::security
