// Things on a real board: the shim speaks to the real daemon, over UDP and over a serial line that drops and corrupts
// bytes, while the daemon is killed.
#include <poll.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "firmware-shim/client/sealed.h"
#include "firmware-shim/client/shim.h"
#include "firmware-shim/codec/frame.h"
#include "firmware-shim/seal_mbedtls/seal_mbedtls.h"
#include "sync/base/bytes.hpp"
#include "tests/e2e/bad_line.hpp"
#include "tests/e2e/mosquitto.hpp"
#include "tests/e2e/readings.hpp"
#include "tests/support/daemon.hpp"

namespace hedgerow::test {
namespace {

constexpr std::uint32_t kFaster = 10;  // the shim's clock: what it would wait 3 s for takes 0.3 s here
constexpr std::array<const char*, 1> kTopics = {"barn/reading"};

// One message after the other, over whatever there is.
class Wire {
 public:
  Wire() = default;
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;
  virtual ~Wire() = default;
  virtual void send(ByteView message) = 0;
  virtual std::size_t receive(std::span<std::uint8_t> buffer) = 0;
  // Until something may have come, or the time is over.
  virtual void wait(int ms) = 0;
};

class UdpWire final : public Wire {
 public:
  explicit UdpWire(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    const sockaddr_in address = loopback(port);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      throw std::runtime_error("connect");
    }
  }
  ~UdpWire() override { ::close(fd_); }
  void send(ByteView message) override { static_cast<void>(::send(fd_, message.data(), message.size(), 0)); }
  std::size_t receive(std::span<std::uint8_t> buffer) override {
    const ssize_t size = ::recv(fd_, buffer.data(), buffer.size(), 0);
    return size < 0 ? 0 : static_cast<std::size_t>(size);
  }
  void wait(int ms) override {
    pollfd ready{.fd = fd_, .events = POLLIN, .revents = 0};
    ::poll(&ready, 1, ms);
  }

 private:
  int fd_;
};

// The microcontroller's end of a serial line, which the daemon finds at tcp:127.0.0.1:port(). One piece of so many is
// damaged, in either direction.
class BadSerialWire final : public Wire {
 public:
  explicit BadSerialWire(SeededRandom& random) : random_(random) {
    hr_frame_decoder_init(&decoder_, message_.data(), message_.size());
  }
  [[nodiscard]] std::uint16_t port() const { return end_.port(); }
  [[nodiscard]] std::uint32_t damaged() const { return damaged_; }

  void send(ByteView message) override {
    Bytes frame(HR_FRAME_SIZE_MAX(message.size()));
    frame.resize(hr_frame_encode(message.data(), message.size(), frame.data()));
    if (damage_one_in(kPiecesADamage, random_, frame)) ++damaged_;
    end_.write(frame);
  }
  std::size_t receive(std::span<std::uint8_t> buffer) override {
    while (true) {
      for (; used_ < input_.size(); ++used_) {
        const std::size_t size = hr_frame_decode(&decoder_, input_[used_]);
        if (size == 0 || size > buffer.size()) continue;
        ++used_;
        std::copy_n(message_.begin(), size, buffer.begin());
        return size;
      }
      used_ = 0;
      input_ = end_.read();
      if (input_.empty()) return 0;
      if (damage_one_in(kPiecesADamage, random_, input_)) ++damaged_;
    }
  }
  void wait(int ms) override {
    pollfd ready{.fd = end_.descriptor(), .events = POLLIN, .revents = 0};
    ::poll(&ready, 1, ms);
  }

 private:
  static constexpr std::size_t kPiecesADamage = 100;

  SeededRandom& random_;
  LineEnd end_;
  Bytes input_;
  std::size_t used_ = 0;
  std::array<std::uint8_t, HR_SEALED_FRAME_MAX + HR_FRAME_CRC_SIZE> message_{};
  hr_frame_decoder decoder_{};
  std::uint32_t damaged_ = 0;
};

// The same, good, without frames: what one write sends is one message.
class RawSerialWire final : public Wire {
 public:
  [[nodiscard]] std::uint16_t port() const { return end_.port(); }
  void send(ByteView message) override { end_.write(to_bytes(message)); }
  std::size_t receive(std::span<std::uint8_t> buffer) override {
    append(input_, end_.read());
    if (input_.empty() || input_.size() < input_[0]) return 0;
    const std::size_t size = std::min<std::size_t>(input_[0], buffer.size());
    std::copy_n(input_.begin(), size, buffer.begin());
    input_.erase(input_.begin(), input_.begin() + input_[0]);
    return size;
  }
  void wait(int ms) override {
    pollfd ready{.fd = end_.descriptor(), .events = POLLIN, .revents = 0};
    ::poll(&ready, 1, ms);
  }

