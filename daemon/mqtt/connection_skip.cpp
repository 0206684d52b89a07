// Connection: what a bridge of 3.1.1 publishes beyond the packet limit. Closing would make it come back with the same
// message for ever, so the packet is taken without its payload, and the owner acknowledges it.
#include <algorithm>
#include <utility>

#include "daemon/mqtt/connection.hpp"
#include "daemon/mqtt/decode.hpp"

namespace hedgerow::mqtt {
namespace {

constexpr std::size_t kLengthBytes = 2;

}  // namespace

bool Connection::may_skip(const Frame& frame) const {
  return bridge_ && phase_ == Phase::kOpen && static_cast<PacketType>(frame.first_byte >> 4U) == PacketType::kPublish;
}

// `packet`: its beginning. Returns the bytes used: 0 where the head is not complete, and after a fault.
std::size_t Connection::begin_skip(const Frame& frame, ByteView packet) {
  const ByteView body = packet.subspan(frame.header_bytes);
  if (body.size() < kLengthBytes) return 0;
  const std::size_t topic_bytes = std::size_t{body[0]} << 8U | body[1];
  const auto flags = static_cast<std::uint8_t>(frame.first_byte & 0x0FU);
  const bool has_identifier = (flags & 0x06U) != 0;
  // The limit may be lower than the longest topic.
  const std::size_t body_bytes = frame.total_bytes - frame.header_bytes;
  const std::size_t head_bytes =
      std::min(kLengthBytes + topic_bytes + (has_identifier ? std::size_t{2} : std::size_t{0}), body_bytes);
  if (frame.header_bytes + head_bytes > packet_bytes_max()) {  // it would have to be held
    on_fault("PUBLISH", {ReasonCode::kPacketTooLarge, "its topic alone is larger than this server accepts"});
    return 0;
  }
  if (body.size() < head_bytes) return 0;
  const ByteView head = body.first(head_bytes);
  const Decoded<PublishPacket> decoded = decode_publish(flags, head, decode_rules(), properties_scratch_);
  if (!decoded) {
    on_fault("PUBLISH", decoded.error());
    return 0;
  }
  skipping_ = std::make_unique<Skipping>(Skipping{to_bytes(head), body_bytes - head_bytes, flags});
  if (skipping_->left_bytes == 0) end_skip();
  return frame.header_bytes + head_bytes;
}

std::size_t Connection::skip(std::size_t bytes) {
  const std::size_t skipped = std::min(bytes, skipping_->left_bytes);
  skipping_->left_bytes -= skipped;
  if (skipping_->left_bytes == 0) end_skip();
  return skipped;
}

void Connection::end_skip() {
  const auto skipped = std::move(skipping_);
  ++packets_in_;
  const Decoded<PublishPacket> packet =
      decode_publish(skipped->flags, skipped->head, decode_rules(), properties_scratch_);
  if (!packet) return;  // it was decoded before
  if (packet->request.qos != QoS::kAtMostOnce) {
    if (const std::optional<Fault> wrong = count_in_flight(packet->request)) return on_fault("PUBLISH", *wrong);
  }
  handler_.on_skipped_publish(packet->request);
}

}  // namespace hedgerow::mqtt
