// Persistent sessions live in the turn's transaction. DESIGN 1, 4.
#include <catch2/catch_test_macros.hpp>

#include "tests/contract/store/store_fixture.hpp"

namespace hedgerow::test {

namespace {

constexpr std::uint64_t kId = 0xFFFF'0000'1111'2222;

node::StoredSession session() {
  return {.id = kId,
          .owner = "pump",
          .client_id = "client/\xC3\xA9",
          .expiry_s = 0xFFFF'FFFF,
          .position = 12,
          .subscriptions = {{.filter = "a/#", .options = 0x2D, .identifier = 268'435'455, .start = 7},
                            {.filter = "b", .options = 1, .identifier = {}, .start = 9, .retained_due = true}}};
}

class Sessions : public StoreFixture {
 public:
  template <class Work>
  void turn(Work work) {
    REQUIRE(storage().begin());
    work();
    REQUIRE(storage().commit());
  }
  std::vector<node::StoredSession> loaded() { return sessions().load_sessions().value(); }
};

}  // namespace

TEST_CASE_METHOD(Sessions, "a session comes back as it was stored", "[store][contract]") {
  turn([this] { REQUIRE(sessions().put_session(session())); });
  reopen();
  const auto all = loaded();
  REQUIRE(all.size() == 1);
  const node::StoredSession stored = session();
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
  }
}

TEST_CASE_METHOD(Sessions, "a session that is put again is replaced whole", "[store][contract]") {
  turn([this] { REQUIRE(sessions().put_session(session())); });
  turn([this] {
    node::StoredSession changed = session();
    changed.subscriptions.pop_back();
    changed.position = 13;
    REQUIRE(sessions().put_session(changed));
  });
  REQUIRE(loaded().size() == 1);
  CHECK(loaded()[0].subscriptions.size() == 1);
  CHECK(loaded()[0].position == 13);
}

TEST_CASE_METHOD(Sessions, "a position is saved alone", "[store][contract]") {
  turn([this] { REQUIRE(sessions().put_session(session())); });
  turn([this] {
    REQUIRE(sessions().put_position(kId, 99));
    REQUIRE(sessions().put_position(5, 1));
  });
  reopen();
  REQUIRE(loaded().size() == 1);
  CHECK(loaded()[0].position == 99);
  CHECK(loaded()[0].subscriptions.size() == 2);
}

TEST_CASE_METHOD(Sessions, "an erased session is gone with its subscriptions, an unknown one is no error",
                 "[store][contract]") {
  turn([this] { REQUIRE(sessions().put_session(session())); });
  turn([this] {
    REQUIRE(sessions().erase_session(kId));
    REQUIRE(sessions().erase_session(5));
  });
  CHECK(loaded().empty());
  turn([this] {
    node::StoredSession bare = session();
    bare.subscriptions.clear();
    REQUIRE(sessions().put_session(bare));
  });
  CHECK(loaded()[0].subscriptions.empty());
}

TEST_CASE_METHOD(Sessions, "a session is rolled back with its turn", "[store][contract]") {
  REQUIRE(storage().begin());
  REQUIRE(sessions().put_session(session()));
  storage().rollback();
  CHECK(loaded().empty());
}

}  // namespace hedgerow::test
