#include "daemon/store_sqlite/new_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "daemon/store_sqlite/connection.hpp"
#include "daemon/store_sqlite/limits.hpp"
#include "daemon/store_sqlite/page_seal.hpp"
#include "daemon/store_sqlite/rescue.hpp"
#include "daemon/store_sqlite/schema.hpp"
#include "security/files_posix/descriptor.hpp"

namespace hedgerow::store_sqlite {

namespace {

// The pages that only a sync makes safe are synced when the copy takes its place.
Expected<void> copy_whole(const DataDir& dir, const std::string& vfs_name, const std::string& copy) {
  FileHealth health(dir.database(), "");  // what is found is dealt with now: no marker
  auto connection = Connection::open(
      health,
      {.path = dir.database(), .vfs_name = vfs_name, .role = FileHealth::Role::kWriter, .cache_kib = kWriterCacheKib});
  if (!connection) return tl::unexpected<Error>(std::move(connection.error()));
  // The log stays as it is until the copy has taken its place.
  sqlite3_db_config((*connection)->raw(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  Statement into(**connection, "VACUUM INTO ?");
  return Query(into, copy).run();
}

// The replica lives on in the copy, if it lived in the database: the copy's name for it is the copy's own.
Expected<void> take_identity_along(const DataDir& dir, const std::string& vfs_name, const std::string& copy,
                                   const std::string& board_identity) {
  const auto before = dir.identity(dir.database(), board_identity);
  const auto after = dir.identity(copy, board_identity);
  if (!before || !after) return tl::unexpected<Error>(before ? after.error() : before.error());
  FileHealth health(copy, "");
  auto connection = Connection::open(
      health, {.path = copy, .vfs_name = vfs_name, .role = FileHealth::Role::kWriter, .cache_kib = kWriterCacheKib});
  if (!connection) return tl::unexpected<Error>(std::move(connection.error()));
  Statement update(**connection, "UPDATE node SET identity=? WHERE identity=?");
  return Query(update, *after, *before).run();
}

}  // namespace

Expected<void> prepare_file(const DataDir& dir, const std::string& vfs_name, const std::string& board_identity) {
  const security::Descriptor file(::open(dir.database().c_str(), O_RDWR | O_CLOEXEC));
  std::array<std::uint8_t, kPageBytes> page_1{};
  if (!file.is_open() || ::pread(file.get(), page_1.data(), page_1.size(), 0) != kPageBytes) return {};
  PageSeal told;
  told.learn(page_1.data());
  std::array<std::uint8_t, kPageBytes> ours = page_1;
  if (PageSeal::of_ours(ours.data()).page_bytes() != 0 && PageSeal::of_ours(ours.data()).holds(ours.data(), 0)) {
    if (ours == page_1 || ::pwrite(file.get(), ours.data(), ours.size(), 0) == kPageBytes) return {};
    return fail(Category::kIo,
                dir.database() + ": its header is damaged and cannot be written; check the disk (dmesg)");
  }
  constexpr std::size_t kApplicationIdAt = 68;
  std::uint32_t application = 0;
  for (std::size_t i = 0; i < 4; ++i) application = (application << 8U) | page_1[kApplicationIdAt + i];
  if (told.page_bytes() != 0 || application != kApplicationId) return {};
  const std::string copy = dir.database() + ".copy";
  if (auto removed = dir.remove(copy); !removed) return removed;
  auto copied = copy_whole(dir, vfs_name, copy);
  if (copied) copied = take_identity_along(dir, vfs_name, copy, board_identity);
  // Damage shows again when the database is opened, and is dealt with there.
  if (!copied) return dir.remove(copy);
  if (auto replaced = dir.replace_database(copy, /*keep_old=*/false); !replaced) {
    return tl::unexpected<Error>(std::move(replaced.error()));
  }
  return {};
}

Expected<Moved> move_to_new_file(const DataDir& dir, const std::string& vfs_name, bool damaged) {
  const std::string copy = dir.database() + ".copy";
  if (auto removed = dir.remove(copy); !removed) return tl::unexpected<Error>(std::move(removed.error()));
  Moved moved;
  if (auto copied = copy_whole(dir, vfs_name, copy); !copied) {
    if (copied.error().category == Category::kLimit) return tl::unexpected<Error>(std::move(copied.error()));
    damaged = true;
    if (auto emptied = dir.create_file(copy); !emptied) return tl::unexpected<Error>(std::move(emptied.error()));
    auto lost = rescue_rows(dir.database(), copy, vfs_name);
    if (!lost) return tl::unexpected<Error>(std::move(lost.error()));
    moved.lost = std::move(*lost);
  }
  auto aside = dir.replace_database(copy, damaged);
  if (!aside) return tl::unexpected<Error>(std::move(aside.error()));
  moved.aside = std::move(*aside);
  return moved;
}

}  // namespace hedgerow::store_sqlite
