#include "tests/support/mqtt_client.hpp"

#include <mqtt/async_client.h>

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>

namespace hedgerow::test {
namespace {

using Clock = std::chrono::steady_clock;

std::string uri(std::uint16_t port) { return "mqtt://127.0.0.1:" + std::to_string(port); }

// Nobody waits for the answers of a client that goes.
void drop(mqtt::async_client& client) {
  try {
    client.disable_callbacks();
    if (client.is_connected()) client.disconnect(0)->wait_for(std::chrono::seconds{5});
  } catch (const mqtt::exception&) {
    // It was gone already.
  }
}

}  // namespace

std::string numbered_payload(std::string_view marker, std::uint64_t number) {
  std::string digits = std::to_string(number);
  return std::string(marker) + " " + std::string(digits.size() < 10 ? 10 - digits.size() : 0, '0') + digits;
}

std::uint64_t payload_number(std::string_view payload) {
  const std::string_view digits = payload.substr(payload.find(' ') + 1);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{} || end != digits.data() + digits.size()) {
    throw std::runtime_error("not a numbered payload: " + std::string(payload));
  }
  return number;
}

struct LoadPublisher::State : public mqtt::iaction_listener {
  explicit State(const Options& the_options)
      : options(the_options),
        // What Paho has not sent yet counts against its buffer, also while it is connected.
        client(uri(options.port), options.client_id,
               mqtt::create_options_builder()
                   .mqtt_version(MQTTVERSION_5)
                   .max_buffered_messages(static_cast<int>(options.window) + 10)
                   .finalize()) {}

  void on_success(const mqtt::token& token) override {
    const std::lock_guard lock(mutex);
    in_flight -= 1;
    if (token.get_reason_code() < mqtt::ReasonCode::UNSPECIFIED_ERROR) acknowledged.push_back(number_of(token));
    changed.notify_all();
  }
  void on_failure(const mqtt::token& token) override {
    on_lost("a publish failed: " + mqtt::exception::error_str(token.get_return_code()));
  }
  static std::uint64_t number_of(const mqtt::token& token) {
    return static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(token.get_user_context()));
  }

  void publish_all() {
    for (std::uint64_t number = options.first; number < options.first + options.count; ++number) {
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, [this] { return in_flight < options.window || lost; });
        if (lost) return;
        in_flight += 1;
      }
      try {
        const std::string payload = numbered_payload(options.marker, number);
        auto* context = reinterpret_cast<void*>(static_cast<std::uintptr_t>(number));
        (void)client.publish(mqtt::make_message(options.topic, payload, 1, false), context, *this);
      } catch (const mqtt::exception& error) {
        on_lost(std::string{"publishing failed: "} + error.what());
        return;
      }
    }
  }

  void on_lost(const std::string& reason) {
    const std::lock_guard lock(mutex);
    if (trouble.empty()) trouble = reason;
    lost = true;
    changed.notify_all();
  }
  void stop() {
    const std::lock_guard lock(mutex);
    lost = true;
    changed.notify_all();
  }

  Options options;
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t in_flight = 0;
  bool lost = false;
  std::string trouble;
  std::vector<std::uint64_t> acknowledged;
  mqtt::async_client client;
  std::thread thread;
};

LoadPublisher::LoadPublisher(const Options& options) : state_(std::make_unique<State>(options)) {
  State& state = *state_;
  state.client.set_connection_lost_handler(
      [&state](const std::string& cause) { state.on_lost("connection lost: " + cause); });
  state.client.set_disconnected_handler([&state](const mqtt::properties&, mqtt::ReasonCode reason) {
    state.on_lost("disconnected by the server, reason code " + std::to_string(static_cast<int>(reason)));
  });
  auto connect = mqtt::connect_options_builder(MQTTVERSION_5)
                     .clean_start(true)
                     .max_inflight(static_cast<int>(options.window) + 10)
                     .keep_alive_interval(std::chrono::seconds{60})
                     .finalize();
  state.client.connect(connect)->wait();
  state.thread = std::thread([&state] { state.publish_all(); });
}

LoadPublisher::~LoadPublisher() {
  state_->stop();
  if (state_->thread.joinable()) state_->thread.join();
  drop(state_->client);
}

bool LoadPublisher::wait_for_acknowledged(std::uint64_t count, std::chrono::milliseconds patience) {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait_for(lock, patience, [&] { return state_->acknowledged.size() >= count || state_->lost; });
  return state_->acknowledged.size() >= count;
}