 private:
  LineEnd end_;
  Bytes input_;
};

class Thing {
 public:
  // `key`: of Daemon::add_thing(); empty: what it says is not sealed.
  Thing(Wire& wire, const hr_shim_subscription* subscription = nullptr, const std::string& key = {}) : wire_(wire) {
    config_.client_id = "sensor";
    config_.keep_alive_s = 600;
    config_.topics = kTopics.data();
    config_.topic_count = kTopics.size();
    config_.subscriptions = subscription;
    config_.subscription_count = subscription == nullptr ? 0 : 1;
    config_.context = this;
    config_.on_message = [](void* self, hr_sn_view topic, hr_sn_view payload) {
      static_cast<Thing*>(self)->got.push_back(std::string(reinterpret_cast<const char*>(topic.data), topic.size) +
                                               "=" +
                                               std::string(reinterpret_cast<const char*>(payload.data), payload.size));
    };
    port_.context = this;
    port_.send = [](void* self, const std::uint8_t* bytes, std::size_t size) {
      static_cast<Thing*>(self)->wire_.send({bytes, size});
    };
    port_.receive = [](void* self, std::uint8_t* buffer, std::size_t capacity) {
      return static_cast<Thing*>(self)->wire_.receive({buffer, capacity});
    };
    port_.time_ms = [](void* self) {
      const auto since = std::chrono::steady_clock::now() - static_cast<Thing*>(self)->start_;
      const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
      return static_cast<std::uint32_t>(ms) * kFaster;
    };
    port_.random = [](void*, std::uint8_t* out, std::size_t size) { std::fill_n(out, size, std::uint8_t{7}); };
    port_.nonvolatile = [](void*, hr_shim_nonvolatile, std::uint8_t*) { return true; };
    if (!key.empty()) {
      REQUIRE(key.size() == sizeof key_);
      std::memcpy(&key_, key.data(), sizeof key_);
      REQUIRE(hr_sealed_init(&sealed, &key_, &hr_seal_mbedtls, &port_));
    }
    hr_shim_init(&shim, &config_, key.empty() ? &port_ : hr_sealed_port(&sealed), store_.data(), store_.size());
  }
  Thing(const Thing&) = delete;
  Thing& operator=(const Thing&) = delete;

  void poll() {
    const std::uint32_t due = hr_shim_poll(&shim) / kFaster;
    wire_.wait(static_cast<int>(std::min<std::uint32_t>(due, 20)));
  }
  bool publish(const std::string& text, std::uint8_t qos) {
    return hr_shim_publish(&shim, 0, qos, false, text.data(), text.size()) == HR_SHIM_DONE;
  }

  hr_shim shim{};
  hr_sealed sealed{};
  std::vector<std::string> got;

 private:
  Wire& wire_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  hr_shim_config config_{};
  hr_shim_port port_{};
  hr_sealed_key key_{};
  std::array<std::uint8_t, 256> store_{};
};

// Ends with what the condition wants, or fails.
template <class Condition>
void poll_until(Thing& thing, const Daemon& daemon, Condition holds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{600};
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) FAIL("the thing waits in vain; the daemon said:\n" + daemon.log());
    thing.poll();
  }
}

enum class Sealing : bool { kPlain, kSealed };

// Publishes so many readings over a bad line while the daemon is killed; what is stored then.
std::vector<std::size_t> readings_over_bad_line(std::size_t count, std::size_t kills, std::uint8_t qos,
                                                Sealing sealing = Sealing::kPlain) {
  SeededRandom random{pick_seed("things over a bad line")};
  BadSerialWire wire{random};
  Daemon daemon{{.settings = "\"things\": {\"serial\": [\"tcp:127.0.0.1:" + std::to_string(wire.port()) +
                             (sealing == Sealing::kSealed ? "\"]}" : "\"], \"plaintext\": \"accepted\"}")}};
  const std::string key = sealing == Sealing::kSealed ? daemon.add_thing("barn-1") : std::string{};
  daemon.start();
  Thing thing{wire, nullptr, key};
  std::size_t published = 0;
  std::size_t killed = 0;
  poll_until(thing, daemon, [&] {
    while (published < count && thing.publish(std::to_string(published + 1), qos)) ++published;
    if (killed < kills && thing.shim.counts.acknowledged > (killed + 1) * count / (kills + 1)) {
      daemon.restart();
      ++killed;
    }
    return published == count && hr_shim_waiting(&thing.shim) == 0;
  });
  CHECK(killed == kills);
  CHECK(wire.damaged() > 0);
  CHECK(thing.shim.counts.refused == 0);
  return stored_readings(daemon, kTopics[0]);
}

constexpr std::size_t kReadings = 1'000;
constexpr std::size_t kKills = 5;

TEST_CASE("QoS 2 readings over a bad line are stored exactly once, in order, though the daemon is killed",
          "[e2e][things][G1]") {
  CHECK(readings_over_bad_line(kReadings, kKills, 2) == numbers_to(kReadings));
}

