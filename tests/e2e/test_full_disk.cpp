// A disk that is really full, beneath the real daemon: what cannot be kept is refused, what was acknowledged is kept,
// and service resumes by itself.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <optional>
#include <string>
#include <vector>

#include "tests/e2e/mosquitto.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/small_disk.hpp"

namespace hedgerow::test {
namespace {

using Catch::Matchers::ContainsSubstring;
using mqtt::PacketType;
using std::chrono::milliseconds;

constexpr unsigned kQuotaExceeded = 0x97;
constexpr std::size_t kDiskBytes = std::size_t{4} << 20U;

ConnectOut persistent(const std::string& client_id, bool clean_start) {
  return {.client_id = client_id, .clean_start = clean_start, .properties = property(0x11, u32(3600))};
}

// A node with its data on a small disk, and a session that is away and wants everything.
class SmallNode {
 public:
  explicit SmallNode(const std::string& channels = {}) : daemon({.channels = channels}) {
    auto mounted = SmallDisk::mount(daemon.data(), kDiskBytes);
    if (!mounted) SKIP("no disk can be filled: " << mounted.error().what);
    disk.emplace(std::move(*mounted));
    daemon.start();
    RawClient reader(daemon.port());
    REQUIRE(reader.connect(persistent("reader", true)).code() == 0);
    reader.subscribe({{"queue", 2}});
  }
  // Publishes, and notes what was acknowledged as taken.
  unsigned publish(RawClient& writer, unsigned qos) {
    const std::string payload = std::to_string(++last) + std::string(500, '.');
    const unsigned code = writer.publish({.topic = "queue", .payload = payload, .qos = qos});
    if (code < 0x80) taken.push_back(payload);
    return code;
  }
  // Fills the disk, and the last page of the database's own files.
  // A turn that comes upon the end of the log is refused before the log starts over: only the second in a row is the
  // end.
  void fill(RawClient& writer) {
    disk->fill();
    int refused = 0;
    for (int i = 0; i < 2000 && refused < 2; ++i) {
      const unsigned code = publish(writer, 1U + static_cast<unsigned>(i) % 2);
      if (code != 0) CHECK(code == kQuotaExceeded);
      refused = code == 0 ? 0 : refused + 1;
    }
    if (refused == 2) return;
    FAIL("a disk without room took 2000 messages");
  }
  RawClient client(const std::string& client_id) const {
    RawClient out(daemon.port());
    CHECK(out.connect({.client_id = client_id}).code() == 0);
    return out;
  }
  [[nodiscard]] bool has_alarm() const { return !daemon.status().alarms.empty(); }
  // What the session that was away gets is what was taken: all of it, nothing else, in order.
  void check_nothing_lost() const {
    RawClient back(daemon.port());
    REQUIRE(back.connect(persistent("reader", false)).session_present);
    for (const std::string& payload : taken) {
      const auto message = back.next_message();
      REQUIRE(message);
      REQUIRE(message->payload == payload);
    }
    CHECK_FALSE(back.next_message(milliseconds{300}));
  }

