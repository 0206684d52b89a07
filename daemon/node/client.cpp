#include "daemon/node/client.hpp"

#include <utility>

namespace hedgerow::node {

Client::Client(std::uint64_t id, Instant now, const Arrived& arrived, Stream& stream, ClientOwner& owner,
               const mqtt::ConnectionLimits& limits, QueueBudget& budget)
    : id_(id),
      arrived_(arrived),
      stream_(stream),
      owner_(owner),
      budget_(budget),
      connection_(limits, *this, now),
      now_(now) {}

void Client::on_bytes(Instant now, ByteView bytes) {
  now_ = now;
  bytes_in_ += bytes.size();
  connection_.on_bytes(now, bytes);
  owner_.on_handled(now, *this);
}

void Client::on_drained(Instant now) {
  now_ = now;
  connection_.resume(now);
  owner_.on_drained(now, *this);
}

void Client::on_timer(Instant now) {
  now_ = now;
  connection_.on_timer(now, takes_output() ? 0 : stream_.queued_bytes());
  flush();
}

void Client::on_closed(const mqtt::Closed& closed) {
  end_reason_ = closed.by_client ? "the other side said goodbye" : std::string(closed.description);
  if (closed.by_client && closed.reason != mqtt::ReasonCode::kSuccess)
    end_reason_.append(": ").append(closed.description);
  owner_.on_ended(now_, *this,
                  {.cancels_will = closed.by_client && closed.reason == mqtt::ReasonCode::kSuccess,
                   .session_expiry_s = closed.session_expiry_s,
                   .fault = closed.by_client ? std::string_view() : closed.description,
                   .code = closed.reason});
}

void Client::on_closed(Instant now, const std::string& reason) {
  owner_.on_gone(now, *this, end_reason_.empty() ? reason : end_reason_);
}

void Client::flush() {
  connection_.hold_input(holds_ != 0);
  // What was kept while the client had to wait is handled as soon as it need not wait any more; from then on its
  // silence counts.
  if (connection_.wants_input()) connection_.resume(now_);
  send_output();
  if (connection_.closing() && !close_sent_) {
    close_sent_ = true;
    stream_.close();
    return;
  }
  update_reading();
}

void Client::hold(Hold why, bool held) {
  const auto bit = static_cast<unsigned>(why);
  holds_ = held ? holds_ | bit : holds_ & ~bit;
  if (held) connection_.hold_input(true);
}

void Client::hold_reading(Instant now, Hold why, bool held) {
  now_ = now;
  hold(why, held);
  flush();
}

void Client::cut() {
  close_sent_ = true;
  connection_.disconnect(mqtt::ReasonCode::kQuotaExceeded);
  connection_.output() = {};
  stream_.cut();
}

void Client::send_output() {
  bytes_out_ += connection_.output().size();
  if (!connection_.output().empty()) stream_.send(connection_.output());
}

void Client::hand_over() {
  if (connection_.output().size() >= kHandOverBytes) send_output();
  count_queue();
}

// Links have their own windows.
void Client::count_queue() {
  const std::size_t bytes = link ? 0 : queued_bytes();
  budget_.queued_bytes += bytes - std::exchange(counted_bytes, bytes);
}

bool Client::takes_output() const {
  const std::size_t bytes_max = link ? kClientQueueBytesMax : budget_.client_bytes_max;
  if (!link && budget_.is_pressed() && stream_.queued_bytes() > kPressedQueueBytesMax) return false;
  return stream_.queued_bytes() / kClientQueuesPause <= bytes_max;
}

void Client::update_reading() {
  if (close_sent_) return;
  // One that waits for the verdict on its CONNECT, and has sent nothing else, is read from to see whether it goes.
  const bool listens = connection_.awaits_verdict() && connection_.held_bytes() == 0 && holds_ == 0;
  const bool pause = !(connection_.wants_input() || listens) || !takes_output();
  if (pause == reading_paused_) return;
  reading_paused_ = pause;
  stream_.pause_reading(pause);
}

}  // namespace hedgerow::node
