#include "daemon/mqtt/connection.hpp"

#include <algorithm>
#include <gsl/assert>
#include <limits>
#include <utility>

#include "daemon/mqtt/decode.hpp"
#include "daemon/mqtt/topic_aliases.hpp"

namespace hedgerow::mqtt {
Connection::Connection(const ConnectionLimits& limits, ConnectionHandler& handler, Instant now)
    : limits_(limits), handler_(handler), opened_at_(now), heard_at_(now) {
  Expects(limits.receive_maximum > 0);
  Expects(limits.topic_levels_max > 0 && limits.topic_levels_max <= kTopicLevelsMax);
}

Connection::~Connection() = default;

// ---- time

Duration Connection::keep_alive_grace() const { return std::chrono::milliseconds{1500} * keep_alive_s_; }

Instant Connection::next_deadline() const {
  if (phase_ == Phase::kAwaitConnect) return opened_at_ + limits_.connect_timeout;
  if (phase_ == Phase::kOpen && keep_alive_s_ > 0) return heard_at_ + keep_alive_grace();
  return Instant::max();
}

void Connection::excuse_waiting(Instant now) {
  if (!std::exchange(waited_for_owner_, false) && !waits_for_owner()) return;
  heard_at_ = now;
  opened_at_ = now;
}

void Connection::on_timer(Instant now, std::size_t unsent_bytes) {
  excuse_waiting(now);
  if (now < next_deadline()) return;
  // What we do not read because our output waits is no silence of the client's, as long as it takes some of that
  // output.
  if (phase_ == Phase::kOpen && (!wants_input() || unsent_bytes > 0)) {
    const std::size_t backlog_bytes = output_.size() + unsent_bytes;
    const std::size_t seen_bytes = std::exchange(backlog_seen_bytes_, backlog_bytes);
    if (backlog_bytes < seen_bytes) heard_at_ = now;
    if (now < next_deadline()) return;
  }
  if (phase_ == Phase::kAwaitConnect) {
    on_fault("CONNECT", {ReasonCode::kKeepAliveTimeout, "it did not arrive in time"});
  } else {  // [MQTT-3.1.2-22]
    on_fault("keep alive", {ReasonCode::kKeepAliveTimeout, "nothing came for one and a half times its interval"});
  }
}

// ---- bytes

bool Connection::waits_for_owner() const {
  if (held_by_owner_ || phase_ == Phase::kAwaitVerdict) return true;
  return protocol_ == Protocol::kV311 && unacknowledged() >= limits_.receive_maximum;
}

void Connection::hold_input(bool held) {
  if (held_by_owner_ && !held) waited_for_owner_ = true;
  held_by_owner_ = held;
}

bool Connection::wants_input() const {
  return phase_ != Phase::kClosing && !waits_for_owner() && output_.size() < limits_.output_high_water_bytes;
}

std::uint32_t Connection::packet_bytes_max() const {
  return phase_ == Phase::kAwaitConnect ? limits_.connect_packet_bytes_max : limits_.packet_bytes_max;
}

void Connection::on_bytes(Instant now, ByteView bytes) {
  if (closing() || bytes.empty()) return;
  // Any byte counts, not only a whole packet: on a thin link no PINGREQ fits into the middle of a long packet.
  heard_at_ = now;
  excuse_waiting(now);
  backlog_seen_bytes_ = std::numeric_limits<std::size_t>::max();
  bytes = complete_held_packet(bytes);
  if (held_bytes() > 0) {
    append(held_, bytes);
    resume(now);
    return;
  }
  const ByteView rest = bytes.subspan(consume(bytes));
  if (closing() || rest.empty()) {
    release_held();
  } else {
    held_.assign(rest.begin(), rest.end());
  }
}

// Takes just what the partial packet lacks, so that what follows can be decoded in place. Returns the rest.
ByteView Connection::complete_held_packet(ByteView bytes) {
  while (!bytes.empty() && held_bytes() > 0 && !skipping_ && wants_input()) {
    const Frame frame = decode_frame(held());
    if (frame.state != Frame::State::kPartial) break;
    const std::size_t missing = frame.total_bytes == 0 ? 1 : frame.total_bytes - held_bytes();
    const std::size_t taken = std::min(missing, bytes.size());
    // Growing takes no more than the packet will.
    const std::size_t needed = held_.size() + taken;
    if (needed > held_.capacity() && frame.total_bytes > 0) {
      held_.reserve(std::max(needed, std::min(held_used_ + frame.total_bytes, 2 * needed)));
    }
    append(held_, bytes.first(taken));
    bytes = bytes.subspan(taken);
    if (consume(held()) > 0) release_held();
  }
  return bytes;
}

void Connection::resume(Instant now) {
  excuse_waiting(now);
  if (held_bytes() > 0) held_used_ += static_cast<std::uint32_t>(consume(held()));
  const bool mostly_used = held_used_ > held_.size() / 2;
  if (closing() || held_bytes() == 0) {
    release_held();
  } else if (mostly_used) {  // rarely, so that handling one packet at a time does not move the rest each time
    held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(held_used_));
    held_used_ = 0;
  }
}

void Connection::release_held() {
  held_.clear();
  held_used_ = 0;
  if (held_.capacity() > kIdleBufferBytes) held_.shrink_to_fit();
}

std::size_t Connection::consume(ByteView bytes) {
  std::size_t used = 0;
  while (used < bytes.size() && wants_input()) {
    const ByteView rest = bytes.subspan(used);
    if (skipping_) {
      used += skip(rest.size());
      continue;
    }
    const Frame frame = decode_frame(rest);
    if (frame.state == Frame::State::kMalformed) {
      on_fault("fixed header", {ReasonCode::kMalformedPacket, "its length is not in its shortest form"});
      break;
    }
    const auto type = static_cast<PacketType>(frame.first_byte >> 4U);
    if (phase_ == Phase::kAwaitConnect && type != PacketType::kConnect) {  // [MQTT-3.1.0-1]
      on_fault(to_string(type), {ReasonCode::kProtocolError, "the first packet must be CONNECT"});
      break;
    }
    if (frame.total_bytes > packet_bytes_max() && may_skip(frame)) {
      const std::size_t head_bytes = begin_skip(frame, rest);
      if (head_bytes == 0) break;
      used += head_bytes;
      continue;
    }
    if (frame.total_bytes > packet_bytes_max()) {  // [MQTT-3.2.2-15]
      on_fault(to_string(type), {ReasonCode::kPacketTooLarge, "it is larger than this server accepts"});
      break;
    }
    if (frame.state == Frame::State::kPartial) break;
    used += frame.total_bytes;
    ++packets_in_;
    on_packet(frame.first_byte, rest.subspan(frame.header_bytes, frame.total_bytes - frame.header_bytes));
  }
  return used;
}

}  // namespace hedgerow::mqtt