TEST_CASE("QoS 1 readings over a bad line have no gap, in order, though the daemon is killed", "[e2e][things][G1]") {
  const std::vector<std::size_t> readings = readings_over_bad_line(kReadings, kKills, 1);
  CHECK(first_copies(readings) == numbers_to(kReadings));
  CHECK(readings.size() <= kReadings + kKills);
}

TEST_CASE("sealed QoS 2 readings over a bad line are stored exactly once, in order, though the daemon is killed",
          "[e2e][things][G1][G7]") {
  CHECK(readings_over_bad_line(300, 3, 2, Sealing::kSealed) == numbers_to(300));
}

TEST_CASE("a sealed thing may do what the rules grant its name, until it is revoked", "[e2e][things][G7][G8]") {
  SeededRandom random{pick_seed("a sealed thing")};
  BadSerialWire wire{random};
  Daemon daemon{
      {.settings = "\"things\": {\"serial\": [\"tcp:127.0.0.1:" + std::to_string(wire.port()) +
                   R"("]}, "access": [{ "thing": "barn-*", "publish": ["barn/reading"], "subscribe": ["set/%n"] }])"}};
  daemon.start();
  const std::string key = daemon.add_thing("barn-1");  // while it runs
  mosquitto_pub(daemon.port(), "set/barn-1", "on", {"-q", "1", "-r"});
  constexpr hr_shim_subscription kSet = {.filter = "set/barn-1", .qos = 1};
  Thing thing{wire, &kSet, key};
  REQUIRE(thing.publish("21", 1));
  poll_until(thing, daemon, [&] { return thing.shim.counts.acknowledged == 1 && !thing.got.empty(); });
  CHECK(thing.got.front() == "set/barn-1=on");
  CHECK(stored_readings(daemon, kTopics[0]) == std::vector<std::size_t>{21});

  // A configuration that is broken meanwhile keeps nobody in.
  std::ofstream(daemon.data().parent_path() / "hedgerow.json") << "{";
  daemon.revoke_thing("barn-1");
  REQUIRE(thing.publish("22", 1));
  poll_until(thing, daemon, [&] { return daemon.log().find("has no key here") != std::string::npos; });
  CHECK(thing.shim.counts.acknowledged == 1);
  CHECK(stored_readings(daemon, kTopics[0]) == std::vector<std::size_t>{21});
}

TEST_CASE("a line takes nothing that is not sealed, unless plaintext is accepted", "[e2e][things][G7]") {
  SeededRandom random{pick_seed("a plain thing")};
  BadSerialWire wire{random};
  Daemon daemon{{.settings = "\"things\": {\"serial\": [\"tcp:127.0.0.1:" + std::to_string(wire.port()) + "\"]}"}};
  daemon.start();
  Thing thing{wire};
  REQUIRE(thing.publish("21", 1));
  poll_until(thing, daemon, [&] { return daemon.log().find("what comes is not sealed") != std::string::npos; });
  CHECK(thing.shim.counts.connects == 0);
}

TEST_CASE("a client that knows no frames talks over a raw line", "[e2e][things]") {
  RawSerialWire wire;
  Daemon daemon{{.settings = "\"things\": {\"serial\": [\"raw:tcp:127.0.0.1:" + std::to_string(wire.port()) +
                             "\"], \"plaintext\": \"accepted\"}"}};
  daemon.start();
  Thing thing{wire};
  for (int n = 1; n <= 20; ++n) {
    poll_until(thing, daemon, [&] { return thing.publish(std::to_string(n), 1); });
  }
  poll_until(thing, daemon, [&] { return hr_shim_waiting(&thing.shim) == 0; });
  CHECK(stored_readings(daemon, kTopics[0]) == numbers_to(20));
}

TEST_CASE("a thing over UDP talks with programs, retained messages and all", "[e2e][things]") {
  const PortLease port;
  Daemon daemon{{.settings = "\"things\": {\"udp\": \"127.0.0.1:" + std::to_string(port.port()) + "\"}"}};
  daemon.start();
  mosquitto_pub(daemon.port(), "set/pump", "on", {"-q", "1", "-r"});
  UdpWire wire{port.port()};
  constexpr hr_shim_subscription kSet = {.filter = "set/+", .qos = 1};
  Thing thing{wire, &kSet};
  poll_until(thing, daemon, [&] { return !thing.got.empty(); });
  CHECK(thing.got.front() == "set/pump=on");
  MosquittoSub subscriber(daemon.port(), {"barn/#"}, {"-q", "1"});
  REQUIRE(thing.publish("21", 1));
  poll_until(thing, daemon, [&] { return thing.shim.counts.acknowledged == 1; });
  CHECK(subscriber.next() == "1 0 barn/reading 21");
}

}  // namespace
}  // namespace hedgerow::test
