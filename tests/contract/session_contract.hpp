// The contract of node::SessionStore: one suite for every implementation.
//
// Define SESSION_HARNESS as a default-constructible type, then include this file in one source of the test program:
//
//   class MyHarness {
//    public:
//     sync::Storage& storage();         // whose turns the sessions take part in
//     node::SessionStore& sessions();
//     void reopen();   // as after a power loss: what was committed is there again, what was not is gone
//   };
//   #define SESSION_HARNESS MyHarness
//   #include "tests/contract/session_contract.hpp"
//
// Each instance begins with an empty database.
#pragma once

#ifndef SESSION_HARNESS
#error "define SESSION_HARNESS before including session_contract.hpp"
#endif

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "daemon/node/session_store.hpp"
#include "sync/engine/storage.hpp"
#include "sync/limits.hpp"

namespace hedgerow::test::session_contract {

using node::StoredGroup;
using node::StoredRelease;
using node::StoredSession;
using node::StoredWill;

inline constexpr std::uint64_t kId = 0xFFFF'0000'1111'2222;  // needs all 64 bits
inline constexpr std::uint64_t kOther = 5;

inline StoredSession session(std::uint64_t id = kId) {
  return {.id = id,
          .owner = "pump",
          .client_id = "client/\xC3\xA9",
          .expiry_s = 0xFFFF'FFFF,
          .position = 12,
          .subscriptions = {{.filter = "a/#", .options = 0x2D, .identifier = 268'435'455, .start = 7},
                            {.filter = "b",
                             .options = 1,
                             .identifier = {},
                             .start = 9,
                             .retained_due = true,
                             .retained_channel = sync::ChannelNo{3},
                             .retained_topic = "b/\xC3\xA9",
                             .replay = node::StoredReplay{.since_ms = 5, .last = 1ULL << 40U, .after = 7}}}};
}

inline StoredWill will(std::uint64_t id = kId) {
  StoredWill out{.session = id,
                 .principal = {},
                 .expiry_s = 0xFFFF'FFFE,
                 .message = {},
                 .qos = 2,
                 .retain = true,
                 .delay_s = 0xFFFF'FFFF,
                 .died = {}};
  out.principal = security::Principal{.kind = security::Principal::Kind::kCertificate,
                                      .name = "pump",
                                      .role = security::Role::kAdmin,
                                      .listener = "tls",
                                      .client_id = "c",
                                      .loopback = true};
  out.message.topic = "status/\xC3\xA9";
  out.message.properties = to_bytes("props");
  out.message.payload = Bytes(300, 0x00);
  out.message.expiry_s = 0;
  return out;
}

class Fixture : public SESSION_HARNESS {
 public:
  template <class Work>
  void turn(Work work) {
    REQUIRE(this->storage().begin());
    work(this->sessions());
    REQUIRE(this->storage().commit());
  }
  void put(const StoredSession& one) {
    turn([&](node::SessionStore& to) { REQUIRE(to.put_session(one)); });
  }
  void put_release(std::uint64_t id, const StoredRelease& release) {
    turn([&](node::SessionStore& to) { REQUIRE(to.add_release(id, release)); });
  }
  std::vector<StoredSession> loaded() { return this->sessions().load_sessions().value(); }
  std::vector<StoredWill> wills() { return this->sessions().load_wills().value(); }
  std::vector<StoredGroup> groups() { return this->sessions().load_groups().value(); }
  // "identifier@arrival" of each release of the only session.
  std::vector<std::string> releases() {
    std::vector<std::string> out;
    const auto all = loaded();
    REQUIRE(all.size() == 1);
    for (const StoredRelease& release : all[0].releases) {
      out.push_back(std::to_string(release.packet_id) + "@" + std::to_string(release.arrival));
    }
    return out;
  }
  using Releases = std::vector<std::string>;
  using Received = std::vector<std::uint16_t>;
};

TEST_CASE_METHOD(Fixture, "a new database knows no session, no will and no group", "[sessions][contract]") {
  CHECK(loaded().empty());
  CHECK(wills().empty());
  CHECK(groups().empty());
}

TEST_CASE_METHOD(Fixture, "a session comes back as it was stored", "[sessions][contract]") {
  put(session());
  reopen();
  const auto all = loaded();
  REQUIRE(all.size() == 1);
  const StoredSession stored = session();
  CHECK(all[0].id == kId);
  CHECK(all[0].owner == stored.owner);
  CHECK(all[0].client_id == stored.client_id);
  CHECK(all[0].expiry_s == 0xFFFF'FFFF);
  CHECK(all[0].position == 12);
  REQUIRE(all[0].subscriptions.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(all[0].subscriptions[i].filter == stored.subscriptions[i].filter);
    CHECK(all[0].subscriptions[i].options == stored.subscriptions[i].options);
    CHECK(all[0].subscriptions[i].identifier == stored.subscriptions[i].identifier);
    CHECK(all[0].subscriptions[i].start == stored.subscriptions[i].start);
    CHECK(all[0].subscriptions[i].retained_due == stored.subscriptions[i].retained_due);
    CHECK(all[0].subscriptions[i].retained_channel == stored.subscriptions[i].retained_channel);
    CHECK(all[0].subscriptions[i].retained_topic == stored.subscriptions[i].retained_topic);
    CHECK(all[0].subscriptions[i].replay == stored.subscriptions[i].replay);
  }
}

TEST_CASE_METHOD(Fixture, "sessions come in order of their ids", "[sessions][contract]") {
  for (const std::uint64_t id : {kId, kOther, std::uint64_t{1} << 40U}) put(session(id));
  const auto all = loaded();
  REQUIRE(all.size() == 3);
  CHECK(all[0].id == kOther);
  CHECK(all[2].id == kId);
}

TEST_CASE_METHOD(Fixture, "a session that is put again is replaced whole", "[sessions][contract]") {
  put(session());
  StoredSession changed = session();
  changed.subscriptions.pop_back();
  changed.position = 13;
  put(changed);
  REQUIRE(loaded().size() == 1);
  CHECK(loaded()[0].subscriptions.size() == 1);
  CHECK(loaded()[0].position == 13);
}

TEST_CASE_METHOD(Fixture, "a position is saved alone", "[sessions][contract]") {
  put(session());
  turn([](node::SessionStore& to) {
    REQUIRE(to.put_position(kId, 99, {}));
    REQUIRE(to.put_position(kOther, 1, {}));
  });
  reopen();
  REQUIRE(loaded().size() == 1);
  CHECK(loaded()[0].position == 99);
  CHECK(loaded()[0].subscriptions.size() == 2);
}

TEST_CASE_METHOD(Fixture, "an erased session is gone with all but its will, an unknown one is no error",
                 "[sessions][contract]") {
  put(session());
  turn([](node::SessionStore& to) {
    REQUIRE(to.add_received(kId, 1));
    REQUIRE(to.add_release(kId, {.packet_id = 2, .arrival = 20}));
    REQUIRE(to.put_will(will()));
  });
  turn([](node::SessionStore& to) {
    REQUIRE(to.erase_session(kId));
    REQUIRE(to.erase_session(kOther));
  });
  CHECK(loaded().empty());
  CHECK(wills().size() == 1);
  StoredSession bare = session();
  bare.subscriptions.clear();
  put(bare);
  reopen();
  REQUIRE(loaded().size() == 1);
  CHECK(loaded()[0].subscriptions.empty());
  CHECK(loaded()[0].received.empty());
  CHECK(loaded()[0].releases.empty());
}

TEST_CASE_METHOD(Fixture, "what was received and not released comes back, ascending", "[sessions][contract][G1]") {
  put(session());
  turn([](node::SessionStore& to) {
    for (const std::uint16_t packet_id : {std::uint16_t{65'535}, std::uint16_t{1}, std::uint16_t{700}}) {
      REQUIRE(to.add_received(kId, packet_id));
    }
    REQUIRE(to.add_received(kId, 1));
    REQUIRE(to.add_received(kOther, 9));
  });
  turn([](node::SessionStore& to) {
    REQUIRE(to.erase_received(kId, 700));
    REQUIRE(to.erase_received(kId, 701));
    REQUIRE(to.erase_received(77, 1));
  });
  reopen();
  REQUIRE(loaded().size() == 1);
  CHECK(loaded()[0].received == Received{1, 65'535});
}

TEST_CASE_METHOD(Fixture, "releases come back in order of arrival", "[sessions][contract][G1]") {
  put(session());
  put_release(kId, {.packet_id = 9, .arrival = 14});
  put_release(kId, {.packet_id = 3, .arrival = std::uint64_t{1} << 40U});
  put_release(kId, {.packet_id = 65'535, .arrival = 13});
  put_release(kId, {.packet_id = 8, .arrival = 14});
  put_release(kOther, {.packet_id = 1, .arrival = 1});
  reopen();
  CHECK(releases() == Releases{"65535@13", "8@14", "9@14", "3@1099511627776"});
}

TEST_CASE_METHOD(Fixture, "a release of the same packet identifier replaces the one before", "[sessions][contract]") {
  put(session());
  put_release(kId, {.packet_id = 9, .arrival = 14});
  put_release(kId, {.packet_id = 9, .arrival = 15});
  CHECK(releases() == Releases{"9@15"});
}

TEST_CASE_METHOD(Fixture, "a position takes the finished releases with it", "[sessions][contract]") {
  put(session());
  for (const std::uint16_t packet_id : {std::uint16_t{1}, std::uint16_t{2}, std::uint16_t{3}}) {
    put_release(kId, {.packet_id = packet_id, .arrival = packet_id});
  }
  put_release(kOther, {.packet_id = 1, .arrival = 1});
  const std::vector<std::uint16_t> finished{1, 3, 40};
  turn([&](node::SessionStore& to) { REQUIRE(to.put_position(kId, 99, finished)); });
  reopen();
  CHECK(releases() == Releases{"2@2"});
  CHECK(loaded()[0].position == 99);
  put(session(kOther));
  CHECK(loaded()[0].releases.size() == 1);
}

TEST_CASE_METHOD(Fixture, "how far a subscription's retained messages and replay came is saved alone",
                 "[sessions][contract]") {
  put(session());
  node::StoredSubscription further = session().subscriptions[1];
  further.options = 2;
  further.start = 99;
  further.retained_topic = "b/later";
  further.replay->after = 8;
  turn([&](node::SessionStore& to) {
    REQUIRE(to.put_runs(kId, further));
    REQUIRE(to.put_runs(kOther, further));
  });
  reopen();
  REQUIRE(loaded().size() == 1);
  const node::StoredSubscription stored = loaded()[0].subscriptions.at(1);
  CHECK(stored.options == 1);
  CHECK(stored.start == 9);
  CHECK(stored.retained_due);
  CHECK(stored.retained_topic == "b/later");
  CHECK(stored.replay->after == 8);
  further.retained_due = false;
  further.retained_topic.clear();
  further.replay.reset();
  further.filter = "unknown";
  turn([&](node::SessionStore& to) { REQUIRE(to.put_runs(kId, further)); });
  CHECK(loaded()[0].subscriptions.at(1).replay);
  further.filter = "b";
  turn([&](node::SessionStore& to) { REQUIRE(to.put_runs(kId, further)); });
  CHECK_FALSE(loaded()[0].subscriptions.at(1).retained_due);
  CHECK_FALSE(loaded()[0].subscriptions.at(1).replay);
}

TEST_CASE_METHOD(Fixture, "a session that is put again keeps what QoS 2 remembers", "[sessions][contract]") {
  put(session());
  turn([](node::SessionStore& to) {
    REQUIRE(to.add_received(kId, 4));
    REQUIRE(to.add_release(kId, {.packet_id = 5, .arrival = 6}));
  });
  StoredSession again = session();
  again.received = {1, 2};
  again.releases = {{.packet_id = 3, .arrival = 3}};
  put(again);
  CHECK(loaded()[0].received == Received{4});
  CHECK(releases() == Releases{"5@6"});
}

TEST_CASE_METHOD(Fixture, "a will comes back as it was stored", "[sessions][contract]") {
  turn([](node::SessionStore& to) { REQUIRE(to.put_will(will())); });
  reopen();
  const auto all = wills();
  REQUIRE(all.size() == 1);
  const StoredWill stored = will();
  CHECK(all[0].session == kId);
  CHECK(all[0].principal.kind == security::Principal::Kind::kCertificate);
  CHECK(all[0].principal.name == "pump");
  CHECK(all[0].principal.role == security::Role::kAdmin);
  CHECK(all[0].principal.listener == "tls");
  CHECK(all[0].principal.client_id == "c");
  CHECK(all[0].principal.loopback);
  CHECK(all[0].expiry_s == stored.expiry_s);
  CHECK(all[0].message.topic == stored.message.topic);
  CHECK(all[0].message.properties == stored.message.properties);
  CHECK(all[0].message.payload == stored.message.payload);
  CHECK(all[0].message.expiry_s == 0U);
  CHECK(all[0].qos == 2);
  CHECK(all[0].retain);
  CHECK(all[0].delay_s == stored.delay_s);
  CHECK_FALSE(all[0].died);
}

TEST_CASE_METHOD(Fixture, "a will that is put again is replaced, with the moment its connection died",
                 "[sessions][contract]") {
  turn([](node::SessionStore& to) { REQUIRE(to.put_will(will())); });
  StoredWill dead = will();
  dead.died = sync::Stamp{.wall_ms = sync::kStampWallMsMax,
                          .counter = 0xFFFE,
                          .quality = ClockQuality::kSynchronised,
                          .behind_ms = sync::kStampWallMsMax};
  dead.message.expiry_s.reset();
  dead.message.payload.clear();
  dead.retain = false;
  dead.principal.role.reset();
  turn([&](node::SessionStore& to) { REQUIRE(to.put_will(dead)); });
  reopen();
  const auto all = wills();
  REQUIRE(all.size() == 1);
  REQUIRE(all[0].died);
  CHECK(*all[0].died == *dead.died);
  CHECK(all[0].died->quality == ClockQuality::kSynchronised);
  CHECK(all[0].died->behind_ms == sync::kStampWallMsMax);
  CHECK_FALSE(all[0].message.expiry_s);
  CHECK(all[0].message.payload.empty());
  CHECK_FALSE(all[0].retain);
  CHECK_FALSE(all[0].principal.role);
}

TEST_CASE_METHOD(Fixture, "wills come in order of their sessions, which need no row of their own",
                 "[sessions][contract]") {
  turn([](node::SessionStore& to) {
    for (const std::uint64_t id : {kId, kOther}) REQUIRE(to.put_will(will(id)));
  });
  REQUIRE(wills().size() == 2);
  CHECK(wills()[0].session == kOther);
  CHECK(loaded().empty());
}

TEST_CASE_METHOD(Fixture, "an erased will is gone, an unknown one is no error", "[sessions][contract]") {
  put(session());
  turn([](node::SessionStore& to) { REQUIRE(to.put_will(will())); });
  turn([](node::SessionStore& to) {
    REQUIRE(to.erase_will(kId));
    REQUIRE(to.erase_will(kOther));
  });
  reopen();
  CHECK(wills().empty());
  CHECK(loaded().size() == 1);
}

TEST_CASE_METHOD(Fixture, "groups come back in order of share and filter", "[sessions][contract]") {
  turn([](node::SessionStore& to) {
    REQUIRE(to.put_group({.share = "b", .filter = "a/#", .position = 1}));
    REQUIRE(to.put_group({.share = "a", .filter = "x", .position = 2}));
    REQUIRE(to.put_group({.share = "a", .filter = "\xC3\xA9", .position = 3}));
    REQUIRE(to.put_group({.share = "b", .filter = "a/#", .position = std::uint64_t{1} << 40U}));
  });
  reopen();
  const auto all = groups();
  REQUIRE(all.size() == 3);
  CHECK(all[0].filter == "x");
  CHECK(all[1].filter == "\xC3\xA9");
  CHECK(all[2].share == "b");
  CHECK(all[2].filter == "a/#");
  CHECK(all[2].position == std::uint64_t{1} << 40U);
}

TEST_CASE_METHOD(Fixture, "an erased group is gone, an unknown one is no error", "[sessions][contract]") {
  turn([](node::SessionStore& to) {
    REQUIRE(to.put_group({.share = "a", .filter = "x", .position = 1}));
    REQUIRE(to.put_group({.share = "a", .filter = "y", .position = 1}));
  });
  turn([](node::SessionStore& to) {
    REQUIRE(to.erase_group("a", "x"));
    REQUIRE(to.erase_group("x", "a"));
  });
  REQUIRE(groups().size() == 1);
  CHECK(groups()[0].filter == "y");
}

// What one turn changes everywhere.
inline void change_all(node::SessionStore& to) {
  REQUIRE(to.put_session(session(kOther)));
  const std::vector<std::uint16_t> finished{2};
  REQUIRE(to.put_position(kId, 99, finished));
  REQUIRE(to.add_received(kId, 7));
  REQUIRE(to.erase_received(kId, 1));
  REQUIRE(to.add_release(kId, {.packet_id = 8, .arrival = 8}));
  REQUIRE(to.put_will(will(kOther)));
  REQUIRE(to.erase_will(kId));
  REQUIRE(to.put_group({.share = "g", .filter = "f", .position = 99}));
}

class Committed : public Fixture {
 public:
  Committed() {
    put(session());
    turn([](node::SessionStore& to) {
      REQUIRE(to.add_received(kId, 1));
      REQUIRE(to.add_release(kId, {.packet_id = 2, .arrival = 20}));
      REQUIRE(to.put_will(will()));
      REQUIRE(to.put_group({.share = "g", .filter = "f", .position = 1}));
    });
  }
  void check_unchanged() {
    CHECK(releases() == Releases{"2@20"});
    CHECK(loaded()[0].received == Received{1});
    CHECK(loaded()[0].position == 12);
    REQUIRE(wills().size() == 1);
    CHECK(wills()[0].session == kId);
    REQUIRE(groups().size() == 1);
    CHECK(groups()[0].position == 1);
  }
};

TEST_CASE_METHOD(Committed, "everything of sessions is rolled back with its turn", "[sessions][contract]") {
  REQUIRE(storage().begin());
  change_all(sessions());
  storage().rollback();
  check_unchanged();
}

TEST_CASE_METHOD(Committed, "what sessions had not committed is gone after a power loss", "[sessions][contract][G1]") {
  REQUIRE(storage().begin());
  change_all(sessions());
  reopen();
  check_unchanged();
}

TEST_CASE_METHOD(Committed, "what sessions had committed is there after a power loss", "[sessions][contract][G1]") {
  turn([](node::SessionStore& to) { change_all(to); });
  reopen();
  const auto all = loaded();
  REQUIRE(all.size() == 2);
  CHECK(all[1].received == Received{7});
  REQUIRE(all[1].releases.size() == 1);
  CHECK(all[1].releases[0].packet_id == 8);
  CHECK(all[1].position == 99);
  REQUIRE(wills().size() == 1);
  CHECK(wills()[0].session == kOther);
  CHECK(groups()[0].position == 99);
}

}  // namespace hedgerow::test::session_contract
