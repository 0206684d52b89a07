#include "tests/support/memory_storage.hpp"

namespace hedgerow::test {

class MemoryHarness {
 public:
  [[nodiscard]] sync::Storage& storage() { return storage_; }
  [[nodiscard]] sync::ReadViews& views() { return storage_; }
  void reopen() { storage_.crash(); }

 private:
  MemoryStorage storage_{sync::ReplicaId{1}};
};

}  // namespace hedgerow::test

#define STORAGE_HARNESS hedgerow::test::MemoryHarness
#include "tests/contract/storage_contract.hpp"

namespace hedgerow::test::storage_contract {

TEST_CASE("a lying disk loses what it said was synced", "[storage]") {
  MemoryStorage storage(ReplicaId{1});
  REQUIRE(storage.begin());
  const ChannelNo channel = storage.define_channel("c").value();
  REQUIRE(storage.commit());
  storage.set_lying(true);
  REQUIRE(storage.begin());
  REQUIRE(storage.append(channel, row(kX, 1, 1, 1)));
  REQUIRE(storage.commit());
  CHECK(storage.open_view().value()->segments_after(channel, 0, kMuch).value().size() == 1);
  storage.crash();
  CHECK(storage.open_view().value()->segments_after(channel, 0, kMuch).value().empty());
}

TEST_CASE("after a failed sync the file must not be used again", "[storage][G1]") {
  MemoryStorage storage(ReplicaId{1});
  storage.fail_next_commit({Category::kIo, "the card is gone"});
  REQUIRE(storage.begin());
  CHECK_FALSE(storage.commit());
  CHECK_FALSE(storage.begin());
  CHECK_FALSE(storage.load());
}

}  // namespace hedgerow::test::storage_contract
