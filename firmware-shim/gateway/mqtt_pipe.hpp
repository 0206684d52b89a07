// An MQTT connection to the node in the same process: no socket, only the bytes.
// Thread rule: the loop thread. Ownership: whoever made it; acceptor and callback must outlive it. The node knows its
// side until hang_up(): call it before the pipe is destroyed, also of one that the node has closed, unless the node is
// called no more.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "daemon/node/stream.hpp"

namespace hedgerow::gateway {

class MqttPipe final : public node::Stream {
 public:
  // `on_output`: the node has written something, or closed; called from within its calls, so only make a note of it.
  MqttPipe(Instant now, node::StreamAcceptor& acceptor, const node::Arrived& arrived, std::function<void()> on_output)
      : on_output_(std::move(on_output)), handler_(acceptor.on_accept(now, arrived, *this)) {
    closed_ = handler_ == nullptr;
  }
  ~MqttPipe() override = default;
  MqttPipe(const MqttPipe&) = delete;
  MqttPipe& operator=(const MqttPipe&) = delete;

  // To the node; kept while it wants nothing. At most what one thing has under way: its protocol is one by one.
  void write(Instant now, ByteView bytes) {
    append(to_node_, bytes);
    pump(now);
  }
  // What the node has written since the last call.
  [[nodiscard]] Bytes take(Instant now) {
    Bytes taken = std::exchange(from_node_, {});
    if (!taken.empty() && handler_) handler_->on_drained(now);
    pump(now);
    return taken;
  }
  // By the node: what it wrote before may still be taken.
  [[nodiscard]] bool closed() const { return closed_; }
  // Ends it from this side. Without DISCONNECT before, the node publishes the will.
  void hang_up(Instant now, const std::string& reason) {
    closed_ = true;
    if (const auto handler = std::exchange(handler_, nullptr)) handler->on_closed(now, reason);
  }

  // node::Stream
  void send(Bytes& bytes) override {
    append(from_node_, bytes);
    bytes.clear();
    on_output_();
  }
  [[nodiscard]] std::size_t queued_bytes() const override { return from_node_.size(); }
  void pause_reading(bool paused) override {
    paused_ = paused;
    if (!paused) on_output_();
  }
  void close() override {
    closed_ = true;
    on_output_();
  }
  void cut() override {
    from_node_ = {};
    close();
  }

 private:
  void pump(Instant now) {
    while (handler_ && !paused_ && !closed_ && !to_node_.empty()) {
      const Bytes bytes = std::exchange(to_node_, {});
      handler_->on_bytes(now, bytes);
    }
  }

  std::function<void()> on_output_;
  Bytes to_node_;
  Bytes from_node_;
  bool paused_ = false;
  bool closed_ = false;
  std::unique_ptr<node::StreamHandler> handler_;  // last: its constructor may call us
};

}  // namespace hedgerow::gateway
