#include "daemon/link_paho/connection.hpp"

#include <mqtt/async_client.h>

#include <atomic>
#include <cstdint>
#include <utility>

#include "daemon/link_paho/limits.hpp"
#include "security/paho_tls/paho_tls.hpp"

namespace hedgerow::link_paho {

namespace {

constexpr int kMqtt5 = MQTTVERSION_5;

mqtt::create_options create_options(const std::string& uri, const std::string& client_id) {
  return mqtt::create_options_builder()
      .server_uri(uri)
      .client_id(client_id)
      .mqtt_version(kMqtt5)
      .max_buffered_messages(static_cast<int>(kQueuedMessagesMax))
      .persist_qos0(false)
      .restore_messages(false)
      .finalize();
}

// Paho ends its threads with its last client, which takes up to a second, and starts them with the next. One client
// that never connects keeps them; it is never freed.
mqtt::async_client& anchor() {
  static auto* const instance = new mqtt::async_client(create_options("mqtts://127.0.0.1:1", "hedgerow-anchor"));
  return *instance;
}

std::string token_text(const mqtt::token& token) {
  if (token.get_reason_code() != mqtt::ReasonCode::SUCCESS) {
    std::string text = mqtt::to_string(token.get_reason_code());
    if (!text.empty()) return text;
  }
  if (!token.get_error_message().empty()) return token.get_error_message();
  return "code " + std::to_string(token.get_return_code());
}

}  // namespace

class Connection::Impl final : private mqtt::callback {
 public:
  Impl(const DialSettings& settings, const std::string& address, ConnectionEvents& events)
      : filter_("hedgerow/" + settings.mesh + "/link/" + settings.node + "/#"),
        events_(events),
        tls_(settings.tls, [this](std::size_t bytes) { events_.on_unsent(bytes); }),
        connect_listener_(*this),
        subscribe_listener_(*this),
        publish_listener_(*this) {
    try {
      anchor_ = &anchor();
      client_ = std::make_unique<mqtt::async_client>(create_options("mqtts://" + address, settings.client_id));
      client_->set_callback(*this);
      client_->set_disconnected_handler([this](const mqtt::properties&, mqtt::ReasonCode reason) {
        events_.on_ended("the peer said goodbye: " + mqtt::to_string(reason));
      });
      mqtt::connect_options options =
          mqtt::connect_options_builder::v5()
              .clean_start(true)
              .connect_timeout(kConnectTimeout)
              .keep_alive_interval(std::chrono::duration_cast<std::chrono::seconds>(settings.keep_alive))
              .properties({{mqtt::property::SESSION_EXPIRY_INTERVAL, 0},
                           {mqtt::property::MAXIMUM_PACKET_SIZE, static_cast<std::int32_t>(kPacketBytesMax)}})
              .ssl(mqtt::ssl_options_builder().key_store(tls_.token()).finalize())
              .finalize();
      client_->connect(std::move(options), nullptr, connect_listener_);
    } catch (const std::exception& error) {
      events_.on_ended(std::string{"cannot dial: "} + error.what());
    }
  }

  bool publish(const std::string& topic, const Bytes& message) {
    if (client_ == nullptr) return false;
    try {
      // The size travels where a pointer would: nothing is looked up when the message has left.
      client_->publish(mqtt::message::create(topic, message.data(), message.size(), /*qos=*/0, /*retained=*/false),
                       reinterpret_cast<void*>(static_cast<std::uintptr_t>(message.size())), publish_listener_);
      return true;
    } catch (const std::exception&) {
      return false;
    }
  }

 private:
  template <void (Impl::*kSuccess)(const mqtt::token&), void (Impl::*kFailure)(const mqtt::token&)>
  class Listener final : public mqtt::iaction_listener {
   public:
    explicit Listener(Impl& owner) : owner_(owner) {}
    void on_success(const mqtt::token& token) override { (owner_.*kSuccess)(token); }
    void on_failure(const mqtt::token& token) override { (owner_.*kFailure)(token); }

   private:
    Impl& owner_;
  };

  // Paho C++ reports a connect twice: by the command's callback and by the connection's.
  void connected(const mqtt::token& /*token*/) {
    if (connected_.test_and_set()) return;
    try {
      client_->subscribe(filter_, /*qos=*/0, nullptr, subscribe_listener_);
    } catch (const std::exception& error) {
      end(std::string{"cannot subscribe: "} + error.what());
    }
  }
  void connect_failed(const mqtt::token& token) { end("cannot connect: " + token_text(token)); }

  void subscribed(const mqtt::token& /*token*/) {
    if (const auto peer = tls_.peer()) {
      events_.on_subscribed(*peer);
    } else {
      end("the link has no TLS peer");
    }
  }
  void subscribe_failed(const mqtt::token& token) {
    end("the peer refuses the subscription to " + filter_ + ": " + token_text(token));
  }

  void left(const mqtt::token& token) {
    events_.on_left(static_cast<std::size_t>(reinterpret_cast<std::uintptr_t>(token.get_user_context())));
  }

  void connection_lost(const std::string& cause) override {
    end(cause.empty() ? "the connection was lost" : "the connection was lost: " + cause);
  }
  void message_arrived(mqtt::const_message_ptr message) override {
    events_.on_arrived(message->get_topic(), to_bytes(as_bytes(message->get_payload())));
  }

  // What TLS saw explains more than what Paho makes of it.
  void end(std::string reason) {
    std::string tls_reason = tls_.error();
    events_.on_ended(tls_reason.empty() ? std::move(reason) : std::move(tls_reason));
  }

  const std::string filter_;
  ConnectionEvents& events_;
  security::PahoTls tls_;
  mqtt::async_client* anchor_ = nullptr;
  std::atomic_flag connected_;
  Listener<&Impl::connected, &Impl::connect_failed> connect_listener_;
  Listener<&Impl::subscribed, &Impl::subscribe_failed> subscribe_listener_;
  Listener<&Impl::left, &Impl::left> publish_listener_;
  std::unique_ptr<mqtt::async_client> client_;  // last: it goes first, and takes its callbacks with it
};

Connection::Connection(const DialSettings& settings, const std::string& address, ConnectionEvents& events)
    : impl_(std::make_unique<Impl>(settings, address, events)) {}
Connection::~Connection() = default;

bool Connection::publish(const std::string& topic, const Bytes& message) { return impl_->publish(topic, message); }

}  // namespace hedgerow::link_paho
