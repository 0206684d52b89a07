// MQTT-SN messages as a gateway or a thing receives them. firmware-shim/codec.
//
//   input := bytes of one datagram
#include <array>

#include "firmware-shim/codec/mqttsn.h"
#include "sync/base/bytes.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using hedgerow::fuzz::require;
  hr_sn_message message;
  hr_sn_view inner{};
  if (hr_sn_decode(data, size, &message, &inner) != HR_SN_OK) return 0;
  static std::array<std::uint8_t, HR_SN_MESSAGE_MAX> buffer;
  std::size_t written = 0;
  require(hr_sn_encode(&message, buffer.data(), buffer.size(), &written) == HR_SN_OK, "what was read can be written");
  require(written + inner.size <= size, "in no more bytes");
  hr_sn_message again;
  hr_sn_view no_inner{};
  require(hr_sn_decode(buffer.data(), written, &again, &no_inner) == HR_SN_OK, "and be read again");
  require(again.type == message.type && again.tail.size == message.tail.size, "as the same message");
  return 0;
}
