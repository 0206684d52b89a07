// What the tests of the store share: a database on a disk that can lose power, in a directory that goes with the test.
// Thread rule: one thread.
#pragma once

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

#include "daemon/store_sqlite/database.hpp"
#include "tests/support/crash_vfs.hpp"
#include "tests/support/seeded_random.hpp"
#include "tests/support/temporary_directory.hpp"

namespace hedgerow::test {

class StoreFixture {
 public:
  StoreFixture() { open(); }

  [[nodiscard]] store_sqlite::OpenOptions options() const {
    return {.dir = dir(),
            .board_identity = board,
            .fresh_replica = next_replica,
            .vfs_name = disk.name(),
            .syncs_commits = syncs_commits};
  }
  [[nodiscard]] Expected<void> try_open() {
    auto opened = store_sqlite::open(options());
    if (!opened) return tl::unexpected<Error>(std::move(opened.error()));
    database = std::move(*opened);
    return {};
  }
  void open() {
    if (auto opened = try_open(); !opened) throw std::runtime_error(opened.error().what);
  }
  void close() { database.reset(); }
  void lose_power() {
    disk.power_cut();
    close();
    // What the store noted while it closed, a machine without power would not have noted.
    std::filesystem::remove(file() + ".ended");
    disk.power_on(random);
  }
  void reopen() {
    lose_power();
    open();
  }

  [[nodiscard]] std::string dir() const { return directory.path().string(); }
  [[nodiscard]] std::string file() const { return dir() + "/hedgerow.db"; }
  sync::Storage& storage() { return database->storage(); }
  sync::ReadViews& views() { return database->views(); }
  node::SessionStore& sessions() { return database->sessions(); }

  // One small turn: the cell "t" says `payload`.
  Expected<void> put(const std::string& payload) {
    if (auto begun = storage().begin(); !begun) return begun;
    const auto channel = storage().define_channel("default");
    if (!channel) {
      storage().rollback();
      return tl::unexpected<Error>(channel.error());
    }
    auto message = std::make_shared<sync::Message>();
    message->topic = "t";
    message->payload = to_bytes(payload);
    auto done = storage().put_cell(*channel, {.order = {}, .message = std::move(message)});
    if (!done) {
      storage().rollback();
      return done;
    }
    return storage().commit();
  }
  // What "t" says; "none" without.
  [[nodiscard]] std::string value() {
    const auto view = views().open_view();
    if (!view) return view.error().what;
    const auto cell = (*view)->cell(sync::ChannelNo{1}, "t");
    if (!cell) return cell.error().what;
    return *cell ? std::string(as_text((**cell).message->payload)) : "none";
  }

  TemporaryDirectory directory;
  CrashVfs disk{"crash"};
  SeededRandom random{20261122};
  std::string board = "board";
  bool syncs_commits = true;
  sync::ReplicaId next_replica{0xFEDC'BA98'7654'3210};
  std::unique_ptr<store_sqlite::Database> database;
};

}  // namespace hedgerow::test
