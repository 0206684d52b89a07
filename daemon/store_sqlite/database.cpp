#include "daemon/store_sqlite/database.hpp"

#include <gsl/assert>
#include <utility>

#include "daemon/store_sqlite/checkpointer.hpp"
#include "daemon/store_sqlite/connection.hpp"
#include "daemon/store_sqlite/data_dir.hpp"
#include "daemon/store_sqlite/file_health.hpp"
#include "daemon/store_sqlite/gathering_vfs.hpp"
#include "daemon/store_sqlite/limits.hpp"
#include "daemon/store_sqlite/log_check.hpp"
#include "daemon/store_sqlite/new_file.hpp"
#include "daemon/store_sqlite/schema.hpp"
#include "daemon/store_sqlite/scrubber.hpp"
#include "daemon/store_sqlite/session_table.hpp"
#include "daemon/store_sqlite/views.hpp"
#include "daemon/store_sqlite/writer.hpp"

namespace hedgerow::store_sqlite {

// In the order of construction; destroyed the other way round: the writer's connection is the last to close.
struct Database::Parts {
  std::unique_ptr<DataDir> dir;
  std::unique_ptr<FileHealth> health;
  std::unique_ptr<GatheringVfs> vfs;
  std::unique_ptr<Scrubber> scrubber;
  std::unique_ptr<Connection> connection;
  std::unique_ptr<Checkpointer> checkpointer;
  std::unique_ptr<Writer> writer;
  std::unique_ptr<SessionTable> sessions;
  std::unique_ptr<Views> views;
  OpenReport report;
};

Database::Database(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

// The log goes with the last connection, once the file has all of it and is synced.
Database::~Database() {
  const std::unique_ptr<DataDir> dir = std::move(parts_->dir);
  parts_.reset();
  if (dir->is_unsynced() && !dir->has_log()) static_cast<void>(dir->end_unsynced());
}

const OpenReport& Database::report() const { return parts_->report; }
sync::Storage& Database::storage() { return *parts_->writer; }
sync::ReadViews& Database::views() { return *parts_->views; }
node::SessionStore& Database::sessions() { return *parts_->sessions; }
bool Database::checkpoint_due() const { return parts_->checkpointer->due(); }
Expected<void> Database::checkpoint() { return parts_->checkpointer->run(); }
Expected<std::uint64_t> Database::scrub(std::uint64_t now_unix_ms) {
  return parts_->scrubber->step(*parts_->checkpointer, now_unix_ms);
}
ScrubStatus Database::scrub_status() const { return parts_->scrubber->status(); }
Expected<void> Database::check() const { return parts_->health->check(); }

namespace {

tl::unexpected<Error> pass_on(Error error) { return tl::unexpected<Error>(std::move(error)); }

// Sets a mode and makes sure that it holds.
Expected<void> insist(Connection& connection, const char* pragma, std::string_view wanted, std::string_view path) {
  const auto answer = connection.value(pragma);
  if (!answer) return pass_on(answer.error());
  if (*answer == wanted) return {};
  return fail(Category::kIo, std::string(path) + ": this file system does not allow \"" + pragma +
                                 "\" (SQLite says \"" + *answer + "\"); put the data directory on a local disk");
}

// The writer's connection, as DESIGN 4 wants it: write-ahead log, each commit synced or none, checkpoints only where we
// run them. NORMAL syncs the log before a checkpoint and the file after it, so what is found is what some commit left.
Expected<std::unique_ptr<Connection>> open_writer(FileHealth& health, const std::string& path,
                                                  const std::string& vfs_name, bool syncs_commits) {
  auto opened = Connection::open(
      health, {.path = path, .vfs_name = vfs_name, .role = FileHealth::Role::kWriter, .cache_kib = kWriterCacheKib});
  if (!opened) return opened;
  Connection& connection = **opened;
  // Only a file without any page yet takes this.
  const std::string page_size = "PRAGMA page_size=" + std::to_string(kPageBytes);
  if (auto set = connection.execute(page_size.c_str()); !set) return pass_on(set.error());
  // A new file is switched over under a rollback journal. EXTRA makes the journal's removal durable: if it came back
  // after a loss of power, it would undo the switch, and all that the log then held.
  if (auto set = connection.execute("PRAGMA synchronous=EXTRA"); !set) return pass_on(set.error());
  if (auto set = insist(connection, "PRAGMA journal_mode=WAL", "wal", path); !set) return pass_on(set.error());
  const std::string_view level = syncs_commits ? "2" : "1";  // FULL, NORMAL
  const std::string modes = "PRAGMA synchronous=" + std::string(level) + "; PRAGMA wal_autocheckpoint=0";
  if (auto set = connection.execute(modes.c_str()); !set) return pass_on(set.error());
  if (auto set = insist(connection, "PRAGMA synchronous", level, path); !set) return pass_on(set.error());
  const std::string bound = "PRAGMA journal_size_limit=" + std::to_string(kWalBytesMax);
  if (auto set = connection.execute(bound.c_str()); !set) return pass_on(set.error());
  return opened;
}

Expected<std::unique_ptr<Checkpointer>> open_checkpointer(FileHealth& health, Connection& writer,
                                                          const std::string& path, const std::string& vfs_name) {
  // It writes to the file, so an error of its ends the file as one of the writer's does.
  auto connection = Connection::open(
      health,
      {.path = path, .vfs_name = vfs_name, .role = FileHealth::Role::kWriter, .cache_kib = kCheckpointCacheKib});
  if (!connection) return pass_on(connection.error());
  const auto page_bytes = writer.value("PRAGMA page_size");
  if (!page_bytes) return pass_on(page_bytes.error());
  auto made = std::make_unique<Checkpointer>(std::move(*connection), std::stoull(*page_bytes));
  sqlite3_wal_hook(
      writer.raw(),
      [](void* checkpointer, sqlite3*, const char*, int frames) {
        static_cast<Checkpointer*>(checkpointer)->on_commit(static_cast<std::uint32_t>(frames));
        return SQLITE_OK;
      },
      made.get());
  return made;
}

// Whose life this is: goes on with the replica that the file knows, or starts the fresh one. `ended` says why the old
// one's life is over; empty: only the identity decides.
Expected<void> settle_replica(Connection& connection, const OpenOptions& options, const std::string& identity,
                              const std::string& ended, OpenReport& report) {
  Statement load(connection, "SELECT identity FROM node");
  std::optional<std::string> known;
  {
    Query query(load);
    const auto row = query.next();
    if (!row) return pass_on(row.error());
    if (*row) known = std::string(query.text(0));
  }
  if (known && *known == identity && ended.empty()) return {};
  report.new_replica = true;
  if (!known) {
    report.fresh = true;
    report.note = ended;
    Statement insert(connection, "INSERT INTO node(one, replica, identity) VALUES(1,?,?)");
    return Query(insert, options.fresh_replica, identity).run();
  }
  report.note =
      ended.empty() ? "the database was restored, copied or moved to this board: it goes on as a new replica" : ended;
  Statement update(connection, "UPDATE node SET replica=?, identity=?");
  return Query(update, options.fresh_replica, identity).run();
}

Expected<std::unique_ptr<Database::Parts>> open_parts(std::unique_ptr<DataDir>& dir, const OpenOptions& options,
                                                      const std::string& ended) {
  if (auto made = dir->create_database(); !made) return pass_on(made.error());
  const std::string path = dir->database();
  const auto identity = DataDir::identity(path, options.board_identity);
  if (!identity) return pass_on(identity.error());
  auto parts = std::make_unique<Database::Parts>();
  parts->health = std::make_unique<FileHealth>(path, dir->marker());
  parts->vfs = std::make_unique<GatheringVfs>(options.vfs_name, options.syncs_commits);
  const std::string& vfs_name = parts->vfs->name();
  parts->scrubber = std::make_unique<Scrubber>(*parts->health, path, dir->scrub_note());
  auto connection = open_writer(*parts->health, path, vfs_name, options.syncs_commits);
  if (!connection) return pass_on(connection.error());
  parts->connection = std::move(*connection);
  if (auto version = migrate(*parts->connection, path); !version) return pass_on(version.error());
  if (auto settled = settle_replica(*parts->connection, options, *identity, ended, parts->report); !settled) {
    return pass_on(settled.error());
  }
  auto checkpointer = open_checkpointer(*parts->health, *parts->connection, path, vfs_name);
  if (!checkpointer) return pass_on(checkpointer.error());
  parts->checkpointer = std::move(*checkpointer);
  parts->writer = std::make_unique<Writer>(*parts->connection, *parts->checkpointer);
  parts->sessions = std::make_unique<SessionTable>(*parts->connection);
  parts->views = std::make_unique<Views>(*parts->health, path, vfs_name);
  if (parts->connection->first_error()) return pass_on(*parts->connection->first_error());
  // Reads every small table once, so that a damaged one shows here.
  if (auto counted = parts->writer->count_logs(); !counted) return pass_on(counted.error());
  if (auto loaded = parts->writer->load(); !loaded) return pass_on(loaded.error());
  if (auto sessions = parts->sessions->load_sessions(); !sessions) return pass_on(sessions.error());
  if (auto wills = parts->sessions->load_wills(); !wills) return pass_on(wills.error());
  if (auto groups = parts->sessions->load_groups(); !groups) return pass_on(groups.error());
  parts->dir = std::move(dir);
  return parts;
}

// Opens after everything that could be read has moved to a new file. `why`: a sentence.
Expected<std::unique_ptr<Database::Parts>> open_moved(std::unique_ptr<DataDir>& dir, const OpenOptions& options,
                                                      const std::string& why, bool damaged) {
  Expected<Moved> moved = Moved{};
  {
    const GatheringVfs vfs(options.vfs_name);
    moved = move_to_new_file(*dir, vfs.name(), damaged);
  }
  if (!moved) return pass_on(moved.error());
  std::string note = why;
  if (!moved->lost.empty()) note += "; lost here, where no peer has it: " + moved->lost;
  if (!moved->aside.empty()) note += "; the old file is " + moved->aside;
  note += ": the database goes on as a new replica, in a new file, and peers will fill it";
  auto parts = open_parts(dir, options, note);
  if (parts || parts.error().category != Category::kCorrupt) return parts;
  // Each page was as it was written, and yet it makes no sense.
  std::string aside = moved->aside;
  if (aside.empty()) {
    auto kept = dir->set_aside();
    if (!kept) return pass_on(kept.error());
    aside = std::move(*kept);
  } else if (auto removed = dir->remove_database(); !removed) {
    return pass_on(removed.error());
  }
  return open_parts(dir, options, why + ": set aside as " + aside + "; a new database starts, and peers will fill it");
}

// Before anything is committed that is not synced. Not before the log was looked at, which the note says not to do.
Expected<void> note_durability(const DataDir& dir, const OpenOptions& options) {
  return options.syncs_commits ? Expected<void>{} : dir.begin_unsynced();
}

// The database is neither what it was nor older: log_check.hpp.
Expected<std::unique_ptr<Database::Parts>> open_beside_damaged_log(std::unique_ptr<DataDir>& dir,
                                                                   const OpenOptions& options, std::uint64_t at) {
  const std::string why = dir->database() + "-wal: the frame at byte " + std::to_string(at) +
                          " is not as it was synced, and nobody knows what was acknowledged after it";
  const auto aside = dir->set_aside();
  if (!aside) return pass_on(aside.error());
  if (auto noted = note_durability(*dir, options); !noted) return pass_on(noted.error());
  return open_parts(dir, options, why + ": set aside as " + *aside + "; a new database starts, and peers will fill it");
}

constexpr const char* kCutOff =
    "the last run committed without syncs (\"durability\": \"process\") and did not end by itself, so what it wrote "
    "last may be lost here: the database goes on as a new replica";

// The log goes first: what was never synced in it would look like damage of what is. Where it cannot go now, what
// follows counts as not synced either, and the next start tries again.
Expected<void> end_unsynced_runs(const Database::Parts& parts) {
  if (!parts.dir->is_unsynced()) return {};
  const auto emptied = parts.checkpointer->empty_log();
  if (emptied) return parts.dir->end_unsynced();
  const Category why = emptied.error().category;
  return why == Category::kLimit || why == Category::kUnavailable ? Expected<void>{} : emptied;
}

// By whichever way there is: as it is, moved to a new file, or anew.
Expected<std::unique_ptr<Database::Parts>> open_some_way(std::unique_ptr<DataDir>& dir, const OpenOptions& options) {
  if (auto finished = dir->finish_replacement(); !finished) return pass_on(finished.error());
  if (auto mended = mend_head(dir->log()); !mended) return pass_on(mended.error());
  // A log that was not synced may end anywhere.
  const bool is_cut_off = dir->is_unsynced();
  if (const auto at = is_cut_off ? std::nullopt : damaged_frame(dir->log())) {
    return open_beside_damaged_log(dir, options, *at);
  }
  if (has_torn_head(dir->log())) {
    if (auto removed = dir->remove(dir->log()); !removed) return pass_on(removed.error());
  }
  {
    const GatheringVfs vfs(options.vfs_name);
    if (auto ready = prepare_file(*dir, vfs.name(), options.board_identity); !ready) return pass_on(ready.error());
  }
  if (auto noted = note_durability(*dir, options); !noted) return pass_on(noted.error());
  const auto marker = dir->read_end_marker();
  auto parts = marker ? open_moved(dir, options, "the last run ended with: " + marker->sentence, marker->corrupt)
                      : open_parts(dir, options, is_cut_off ? kCutOff : "");
  if (marker || parts || parts.error().category != Category::kCorrupt) return parts;
  return open_moved(dir, options, parts.error().what, /*damaged=*/true);
}

}  // namespace

Expected<std::unique_ptr<Database>> open(const OpenOptions& options) {
  Expects(options.fresh_replica != sync::ReplicaId{});
  auto locked = DataDir::open(options.dir);
  if (!locked) return pass_on(locked.error());
  auto dir = std::make_unique<DataDir>(std::move(*locked));
  const bool was_unsynced = dir->is_unsynced();
  auto parts = open_some_way(dir, options);
  if (!parts) {
    // Nothing of a run that did not begin is left that was not synced.
    if (!was_unsynced && !dir->has_log()) static_cast<void>(dir->end_unsynced());
    return pass_on(parts.error());
  }
  if (auto cleared = (*parts)->dir->clear_end_marker(); !cleared) return pass_on(cleared.error());
  if (options.syncs_commits) {
    if (auto ended = end_unsynced_runs(**parts); !ended) return pass_on(ended.error());
  }
  return std::make_unique<Database>(std::move(*parts));
}

}  // namespace hedgerow::store_sqlite