std::vector<std::uint64_t> LoadPublisher::finish(std::chrono::milliseconds patience) {
  (void)wait_for_acknowledged(state_->options.count, patience);
  state_->stop();
  if (state_->thread.joinable()) state_->thread.join();
  drop(state_->client);
  const std::lock_guard lock(state_->mutex);
  std::vector<std::uint64_t> numbers = state_->acknowledged;
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

std::string LoadPublisher::trouble() const {
  const std::lock_guard lock(state_->mutex);
  return state_->trouble;
}

struct Collector::State {
  explicit State(Options the_options) : options(std::move(the_options)) {}

  // A new client each time: while its threads run, Paho takes a second to notice a new connection of an old one.
  void make_client() {
    if (client) drop(*client);
    client.reset();
    client =
        std::make_unique<mqtt::async_client>(uri(options.port), options.client_id, mqtt::create_options(MQTTVERSION_5));
    client->set_message_callback([this](const mqtt::const_message_ptr& message) {
      const std::lock_guard lock(mutex);
      payloads.push_back(message->to_string());
      changed.notify_all();
    });
    client->set_connection_lost_handler([this](const std::string&) {
      const std::lock_guard lock(mutex);
      lost = true;
      changed.notify_all();
    });
    const std::lock_guard lock(mutex);
    lost = false;
  }

  // Whether the broker has the session.
  bool connect(bool clean_start) {
    const mqtt::properties properties{{mqtt::property::SESSION_EXPIRY_INTERVAL, 3600},
                                      {mqtt::property::RECEIVE_MAXIMUM, int{options.receive_maximum}}};
    auto connect = mqtt::connect_options_builder(MQTTVERSION_5)
                       .clean_start(clean_start)
                       .properties(properties)
                       .keep_alive_interval(std::chrono::seconds{60})
                       .finalize();
    auto token = client->connect(connect);
    token->wait();
    return token->get_connect_response().is_session_present();
  }

  Options options;
  mutable std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> payloads;
  bool lost = false;
  std::unique_ptr<mqtt::async_client> client;
};

Collector::Collector(Options options) : state_(std::make_unique<State>(std::move(options))) {
  state_->make_client();
  (void)state_->connect(state_->options.clean_start);
  state_->client->subscribe(state_->options.filter, 1)->wait();
}

Collector::~Collector() {
  if (state_->client) drop(*state_->client);
}

bool Collector::resume(std::chrono::milliseconds patience) {
  const auto deadline = Clock::now() + patience;
  state_->make_client();
  while (Clock::now() < deadline) {
    try {
      return state_->connect(false);
    } catch (const mqtt::exception&) {
      // Not there yet.
    }
  }
  return false;
}

bool Collector::wait_until_lost(std::chrono::milliseconds patience) {
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_for(lock, patience, [&] { return state_->lost; });
}

void Collector::disconnect() {
  state_->client->disconnect()->wait();
  state_->client.reset();
}

bool Collector::wait_for(std::uint64_t payloads, std::chrono::milliseconds patience) {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait_for(lock, patience, [&] { return state_->payloads.size() >= payloads; });
  return state_->payloads.size() >= payloads;
}

bool Collector::wait_for_payload(const std::string& payload, std::chrono::milliseconds patience) {
  std::unique_lock lock(state_->mutex);
  std::size_t looked_at = 0;
  return state_->changed.wait_for(lock, patience, [&] {
    while (looked_at < state_->payloads.size()) {
      if (state_->payloads[looked_at++] == payload) return true;
    }
    return false;
  });
}

std::vector<std::string> Collector::payloads() const {
  const std::lock_guard lock(state_->mutex);
  return state_->payloads;
}

std::uint64_t Collector::count() const {
  const std::lock_guard lock(state_->mutex);
  return state_->payloads.size();
}

Sequence inspect(const std::vector<std::string>& payloads, const std::vector<std::uint64_t>& expected) {
  Sequence found;
  std::set<std::uint64_t> seen;
  for (const std::string& payload : payloads) {
    const std::uint64_t number = payload_number(payload);
    if (!seen.empty() && seen.count(number) == 0 && number < *seen.rbegin()) found.disorder += 1;
    if (!seen.insert(number).second) found.duplicates += 1;
  }
  for (const std::uint64_t number : expected) {
    if (seen.count(number) == 0) found.missing += 1;
  }
  return found;
}

std::vector<std::uint64_t> numbers_up_to(std::uint64_t count) {
  std::vector<std::uint64_t> numbers;
  for (std::uint64_t number = 0; number < count; ++number) numbers.push_back(number);
  return numbers;
}

}  // namespace hedgerow::test
