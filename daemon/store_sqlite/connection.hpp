// Connection, Statement and Query: SQLite's handles, owned, with errors as values.
//
// Unsigned 64-bit values are stored as SQLite's signed integers of the same bits; beyond 2^63 - 1 their order in SQL is
// not theirs. So SQL orders only what stays below it (places, sequence numbers), and C++ orders the rest (replica ids).
// Thread rule: a connection and all that hangs on it belong to one thread at a time.
// Ownership: a Statement must not outlive its Connection, nor a Query its Statement.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "daemon/store_sqlite/file_health.hpp"
#include "sync/base/bytes.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::store_sqlite {

class Connection {
 public:
  struct Options {
    std::string path;
    std::string vfs_name;  // empty: the system's
    FileHealth::Role role{};
    int cache_kib = 0;
  };
  static Expected<std::unique_ptr<Connection>> open(FileHealth& health, const Options& options);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  // Leaves the log alone when the file must not be used again.
  ~Connection();

  // One or more statements without results.
  Expected<void> execute(const char* sql);
  // The first column of the first row, as text; empty when there is none.
  Expected<std::string> value(const char* sql);

  // What the result code means; remembered as first_error(). REQUIRES: `code` is an error.
  Error error(int code);
  // REQUIRES: a transaction was begun. Fails if an error has ended it.
  Expected<void> check_turn() const;
  // Ends a transaction, if SQLite has not done so itself after an error.
  void roll_back();
  // The first error since clear_error(). Until then every Query fails with it: after some errors SQLite has rolled
  // back, and what followed would stand outside of any transaction.
  [[nodiscard]] const std::optional<Error>& first_error() const { return first_error_; }
  void clear_error() { first_error_.reset(); }

  [[nodiscard]] sqlite3* raw() const { return raw_; }
  [[nodiscard]] FileHealth& health() const { return health_; }

 private:
  Connection(FileHealth& health, sqlite3* raw, FileHealth::Role role) : health_(health), raw_(raw), role_(role) {}

  FileHealth& health_;
  sqlite3* raw_;
  FileHealth::Role role_;
  std::optional<Error> first_error_;
};

// A statement, prepared once. One that cannot be prepared shows in the connection's first_error().
class Statement {
 public:
  Statement(Connection& connection, std::string_view sql);
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement() { sqlite3_finalize(raw_); }

 private:
  friend class Query;
  Connection& connection_;
  sqlite3_stmt* raw_ = nullptr;
};

// One execution of a statement. What is bound must outlive it; text and blob columns live until the next call of
// next().
class Query {
 public:
  // Bound as they are: the columns of another query's row.
  struct Columns {
    const Query& row;
  };
  template <class... Values>
  explicit Query(Statement& statement, const Values&... values) : statement_(statement) {
    (bind(values), ...);
  }
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;
  ~Query();

  // True iff there is a row.
  [[nodiscard]] Expected<bool> next();
  // For statements without results.
  Expected<void> run();

  [[nodiscard]] bool is_null(int column) const;
  [[nodiscard]] std::uint64_t number(int column) const;
  [[nodiscard]] ByteView blob(int column) const;
  [[nodiscard]] std::string_view text(int column) const;
  template <class T>
  [[nodiscard]] T as(int column) const {
    return static_cast<T>(number(column));
  }

 private:
  template <class T>
  requires std::is_integral_v<T> || std::is_enum_v<T>
  void bind(T value) { bind_number(static_cast<std::uint64_t>(value)); }
  template <class T>
  void bind(const std::optional<T>& value) {
    value ? bind(*value) : skip();
  }
  void bind(const Columns& columns);
  void bind(ByteView value);
  void bind(const Bytes& value) { bind(ByteView(value)); }
  void bind(std::string_view value);
  void bind(const std::string& value) { bind(std::string_view(value)); }
  void bind_number(std::uint64_t value);
  void skip() { ++index_; }  // NULL
  void keep(int code);

  Statement& statement_;
  int index_ = 0;
  int bound_ = SQLITE_OK;
};

}  // namespace hedgerow::store_sqlite
