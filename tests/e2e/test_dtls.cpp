// Things over DTLS at the real daemon: our client with connection ids, and OpenSSL's.
#include <poll.h>
#include <sys/stat.h>

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <fstream>
#include <functional>
#include <iterator>
#include <stdexcept>
#include <string>
#include <thread>

#include "security/pki_mbedtls/identity_files.hpp"
#include "tests/e2e/bad_line.hpp"
#include "tests/e2e/mosquitto.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/dtls_client.hpp"

namespace hedgerow::test {
namespace {

// MQTT-SN 1.2, with topics of two characters.
const std::string kConnect(
    "\x0C\x04\x04\x01\x00\x3C"
    "sensor",
    12);
const std::string kConnack("\x03\x05\x00", 3);
const std::string kPingreq("\x02\x16", 2);
const std::string kPingresp("\x02\x17", 2);
std::string publish(char msg_id, std::string_view topic, std::string_view text) {
  return std::string{static_cast<char>(7 + text.size()), '\x0C', '\x22'} + std::string(topic) + '\0' + msg_id +
         std::string(text);
}
std::string puback(char msg_id, std::string_view topic, char code) {
  return std::string{'\x07', '\x0D'} + std::string(topic) + '\0' + msg_id + code;
}
std::string subscribe(char msg_id, std::string_view topic) {
  return std::string{'\x07', '\x12', '\x22', '\0', msg_id} + std::string(topic);
}

Instant real_now() {
  return Instant{std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch())};
}

// A DTLS client on a socket.
class Thing {
 public:
  Thing(const DtlsClientOptions& options, std::uint16_t port) : client_(options), port_(port) { move(); }
  ~Thing() { ::close(fd_); }
  Thing(const Thing&) = delete;
  Thing& operator=(const Thing&) = delete;

  // Goes on from another port, as behind a router that has forgotten.
  void move() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const sockaddr_in address = loopback(port_);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      throw std::runtime_error("connect");
    }
  }
  void say(const std::string& message) { client_.send_message(real_now(), message); }
  bool wait_until(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!holds()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      client_.on_time(real_now());
      for (; !client_.out.empty(); client_.out.pop_front()) {
        static_cast<void>(::send(fd_, client_.out.front().data(), client_.out.front().size(), 0));
      }
      pollfd ready{.fd = fd_, .events = POLLIN, .revents = 0};
      ::poll(&ready, 1, 100);
      Bytes datagram(65'536);
      const ssize_t size = ::recv(fd_, datagram.data(), datagram.size(), 0);
      if (size > 0) client_.feed(real_now(), ByteView{datagram}.first(static_cast<std::size_t>(size)));
    }
    return true;
  }
  bool opens() {
    return wait_until([this] { return client_.open() || client_.failure != 0; }) && client_.open();
  }
  // The next message, or nothing when none comes.
  std::string heard() {
    static_cast<void>(wait_until([this] { return client_.messages.size() > heard_ || client_.failure != 0; }));
    return client_.messages.size() > heard_ ? client_.messages[heard_++] : std::string();
  }
  [[nodiscard]] const DtlsClient& client() const { return client_; }

 private:
  DtlsClient client_;
  std::uint16_t port_;
  int fd_ = -1;
  std::size_t heard_ = 0;
};

Finished hedgerow(const Daemon& daemon, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"--data", daemon.data().string()});
  return run(Programs::native().command("hedgerow", arguments));
}

Bytes from_hex(std::string_view text) {
  Bytes bytes;
  for (std::size_t at = 0; at + 1 < text.size(); at += 2) {
    bytes.push_back(static_cast<std::uint8_t>(std::stoul(std::string(text.substr(at, 2)), nullptr, 16)));
  }
  return bytes;
}

// Two topics, of which each thing and certificate has one.
struct Field {
  Field() {
    daemon.set_settings("\"things\": {\"dtls\": \"127.0.0.1:" + std::to_string(port.port()) +
                        "\"}, \"access\": [{\"thing\": \"barn-*\", \"listener\": \"things\", \"publish\": [\"hb\"], "
                        "\"subscribe\": [\"hb\"]}, {\"name\": \"pump\", \"publish\": [\"pu\"]}]");
  }
  // As the id and the key in hexadecimal digits.
  std::string add(const std::string& name) {
    const Finished added = hedgerow(daemon, {"thing", "add", name, "--hex"});
    REQUIRE(added.status == ExitStatus{.code = 0});
    REQUIRE(added.out.size() >= 48);
    return added.out.substr(0, 48);
  }
  PortLease port;
  Daemon daemon{{}};
};