  Daemon daemon;
  std::optional<SmallDisk> disk;
  std::vector<std::string> taken;
  int last = 0;
};

// Its one channel keeps far less than the disk has room for.
class SmallKeep : public SmallNode {
 public:
  SmallKeep() : SmallNode(R"([{"name": "all", "filter": "#", "keep": {"age": "1h", "size": "256KiB"}}])") {}
  // How many of so many messages of 10 KB were refused.
  static int refused(RawClient& writer, int count) {
    const std::string payload(10'000, 'x');
    int out = 0;
    for (int i = 0; i < count; ++i)
      out += writer.publish({.topic = "flood", .payload = payload, .qos = 1}) == 0 ? 0 : 1;
    return out;
  }
};

}  // namespace

TEST_CASE_METHOD(SmallKeep, "a flood through a channel that keeps little does not fill the disk", "[e2e][G6]") {
  RawClient writer = client("writer");
  CHECK(refused(writer, 1500) == 0);
}

TEST_CASE_METHOD(SmallKeep, "a channel that has its size goes on while others fill the disk", "[e2e][G6]") {
  RawClient writer = client("writer");
  CHECK(refused(writer, 100) == 0);
  disk->fill();
  CHECK(refused(writer, 1000) == 0);
}

TEST_CASE("a node whose disk a channel filled goes on by itself once the channel may keep less", "[e2e][G6]") {
  SmallNode node(R"([{"name": "all", "filter": "#", "keep": {"age": "1h", "size": "1GiB"}}])");
  {
    RawClient writer = node.client("writer");
    while (SmallKeep::refused(writer, 1) == 0) {
    }
    node.disk->fill();
    CHECK(SmallKeep::refused(writer, 200) > 0);
  }
  node.daemon.set_channels(R"([{"name": "all", "filter": "#", "keep": {"age": "1h", "size": "256KiB"}}])");
  node.daemon.restart();
  RawClient writer = node.client("writer");
  CHECK(SmallKeep::refused(writer, 1000) == 0);
}

TEST_CASE_METHOD(SmallNode, "a full disk refuses what must be kept, and service resumes by itself when there is room",
                 "[e2e][G1][G6]") {
  RawClient writer = client("writer");
  for (int i = 0; i < 20; ++i) CHECK(publish(writer, 1) == 0);
  const pid_t before = daemon.process().pid();
  fill(writer);
  CHECK(publish(writer, 1) == kQuotaExceeded);
  CHECK(publish(writer, 2) == kQuotaExceeded);
  const std::string large(10'000, 'x');  // what is small may find a place in a page that is begun
  CHECK(writer.publish({.topic = "cell", .payload = large, .qos = 1, .retain = true}) == kQuotaExceeded);
  RawClient old(daemon.port());  // 3.1.1 has no such answer
  CHECK(old.connect({.protocol = mqtt::Protocol::kV311, .client_id = "old"}).code() == 0);
  old.send(encode(
      PublishSent{.protocol = mqtt::Protocol::kV311, .topic = "queue", .payload = large, .qos = 1, .packet_id = 1}));
  CHECK(old.closed_within());
  const ConnectOut newcomer = with_will(persistent("newcomer", true), {.payload = large});
  CHECK(RawClient(daemon.port()).connect(newcomer).code() == kQuotaExceeded);
  disk->free();
  CHECK(publish(writer, 1) == 0);
  CHECK(publish(writer, 2) == 0);
  CHECK(writer.publish({.topic = "cell", .payload = large, .qos = 1, .retain = true}) == 0);
  check_nothing_lost();
  CHECK(daemon.process().pid() == before);
}

TEST_CASE_METHOD(SmallNode, "live messages need no room", "[e2e][G6]") {
  RawClient writer = client("writer");
  fill(writer);
  RawClient reader = client("live");
  reader.subscribe({{"live", 0}});
  (void)writer.publish({.topic = "live", .payload = "now", .qos = 0});
  const auto message = reader.next_message();
  REQUIRE(message);
  CHECK(message->payload == "now");
}

TEST_CASE_METHOD(SmallNode, "status and health say that the disk is full, until it is not", "[e2e][G6]") {
  RawClient writer = client("writer");
  MosquittoSub watcher(daemon.port(), {"hedgerow/orchard/nodes/gw-barn/health"}, {"-q", "1"});
  CHECK_THAT(watcher.next(), ContainsSubstring(R"("alarms":[])"));
  CHECK_FALSE(has_alarm());
  fill(writer);
  CHECK(has_alarm());
  CHECK_THAT(daemon.status().alarms.front(), ContainsSubstring("the disk is full; free some room"));
  CHECK_THAT(watcher.next(), ContainsSubstring("the disk is full; free some room"));
  disk->free();
  CHECK(daemon.wait_for_status([](const StatusView& status) { return status.alarms.empty(); }));
  std::string health = watcher.next();
  while (health.find("the disk is full") != std::string::npos) health = watcher.next();
  CHECK_THAT(health, ContainsSubstring(R"("alarms":[])"));
}

TEST_CASE_METHOD(SmallNode, "kill -9 on a full disk loses nothing, and the node starts while it is full",
                 "[e2e][G1][G6]") {
  {
    RawClient writer = client("writer");
    for (int i = 0; i < 20; ++i) CHECK(publish(writer, 1U + static_cast<unsigned>(i) % 2) == 0);
    fill(writer);
  }
  daemon.kill();
  disk->fill();
  daemon.start();
  RawClient writer = client("writer");
  fill(writer);
  disk->free();
  CHECK(publish(writer, 1) == 0);
  check_nothing_lost();
}

TEST_CASE_METHOD(SmallNode, "a node starts without any room, and takes what must be kept as soon as there is some",
                 "[e2e][G1][G6]") {
  {
    RawClient writer = client("writer");
    for (int i = 0; i < 20; ++i) CHECK(publish(writer, 1U + static_cast<unsigned>(i) % 2) == 0);
  }
  const std::string replica = daemon.status().replica;
  REQUIRE(daemon.terminate() == ExitStatus{.code = 0, .signal = 0});
  disk->fill();
  daemon.start();
  CHECK(daemon.status().replica == replica);
  RawClient writer = client("writer");
  fill(writer);
  disk->free();
  CHECK(publish(writer, 1) == 0);
  check_nothing_lost();
}

TEST_CASE("a node whose disk was full gets from its peers what it missed, as soon as there is room", "[e2e][G3][G6]") {
  const Authority authority;
  Daemon barn({.node = "gw-barn"});
  Daemon house({.node = "gw-house", .peers = {barn.tls_port()}});
  const auto disk = SmallDisk::mount(house.data(), kDiskBytes);
  if (!disk) SKIP("no disk can be filled: " << disk.error().what);
  for (Daemon* node : {&barn, &house}) {
    authority.enrol(*node);
    node->start();
  }
  REQUIRE(wait_for_equal_digests({&barn, &house}));
  MosquittoSub at_barn(barn.port(), {"hedgerow/orchard/nodes/gw-house/health"}, {"-q", "1"});
  disk->fill();
  // Few: after each refusal it waits twice as long before it asks again, up to half a minute.
  const std::string large(20'000, 'x');
  for (const char* topic : {"cell/a", "cell/b"}) mosquitto_pub(barn.port(), topic, large, {"-q", "1", "-r"});
  CHECK(house.wait_for_status([](const StatusView& status) { return !status.alarms.empty(); }));
  const auto tells = [](std::string_view line) { return line.find("the disk is full") != std::string_view::npos; };
  CHECK(at_barn.process().wait_for_line(Output::kStandard, tells));  // its health, live
  disk->free();
  CHECK(wait_for_equal_digests({&barn, &house}));
  MosquittoSub at_house(house.port(), {"cell/b"}, {"-q", "1"});
  CHECK(at_house.next() == "1 1 cell/b " + large);
}

}  // namespace hedgerow::test
