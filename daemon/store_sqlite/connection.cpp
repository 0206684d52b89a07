#include "daemon/store_sqlite/connection.hpp"

#include <bit>
#include <gsl/assert>

#include "daemon/store_sqlite/gathering_vfs.hpp"
#include "daemon/store_sqlite/limits.hpp"

namespace hedgerow::store_sqlite {

Expected<std::unique_ptr<Connection>> Connection::open(FileHealth& health, const Options& options) {
  const bool reads_only = options.role == FileHealth::Role::kReader;
  const int flags =
      (reads_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  sqlite3* raw = nullptr;
  const int code =
      sqlite3_open_v2(options.path.c_str(), &raw, flags, options.vfs_name.empty() ? nullptr : options.vfs_name.c_str());
  std::unique_ptr<Connection> connection(new Connection(health, raw, options.role));
  if (code != SQLITE_OK) return tl::unexpected<Error>(connection->error(code));
  sqlite3_busy_timeout(raw, kBusyTimeoutMs);
  sqlite3_db_config(raw, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  const std::string settings = "PRAGMA cache_size=-" + std::to_string(options.cache_kib) +
                               "; PRAGMA temp_store=MEMORY; PRAGMA mmap_size=0; PRAGMA cell_size_check=ON";
  if (auto set = connection->execute(settings.c_str()); !set) return tl::unexpected<Error>(std::move(set.error()));
  // Room for the seal of each page, in a file that has no page yet, and in what is copied from it.
  int reserved = static_cast<int>(kSealBytes);
  if (!reads_only) sqlite3_file_control(raw, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved);
  return connection;
}

Connection::~Connection() {
  if (!health_.check()) sqlite3_db_config(raw_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  sqlite3_close_v2(raw_);
}

Expected<void> Connection::execute(const char* sql) {
  const int code = sqlite3_exec(raw_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return tl::unexpected<Error>(error(code));
  return {};
}

Expected<std::string> Connection::value(const char* sql) {
  Statement statement(*this, sql);
  Query query(statement);
  const auto row = query.next();
  if (!row) return tl::unexpected<Error>(row.error());
  return *row ? std::string(query.text(0)) : std::string();
}

Expected<void> Connection::check_turn() const {
  if (first_error_) return tl::unexpected<Error>(*first_error_);
  Expects(sqlite3_get_autocommit(raw_) == 0);
  return {};
}

void Connection::roll_back() {
  if (sqlite3_get_autocommit(raw_) == 0) sqlite3_exec(raw_, "ROLLBACK", nullptr, nullptr, nullptr);
}

Error Connection::error(int code) {
  std::int64_t damaged_at = -1;
  if (code == GatheringVfs::kDamagedPage) sqlite3_file_control(raw_, "main", GatheringVfs::kDamageControl, &damaged_at);
  const FileHealth::Failure failure{.code = code,
                                    .os_error = raw_ == nullptr ? 0 : sqlite3_system_errno(raw_),
                                    .detail = raw_ == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(raw_),
                                    .damaged_at = damaged_at};
  Error judged = health_.judge(failure, role_);
  if (!first_error_) first_error_ = judged;
  return judged;
}

Statement::Statement(Connection& connection, std::string_view sql) : connection_(connection) {
  const int code = sqlite3_prepare_v3(connection.raw(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &raw_, nullptr);
  if (code != SQLITE_OK) static_cast<void>(connection.error(code));
}

Query::~Query() {
  if (statement_.raw_ == nullptr) return;
  sqlite3_reset(statement_.raw_);
  sqlite3_clear_bindings(statement_.raw_);
}

Expected<bool> Query::next() {
  Connection& connection = statement_.connection_;
  if (connection.first_error()) return tl::unexpected<Error>(*connection.first_error());
  Expects(statement_.raw_ != nullptr);
  const int code = bound_ == SQLITE_OK ? sqlite3_step(statement_.raw_) : bound_;
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return tl::unexpected<Error>(connection.error(code));
}

Expected<void> Query::run() {
  if (auto row = next(); !row) return tl::unexpected<Error>(std::move(row.error()));
  return {};
}

bool Query::is_null(int column) const { return sqlite3_column_type(statement_.raw_, column) == SQLITE_NULL; }

std::uint64_t Query::number(int column) const {
  return std::bit_cast<std::uint64_t>(std::int64_t{sqlite3_column_int64(statement_.raw_, column)});
}

ByteView Query::blob(int column) const {
  const void* data = sqlite3_column_blob(statement_.raw_, column);
  const int size = sqlite3_column_bytes(statement_.raw_, column);
  if (data == nullptr || size <= 0) return {};
  return {static_cast<const std::uint8_t*>(data), static_cast<std::size_t>(size)};
}

std::string_view Query::text(int column) const {
  const unsigned char* data = sqlite3_column_text(statement_.raw_, column);
  const int size = sqlite3_column_bytes(statement_.raw_, column);
  if (data == nullptr || size <= 0) return {};
  return as_text({data, static_cast<std::size_t>(size)});
}

void Query::bind_number(std::uint64_t value) {
  if (statement_.raw_ == nullptr) return;
  keep(sqlite3_bind_int64(statement_.raw_, ++index_, std::bit_cast<std::int64_t>(value)));
}

void Query::bind(const Columns& columns) {
  sqlite3_stmt* const row = columns.row.statement_.raw_;
  if (statement_.raw_ == nullptr) return;
  for (int column = 0; column < sqlite3_column_count(row); ++column) {
    keep(sqlite3_bind_value(statement_.raw_, ++index_, sqlite3_column_value(row, column)));
  }
}

void Query::bind(ByteView value) {
  if (statement_.raw_ == nullptr) return;
  // A null pointer would bind NULL.
  const void* data = value.empty() ? "" : static_cast<const void*>(value.data());
  keep(sqlite3_bind_blob64(statement_.raw_, ++index_, data, value.size(), SQLITE_STATIC));
}

void Query::bind(std::string_view value) {
  if (statement_.raw_ == nullptr) return;
  const char* data = value.empty() ? "" : value.data();
  keep(sqlite3_bind_text64(statement_.raw_, ++index_, data, value.size(), SQLITE_STATIC, SQLITE_UTF8));
}

void Query::keep(int code) {
  if (bound_ == SQLITE_OK) bound_ = code;
}

}  // namespace hedgerow::store_sqlite