TEST_CASE_METHOD(Field, "a thing over DTLS is known by its key, wherever it comes from, until it is revoked",
                 "[e2e][things][dtls][G7][G8]") {
  daemon.start();
  const std::string hex = add("barn-1");
  MosquittoSub subscriber(daemon.port(), {"+"}, {"-q", "1"});
  Thing thing({.identity = "barn-1", .key = from_hex(hex.substr(16)), .connection_id = true}, port.port());
  REQUIRE(thing.opens());
  thing.say(kConnect);
  CHECK(thing.heard() == kConnack);
  thing.say(publish(1, "hb", "21"));
  CHECK(thing.heard() == puback(1, "hb", 0));
  CHECK(subscriber.next() == "1 0 hb 21");
  thing.say(publish(2, "pu", "22"));
  CHECK(thing.heard() == puback(2, "pu", 3));

  thing.move();
  thing.say(kPingreq);
  CHECK(thing.heard() == kPingresp);
  thing.say(subscribe(3, "hb"));
  CHECK(thing.heard().substr(0, 2) == "\x08\x13");
  mosquitto_pub(daemon.port(), "hb", "down", {"-q", "0"});
  CHECK(thing.heard().substr(7) == "down");

  REQUIRE(hedgerow(daemon, {"thing", "revoke", "barn-1"}).status == ExitStatus{.code = 0});
  CHECK(thing.wait_until([&] { return thing.client().failure != 0; }));
  CHECK(thing.client().failure == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY);
  Thing again({.identity = "barn-1", .key = from_hex(hex.substr(16))}, port.port());
  CHECK_FALSE(again.opens());
  CHECK(daemon.process().wait_for_line(Output::kError, "no thing \"barn-1\" is known here"));
}

TEST_CASE_METHOD(Field, "a program over DTLS is known by its certificate", "[e2e][things][dtls][G7]") {
  const Authority authority;
  authority.enrol(daemon);
  daemon.start();
  const TemporaryDirectory home;
  authority.issue("pump", home.path() / "pump", "app");
  const auto identity = security::load_identity(home.path() / "pump");
  REQUIRE(identity);
  MosquittoSub subscriber(daemon.port(), {"+"}, {"-q", "1"});
  Thing thing({.certificate = &*identity}, port.port());
  REQUIRE(thing.opens());
  thing.say(kConnect);
  CHECK(thing.heard() == kConnack);
  thing.say(publish(1, "pu", "on"));
  CHECK(thing.heard() == puback(1, "pu", 0));
  CHECK(subscriber.next() == "1 0 pu on");
  thing.say(publish(2, "hb", "on"));
  CHECK(thing.heard() == puback(2, "hb", 3));
}

// What a program has written to a file so far.
bool wait_for_file(const std::filesystem::path& path, const std::string& content) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    std::ifstream file(path, std::ios::binary);
    const std::string now((std::istreambuf_iterator<char>(file)), {});
    if (now == content) return true;
    if (std::chrono::steady_clock::now() > deadline) {
      UNSCOPED_INFO("it has " << to_hex(as_bytes(now)));
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
  }
}

TEST_CASE_METHOD(Field, "OpenSSL's client comes in by a key, by name or by id", "[e2e][things][dtls][G7]") {
  daemon.start();
  const std::string hex = add("barn-2");
  MosquittoSub subscriber(daemon.port(), {"+"}, {"-q", "1"});
  std::size_t readings = 0;
  for (const std::string& way : {std::string{"-psk_identity barn-2"}, "-psk_identity " + hex.substr(0, 16),
                                 std::string{"-psk_identity barn-2 -cipher PSK-AES128-CCM8@SECLEVEL=0"}}) {
    INFO(way);
    const TemporaryDirectory home;
    const std::string in = (home.path() / "in").string();
    const std::string out = (home.path() / "out").string();
    REQUIRE(::mkfifo(in.c_str(), 0600) == 0);
    Process client(Process::Options{
        .arguments = {"sh", "-c",
                      "exec openssl s_client -dtls1_2 -quiet -connect 127.0.0.1:" + std::to_string(port.port()) +
                          " -psk " + hex.substr(16) + " " + way + " <" + in + " >" + out},
        .environment = {},
        .input = {}});
    std::ofstream to_client(in, std::ios::binary);
    to_client << kConnect << std::flush;
    REQUIRE(wait_for_file(out, kConnack));
    const std::string text = std::to_string(++readings);
    to_client << publish(1, "hb", text) << std::flush;
    CHECK(wait_for_file(out, kConnack + puback(1, "hb", 0)));
    CHECK(subscriber.next() == "1 0 hb " + text);
  }
  CHECK(readings == 3);
}

}  // namespace
}  // namespace hedgerow::test
