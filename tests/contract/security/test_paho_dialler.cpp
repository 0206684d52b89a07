#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "daemon/link_paho/limits.hpp"
#include "daemon/link_paho/paho_dialler.hpp"
#include "security/pki_mbedtls/authority.hpp"
#include "tests/contract/security/mosquitto.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace hedgerow;
using namespace hedgerow::security;
using namespace std::chrono_literals;

namespace {

constexpr auto kPatience = 60s;

// The loop thread of these tests: the test itself, running what was posted until something is true.
class Loop {
 public:
  link_paho::Post poster() {
    return [this](std::function<void()> task) {
      {
        const std::lock_guard lock(mutex_);
        tasks_.push_back(std::move(task));
      }
      wake_.notify_all();
    };
  }

  template <class Condition>
  bool run_until(Condition condition, std::chrono::seconds patience = kPatience) {
    const auto until = std::chrono::steady_clock::now() + patience;
    std::unique_lock lock(mutex_);
    for (;;) {
      while (!tasks_.empty()) {
        const auto task = std::move(tasks_.front());
        tasks_.pop_front();
        lock.unlock();
        task();
        lock.lock();
      }
      if (condition()) return true;
      if (!wake_.wait_until(lock, until, [&] { return !tasks_.empty(); })) return false;
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
};

struct Recorder final : link_paho::DialEvents {
  void on_up(const PeerIdentity& peer) override {
    peers.push_back(peer);
    up = true;
    thread = std::this_thread::get_id();
  }
  void on_message(std::string topic, Bytes payload) override {
    topics.push_back(std::move(topic));
    messages.push_back(std::move(payload));
  }
  void on_down(std::string reason) override {
    up = false;
    reasons.push_back(std::move(reason));
  }

  bool up = false;
  std::thread::id thread;
  std::vector<PeerIdentity> peers;
  std::vector<std::string> topics;
  std::vector<Bytes> messages;
  std::vector<std::string> reasons;
};

struct Mesh {
  Mesh() {
    REQUIRE(create_authority(directory.path() / "orchard", "orchard"));
    issue("barn");
    house = issue("house");
  }

  Identity issue(const char* name, const char* authority = "orchard") {
    const auto to = directory.path() / name;
    REQUIRE(issue_node(directory.path() / authority / "authority", name, to));
    auto identity = load_identity(to);
    REQUIRE(identity);
    return *std::move(identity);
  }

  [[nodiscard]] test::Mosquitto broker() const {
    return test::Mosquitto(port, directory.path() / "barn/identity", directory.path());
  }

  std::unique_ptr<link_paho::Dialler> dial(const Identity& identity) {
    auto tls = TlsContext::create(identity);
    REQUIRE(tls);
    auto dialler = link_paho::make_dialler({.host_port = "localhost:" + std::to_string(port),
                                            .client_id = "hedgerow-link-" + identity.self.node,
                                            .node = identity.self.node,
                                            .mesh = "orchard",
                                            .tls = *tls},
                                           loop.poster(), recorder);
    dialler->start();
    return dialler;
  }

  test::TemporaryDirectory directory;
  Identity house;
  int port = test::free_port();
  Loop loop;
  Recorder recorder;
};

// What we publish there comes back to us: the broker carries it both ways.
constexpr const char* kEcho = "hedgerow/orchard/link/house/house";

Bytes message(std::size_t number, std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(number * 131 + i * 7 + i / 253);
  return bytes;
}

}  // namespace

TEST_CASE_METHOD(Mesh, "a link comes up on the loop thread and knows its peer", "[link][G7]") {
  const auto mosquitto = broker();
  const auto dialler = dial(house);
  REQUIRE(loop.run_until([&] { return recorder.up; }));
  CHECK(recorder.thread == std::this_thread::get_id());
  CHECK(recorder.peers.front() == PeerIdentity{.mesh = "orchard", .node = "barn", .role = Role::kNode});
  CHECK(recorder.reasons.empty());
}

TEST_CASE_METHOD(Mesh, "a link comes up once, and what it carries comes once", "[link]") {
  const auto mosquitto = broker();
  const auto dialler = dial(house);
  REQUIRE(loop.run_until([&] { return recorder.up; }));
  CHECK(dialler->send(kEcho, message(1, 10)));
  CHECK(dialler->send(kEcho, message(2, 10)));
  REQUIRE(loop.run_until([&] { return recorder.messages.size() == 2; }));
  CHECK(recorder.messages == std::vector{message(1, 10), message(2, 10)});
  CHECK(recorder.peers.size() == 1);
}

TEST_CASE_METHOD(Mesh, "1,000 messages, 20 of them of 1 MB, arrive intact and in order both ways", "[link]") {
  const auto mosquitto = broker();
  const auto dialler = dial(house);
  REQUIRE(loop.run_until([&] { return recorder.up; }));
  const auto size = [](std::size_t i) { return i % 50 == 49 ? std::size_t{1} << 20U : i % 700; };
  std::size_t sent = 0;
  while (sent < 1000) {
    if (dialler->send(kEcho, message(sent, size(sent)))) {
      ++sent;
      continue;
    }
    const std::size_t before = recorder.messages.size();
    REQUIRE(loop.run_until([&] { return recorder.messages.size() > before; }));
  }
  REQUIRE(loop.run_until([&] { return recorder.messages.size() == 1000; }));
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < 1000; ++i) wrong += recorder.messages[i] == message(i, size(i)) ? 0U : 1U;
  CHECK(wrong == 0);
  CHECK(recorder.topics.front() == kEcho);
  CHECK(recorder.reasons.empty());
}

TEST_CASE_METHOD(Mesh, "send refuses beyond its bound, and what was taken is counted until it left", "[link][G6]") {
  const auto mosquitto = broker();
  const auto dialler = dial(house);
  REQUIRE(loop.run_until([&] { return recorder.up; }));
  CHECK_FALSE(dialler->send(kEcho, Bytes((std::size_t{8} << 20U) + 1)));
  std::size_t taken = 0;
  while (dialler->send(kEcho, message(taken, std::size_t{1} << 20U)) && taken < 1000) ++taken;
  CHECK(taken < 1000);
  CHECK(dialler->queued_bytes() <= std::size_t{8} << 20U);
  REQUIRE(loop.run_until([&] { return recorder.messages.size() == taken; }));
  while (dialler->queued_bytes() != 0) std::this_thread::yield();
  CHECK(dialler->send(kEcho, Bytes(1)));
}

TEST_CASE_METHOD(Mesh, "a broker of another authority is refused", "[link][G7]") {
  REQUIRE(create_authority(directory.path() / "foreign", "orchard"));
  const Identity stranger = issue("stranger", "foreign");
  const auto mosquitto = broker();
  const auto dialler = dial(stranger);
  REQUIRE(loop.run_until([&] { return !recorder.reasons.empty(); }));
  CHECK(recorder.reasons.front() == "certificate of another authority: the peer is no member of mesh \"orchard\"");
  CHECK(recorder.peers.empty());
}

TEST_CASE_METHOD(Mesh, "a broker that refuses our certificate is reported as such", "[link][G7]") {
  REQUIRE(create_authority(directory.path() / "foreign", "orchard"));
  Identity liar = issue("stranger", "foreign");
  liar.authority_pem = house.authority_pem;
  const auto mosquitto = broker();
  const auto dialler = dial(liar);
  REQUIRE(loop.run_until([&] { return !recorder.reasons.empty(); }));
  CAPTURE(recorder.reasons.front());
  CHECK(recorder.reasons.front().find("the peer refuses our certificate") == 0);
  CHECK(recorder.peers.empty());
}

TEST_CASE_METHOD(Mesh, "a broker that dies is reported, and dialled until it is back", "[link]") {
  std::optional<test::Mosquitto> mosquitto;
  mosquitto.emplace(port, directory.path() / "barn/identity", directory.path());
  const auto dialler = dial(house);
  REQUIRE(loop.run_until([&] { return recorder.up; }));
  mosquitto->kill();
  REQUIRE(loop.run_until([&] { return !recorder.up; }));
  CHECK_FALSE(recorder.reasons.front().empty());
  CHECK_FALSE(dialler->send(kEcho, Bytes(1)));
  CHECK(dialler->queued_bytes() == 0);
  mosquitto.emplace(port, directory.path() / "barn/identity", directory.path());
  REQUIRE(loop.run_until([&] { return recorder.up; }));
  CHECK(dialler->send(kEcho, message(1, 100)));
  REQUIRE(loop.run_until([&] { return recorder.messages.size() == 1; }));
  CHECK(recorder.messages.front() == message(1, 100));
}

TEST_CASE_METHOD(Mesh, "nobody at the address is reported and dialled again", "[link]") {
  const auto dialler = dial(house);
  REQUIRE(loop.run_until([&] { return recorder.reasons.size() >= 2; }));
  CHECK(recorder.peers.empty());
}

TEST_CASE_METHOD(Mesh, "no event comes after stop", "[link]") {
  const auto mosquitto = broker();
  const auto dialler = dial(house);
  REQUIRE(loop.run_until([&] { return recorder.up; }));
  for (std::size_t i = 0; i < 100; ++i) CHECK(dialler->send(kEcho, message(i, 1000)));
  dialler->stop();
  const std::size_t before = recorder.messages.size();
  CHECK_FALSE(loop.run_until([&] { return recorder.messages.size() > before || !recorder.up; }, 1s));
  CHECK_FALSE(dialler->send(kEcho, Bytes(1)));
  dialler->stop();
}

TEST_CASE_METHOD(Mesh, "stop ends within half a second, connected or not", "[link]") {
  const auto stop_time = [](link_paho::Dialler& dialler) {
    const auto before = std::chrono::steady_clock::now();
    dialler.stop();
    return std::chrono::steady_clock::now() - before;
  };
  std::optional<test::Mosquitto> mosquitto;
  mosquitto.emplace(port, directory.path() / "barn/identity", directory.path());
  auto dialler = dial(house);
  REQUIRE(loop.run_until([&] { return recorder.up; }));
  CHECK(stop_time(*dialler) < 500ms);
  mosquitto.reset();
  dialler = dial(house);
  REQUIRE(loop.run_until([&] { return !recorder.reasons.empty(); }));
  CHECK(stop_time(*dialler) < 500ms);
  dialler = dial(house);
  CHECK(stop_time(*dialler) < 500ms);
}

TEST_CASE_METHOD(Mesh, "the peer is told how large a packet may be", "[link][G6]") {
  const auto mosquitto = broker();
  const auto dialler = dial(house);
  REQUIRE(loop.run_until([&] { return recorder.up; }));
  // The broker knows our Maximum Packet Size and keeps this one to itself; the link lives on.
  CHECK(dialler->send(kEcho, Bytes(link_paho::kPacketBytesMax + 1)));
  CHECK(dialler->send(kEcho, message(1, 10)));
  REQUIRE(loop.run_until([&] { return recorder.messages.size() == 1; }));
  CHECK(recorder.messages.front() == message(1, 10));
  CHECK(recorder.reasons.empty());
}

TEST_CASE_METHOD(Mesh, "two links live side by side and end one by one", "[link]") {
  const auto mosquitto = broker();
  const auto first = dial(house);
  REQUIRE(loop.run_until([&] { return recorder.up; }));
  Recorder second_recorder;
  const Identity shed = issue("shed");
  const auto second = link_paho::make_dialler({.host_port = "127.0.0.1:" + std::to_string(port),
                                               .client_id = "hedgerow-link-shed",
                                               .node = "shed",
                                               .mesh = "orchard",
                                               .tls = TlsContext::create(shed).value()},
                                              loop.poster(), second_recorder);
  second->start();
  REQUIRE(loop.run_until([&] { return second_recorder.up; }));
  CHECK(first->send("hedgerow/orchard/link/shed/house", message(7, 5000)));
  REQUIRE(loop.run_until([&] { return second_recorder.messages.size() == 1; }));
  CHECK(second_recorder.topics.front() == "hedgerow/orchard/link/shed/house");
  first->stop();
  CHECK(second->send("hedgerow/orchard/link/shed/shed", message(8, 10)));
  REQUIRE(loop.run_until([&] { return second_recorder.messages.size() == 2; }));
}

TEST_CASE_METHOD(Mesh, "an address that is none is reported once", "[link]") {
  auto tls = TlsContext::create(house);
  REQUIRE(tls);
  const auto dialler = link_paho::make_dialler(
      {.host_port = "nonsense", .client_id = "x", .node = "house", .mesh = "orchard", .tls = *tls}, loop.poster(),
      recorder);
  dialler->start();
  REQUIRE(loop.run_until([&] { return !recorder.reasons.empty(); }));
  CHECK(recorder.reasons.front() == "\"nonsense\" is no peer: write HOST:PORT or [IPV6]:PORT");
}
