// The schema of hedgerow.db, as numbered migrations: PRAGMA user_version counts those that were applied, each in one
// transaction. A migration that was released is never changed; what is new is a new one.
// Thread rule: free functions on a connection of the caller's thread.
#pragma once

#include <span>

#include "daemon/store_sqlite/connection.hpp"

namespace hedgerow::store_sqlite {

// PRAGMA application_id: "Hdgr".
inline constexpr int kApplicationId = 0x48646772;

struct Migration {
  const char* sql;
};

// All of them: migrations()[n] leads from version n to n + 1.
[[nodiscard]] std::span<const Migration> migrations();

// Brings the database to the newest version, or to version `to`. Returns the version that it had.
// kRefused: a newer hedgerowd wrote it. kCorrupt: it is no database of hedgerowd.
Expected<int> migrate(Connection& connection, std::string_view path);
Expected<int> migrate(Connection& connection, std::string_view path, int to);

}  // namespace hedgerow::store_sqlite
