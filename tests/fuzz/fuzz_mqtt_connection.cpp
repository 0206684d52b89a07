// A whole connection, with all state that lives across packets: daemon/mqtt/connection.hpp.
//
//   input := mood:u8 bytes      bytes: what a client sends. mood, bit 0: our answers come late; bit 1: they are
//   refusals;
//                               bit 2: each publish is sent back; bit 3: narrow limits
//
// With answers at once the same must happen however the bytes are cut.
#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/mqtt/connection.hpp"
#include "daemon/mqtt/decode.hpp"
#include "daemon/mqtt/topic.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace hedgerow::mqtt;
using hedgerow::append;
using hedgerow::Bytes;
using hedgerow::ByteView;
using hedgerow::Instant;
using hedgerow::fuzz::require;

constexpr std::uint8_t kLate = 1;
constexpr std::uint8_t kRefusing = 2;
constexpr std::uint8_t kEchoing = 4;
constexpr std::uint8_t kNarrow = 8;

ConnectionLimits limits_for(std::uint8_t mood) {
  ConnectionLimits limits{.packet_bytes_max = 4096, .connect_packet_bytes_max = 1024, .output_high_water_bytes = 2048};
  limits.receive_maximum = 4;
  if ((mood & kNarrow) != 0) {
    limits.keep_alive_max_s = 60;
    limits.topic_alias_maximum = 2;
    limits.maximum_qos = QoS::kAtLeastOnce;
    limits.topic_levels_max = 4;
    limits.will_bytes_max = 32;
  }
  return limits;
}

class Owner final : public ConnectionHandler {
 public:
  explicit Owner(std::uint8_t mood) : mood_(mood), connection_(limits_for(mood), *this, now_) {}

  // What happened, as one text: to compare two runs.
  std::string events;
  Bytes sent;

  void on_connect(const ConnectRequest& request) override {
    note("connect", request.client_id);
    if (request.will) note("will", request.will->topic);
    answer([this] {
      if ((mood_ & kRefusing) != 0) return connection_.refuse(ReasonCode::kNotAuthorized, "no");
      connection_.accept({.assigned_client_id = "x", .response_information = "r", .reason = "welcome"});
    });
  }
  void on_publish(const PublishRequest& request) override {
    require(is_valid_topic_name(request.topic), "a publish has its full topic name");
    note("publish", request.topic);
    if ((mood_ & kEchoing) != 0) echo(request);
    answer_publish(request);
  }
  void on_skipped_publish(const PublishRequest& request) override {
    require(is_valid_topic_name(request.topic), "a skipped publish has its full topic name");
    require(request.payload.empty(), "a skipped publish has no payload");
    note("skipped", request.topic);
    answer_publish(request);
  }
  void answer_publish(const PublishRequest& request) {
    if (request.qos == QoS::kAtMostOnce) return;
    ++owed_;
    require(owed_ <= limits_for(mood_).receive_maximum, "no more is owed than the receive maximum");
    const std::uint16_t id = request.packet_id;
    const ReasonCode code = (mood_ & kRefusing) != 0 ? ReasonCode::kQuotaExceeded : ReasonCode::kSuccess;
    const bool once = request.qos == QoS::kExactlyOnce;
    answer([this, id, code, once] {
      --owed_;
      if (once) return connection_.pubrec(id, code, "because");
      connection_.puback(id, code, "because");
    });
  }
  void on_subscribe(const SubscribeRequest& request) override {
    note("subscribe", request.entries.front().filter);
    std::vector<ReasonCode> codes;
    for (const SubscribeEntry& entry : request.entries) codes.push_back(entry.verdict);
    answer([this, id = request.packet_id, codes] { connection_.suback(id, codes, "because"); });
  }
  void on_unsubscribe(const UnsubscribeRequest& request) override {
    note("unsubscribe", request.filters.front());
    const std::vector<ReasonCode> codes(request.filters.size(), ReasonCode::kNoSubscriptionExisted);
    answer([this, id = request.packet_id, codes] { connection_.unsuback(id, codes); });
  }
  void on_puback(const AckReceived& ack) override { note("puback", std::to_string(ack.packet_id)); }
  void on_pubrec(const AckReceived& ack) override {
    note("pubrec", std::to_string(ack.packet_id));
    answer([this, id = ack.packet_id] { connection_.pubrel(id); });
  }
  void on_pubrel(const AckReceived& ack) override {
    note("pubrel", std::to_string(ack.packet_id));
    answer([this, id = ack.packet_id] { connection_.pubcomp(id); });
  }
  void on_pubcomp(const AckReceived& ack) override { note("pubcomp", std::to_string(ack.packet_id)); }
  void on_closed(const Closed& closed) override {
    require(!closed_, "the end is told once");
    require(connection_.closing(), "the end is told when closing");
    closed_ = true;
    note("closed", closed.description);
  }

  void feed(ByteView bytes, std::size_t piece) {
    while (!bytes.empty() && !connection_.closing()) {
      const ByteView now = bytes.first(std::min(piece, bytes.size()));
      bytes = bytes.subspan(now.size());
      connection_.on_bytes(now_, now);
      settle();
      now_ += std::chrono::milliseconds{1};
      connection_.on_timer(now_);
    }
    while (!late_.empty()) settle();
    require(connection_.held_bytes() <= 4096 + 1500, "a partial packet keeps its limit");
  }

 private:
  void note(std::string_view what, std::string_view which) {
    events += what;
    events += ' ';
    events += which;
    events += '\n';
  }
  void answer(std::function<void()> how) {
    if ((mood_ & kLate) != 0) return late_.push_back(std::move(how));
    how();
  }
  void echo(const PublishRequest& request) {
    const PublishOut out{.topic = request.topic,
                         .properties = request.properties,
                         .payload = request.payload,
                         .qos = request.qos,
                         .packet_id = request.packet_id,
                         .expiry_left_s = request.expiry_s};
    const PublishOutcome outcome = connection_.publish(out);
    require(outcome != PublishOutcome::kClosing, "who publishes is not closing");
  }
  // As an adapter would: takes the output and goes on, after one late answer.
  void settle() {
    if (!late_.empty()) {
      const std::function<void()> how = std::move(late_.front());
      late_.pop_front();
      how();
    }
    for (;;) {
      append(sent, std::exchange(connection_.output(), Bytes{}));
      const std::size_t before = connection_.held_bytes();
      connection_.resume(now_);
      if (connection_.output().empty() && connection_.held_bytes() == before) return;
    }
  }

  std::uint8_t mood_;
  Instant now_{std::chrono::hours{1}};
  std::size_t owed_ = 0;
  bool closed_ = false;
  std::deque<std::function<void()>> late_;
  Connection connection_;
};

void require_whole_packets(ByteView bytes) {
  while (!bytes.empty()) {
    const Frame frame = decode_frame(bytes);
    require(frame.state == Frame::State::kWhole, "we send whole packets");
    bytes = bytes.subspan(frame.total_bytes);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::uint8_t mood = data[0];
  const ByteView bytes{data + 1, size - 1};
  Owner whole{mood};
  whole.feed(bytes, 1500);
  require_whole_packets(whole.sent);
  if ((mood & kLate) != 0 || bytes.size() > 4096) return 0;
  Owner cut{mood};
  cut.feed(bytes, 7);
  require(cut.events == whole.events, "however the bytes are cut, the same happens");
  require(cut.sent == whole.sent, "however the bytes are cut, the same is sent");
  return 0;
}
