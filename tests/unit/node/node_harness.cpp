#include "tests/unit/node/node_harness.hpp"

#include <catch2/catch_test_macros.hpp>

namespace hedgerow::test {

NodeHarness::NodeHarness() {
  REQUIRE(security::init_crypto());
  start();
}

NodeHarness::~NodeHarness() = default;

void NodeHarness::start() {
  config::Config config;
  config.channels = {config::system_channel(), config::default_channel()};
  config.channels.insert(config.channels.end(), more_channels.begin(), more_channels.end());
  for (config::Channel& channel : config.channels) channel.conflate = conflate;
  engine = std::make_unique<sync::Engine>(storage, hasher);
  std::vector<sync::ChannelSettings> settings;
  for (const config::Channel& channel : config.channels) {
    settings.push_back({.name = channel.name,
                        .keep = {.age_ms = 86'400'000, .size_bytes = channel.keep.size_bytes},
                        .merge = channel.merge,
                        .live_cells_max = retained_max});
  }
  REQUIRE(engine->open(settings, sync::ReplicaId{99}));
  store_turn.emplace(*engine, session_store, remote_commit);
  auto state = node::load_state(*engine, session_store, wall);
  REQUIRE(state);
  node = std::make_unique<node::Node>(
      now,
      node::NodeSettings{
          .mesh = "orchard", .name = "gw-barn", .version = "test", .connection_limits = {}, .limits = limits},
      node::NodePorts{.store = *this,
                      .access = access,
                      .read_hasher = read_hasher,
                      .compressor = compressor,
                      .wall_clock = [this] { return wall; },
                      .random = [this] { return ++next_random_; },
                      .log = [this](const std::string& line) { log.push_back(line); },
                      .on_deadline = [] {},
                      .on_fatal = [this](const Error& error) { fatal = error; }},
      node::ChannelTable(config.channels, engine->channels()), std::move(*state));
}

void FakeAccess::authenticate(Instant now, const node::Arrived& arrived, Credentials credentials, Verdict then) {
  if (arrived.identity) {
    return then(now, security::Principal{.kind = security::Principal::Kind::kCertificate,
                                         .name = arrived.identity->node,
                                         .role = arrived.identity->role,
                                         .listener = arrived.listener,
                                         .client_id = credentials.client_id,
                                         .loopback = true});
  }
  if (arrived.thing) {
    return then(now, security::Principal{.kind = security::Principal::Kind::kThing,
                                         .name = *arrived.thing,
                                         .role = {},
                                         .listener = arrived.listener,
                                         .client_id = credentials.client_id,
                                         .loopback = true});
  }
  if (credentials.username == "mallory") return then(now, tl::unexpected(Denial::kWrongPassword));
  const bool named = credentials.username.has_value();
  then(now,
       security::Principal{.kind = named ? security::Principal::Kind::kUser : security::Principal::Kind::kAnonymous,
                           .name = credentials.username.value_or(""),
                           .role = {},
                           .listener = arrived.listener,
                           .client_id = credentials.client_id,
                           .loopback = arrived.address.empty()});
}

void NodeHarness::commit() {
  if (intents.empty()) return;
  std::vector<node::Intent> turn;
  turn.swap(intents);
  if (store_turn->must_commit_before(turn)) commit_open();
  node->on_turn(now, store_turn->run(wall, turn));
}

void NodeHarness::commit_open() {
  REQUIRE(store_turn->is_open());
  node->on_turn(now, store_turn->commit(wall));
}

void NodeHarness::answer_reads() {
  while (!reads.empty()) {
    Read read = std::move(reads.front());
    reads.pop_front();
    auto view = storage.open_view();
    REQUIRE(view);
    if (const node::Continuation then = read.job(**view)) then(now);
  }
  node->flush();
}

void NodeHarness::settle() {
  while (!intents.empty() || !reads.empty()) {
    commit();
    answer_reads();
  }
}

void NodeHarness::advance(Duration time) {
  now += time;
  wall.unix_ms += static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(time).count());
  node->on_timer(now);
}

void NodeHarness::restart() {
  intents.clear();
  reads.clear();
  storage.crash();
  node.reset();
  start();
}

TestClient::TestClient(NodeHarness& harness, const ConnectOut& connect, node::Arrived arrived, bool settle)
    : harness_(harness), protocol_(connect.protocol) {
  if (arrived.listener.empty()) arrived.listener = "test";
  arrived.remote = "127.0.0.1:1";
  handler_ = harness.node->on_accept(harness.now, arrived, stream);
  REQUIRE(handler_ != nullptr);
  send(encode(connect));
  if (settle) harness.settle();
}

TestClient::TestClient(NodeHarness& harness, const ConnectOut& connect, node::Arrived arrived)
    : TestClient(harness, connect, std::move(arrived), true) {}

TestClient TestClient::unsettled(NodeHarness& harness, const ConnectOut& connect) {
  return TestClient(harness, connect, {}, false);
}

void TestClient::send(const Bytes& packets) { handler_->on_bytes(harness_.now, packets); }

std::vector<ServerPacket> TestClient::received() {
  const Bytes bytes = std::exchange(stream.sent, {});
  return split_packets(bytes);
}

std::vector<std::string> TestClient::messages(bool acknowledge) {
  std::vector<std::string> out;
  for (const ServerPacket& packet : received()) {
    if (packet.type != mqtt::PacketType::kPublish) continue;
    const std::size_t topic_bytes = std::size_t{packet.body[0]} * 256 + packet.body[1];
    std::string text(as_text(ByteView(packet.body).subspan(2, topic_bytes)));
    std::size_t at = 2 + topic_bytes;
    const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(packet.body[i]); };
    if ((packet.flags & 6U) != 0) {
      const auto id = static_cast<unsigned>(byte(at) * 256 + byte(at + 1));
      at += 2;
      if (acknowledge) send(encode_puback(id));
    }
    if (protocol_ == mqtt::Protocol::kV5) at += 1 + byte(at);
    text += "=" + std::string(as_text(ByteView(packet.body).subspan(at)));
    if ((packet.flags & 1U) != 0) text += " retained";
    if ((packet.flags & 8U) != 0) text += " dup";
    out.push_back(text);
  }
  return out;
}

TestClient::~TestClient() { drop(); }

void TestClient::drop() {
  if (handler_ != nullptr) handler_->on_closed(harness_.now, "reset by peer");
  handler_.reset();
}

void TestClient::drained() {
  stream.queued = 0;
  handler_->on_drained(harness_.now);
}

}  // namespace hedgerow::test
