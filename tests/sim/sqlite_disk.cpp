// The real store on a disk that loses power: it drops, reorders and tears what was not synced.
#include <filesystem>
#include <fstream>
#include <utility>

#include "daemon/store_sqlite/database.hpp"
#include "tests/sim/disk.hpp"
#include "tests/sim/oracle.hpp"
#include "tests/support/crash_vfs.hpp"
#include "tests/support/temporary_directory.hpp"

namespace hedgerow::sim {
namespace {

struct SqliteImage final : Disk::Image {
  Bytes database;
  Bytes log;
  bool was_open = false;
};

Bytes read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return {};
  Bytes bytes(static_cast<std::size_t>(std::filesystem::file_size(path)));
  in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

// In place: a file that is there keeps its inode.
void write_file(const std::string& path, const Bytes& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

class SqliteDisk final : public Disk {
 public:
  SqliteDisk(const Options& options, std::size_t board)
      : faults_(options.faults),
        random_((options.seed ^ 0x7371'6C69'7465'2121U) + board),
        vfs_("board-" + std::to_string(board)),
        board_(board) {}
  ~SqliteDisk() override { database_.reset(); }
  SqliteDisk(const SqliteDisk&) = delete;
  SqliteDisk& operator=(const SqliteDisk&) = delete;

  void power_on() override {
    if (faults_.cut_after_writes_max > 0) vfs_.power_cut_in(random_.below(faults_.cut_after_writes_max));
    had_ended_ = std::filesystem::exists(file() + ".ended");
    const std::size_t aside_before = set_aside();
    auto opened =
        store_sqlite::open({.dir = directory_.path().string(),
                            .board_identity = "board " + std::to_string(board_) + ", disk " + std::to_string(replaced_),
                            .fresh_replica = sync::ReplicaId{random_.next() | 1U},
                            .vfs_name = vfs_.name()});
    // Seen here, since the next start knows nothing of it where the power goes in this one.
    if (was_open_ && !may_be_new_ && set_aside() > aside_before) {
      throw Violation("G1: a loss of power was taken for damage, and the database set aside");
    }
    if (has_lost_power()) return;
    if (!opened) throw Violation("the database does not open again: " + opened.error().what);
    const store_sqlite::OpenReport& report = (*opened)->report();
    if (was_open_ && (report.fresh || (report.new_replica && !may_be_new_))) {
      throw Violation("G1: a loss of power ended the replica's life: " + report.note);
    }
    was_open_ = true;
    may_be_new_ = false;
    database_ = std::move(*opened);
    if (random_.below(1000) < faults_.failed_sync_per_mille) vfs_.fail_sync_in(random_.below(20));
  }

  void power_off() override {
    vfs_.set_room(std::nullopt);
    const std::string marker = file() + ".ended";
    const bool is_process_end = database_ != nullptr && !vfs_.is_dead() && std::filesystem::exists(marker);
    if (is_process_end) {
      // The store saw a sync fail and ended itself. What the system has cached is still there.
      database_.reset();
      may_be_new_ = true;
      return;
    }
    vfs_.power_cut();
    const bool was_up = database_ != nullptr;
    database_.reset();
    // What the store noted while it closed, a machine without power would not have noted.
    if (was_up || !had_ended_) std::filesystem::remove(marker);
    vfs_.power_on(random_);
  }

  [[nodiscard]] bool has_lost_power() const override { return vfs_.is_dead(); }
  void keep_power() override {
    faults_.cut_after_writes_max = 0;
    faults_.failed_sync_per_mille = 0;
    vfs_.power_cut_in(~std::uint64_t{0});
    vfs_.fail_sync_in(~std::uint64_t{0});
  }
  [[nodiscard]] sync::Storage& storage() override { return database_->storage(); }
  [[nodiscard]] node::SessionStore& sessions() override { return database_->sessions(); }
  [[nodiscard]] sync::ReadViews& views() override { return database_->views(); }
  void fill_up() override { vfs_.set_room(0); }
  Expected<void> after_turn() override {
    vfs_.set_room(std::nullopt);
    // A turn for which there was no room may also have met the sync that fails.
    if (const auto view = database_->views().open_view(); !view) return tl::make_unexpected(view.error());
    return random_.one_in(12) ? database_->checkpoint() : Expected<void>{};
  }

  [[nodiscard]] std::shared_ptr<const Image> image() const override {
    auto image = std::make_shared<SqliteImage>();
    image->database = read_file(file());
    image->log = read_file(file() + "-wal");
    image->was_open = was_open_;
    return image;
  }
  void replace(const Image* image, bool noticed) override {
    if (noticed) ++replaced_;
    vfs_.power_on(random_);  // where only the process had ended
    may_be_new_ = true;
    was_open_ = false;
    std::filesystem::remove(file() + ".ended");
    std::filesystem::remove(file() + "-wal");
    if (image == nullptr) {
      std::filesystem::remove(file());
      return;
    }
    const auto& files = dynamic_cast<const SqliteImage&>(*image);
    was_open_ = files.was_open;
    write_file(file(), files.database);
    if (!files.log.empty()) write_file(file() + "-wal", files.log);
  }

 private:
  [[nodiscard]] std::string file() const { return directory_.path().string() + "/hedgerow.db"; }

  // Files that are not the database any more.
  [[nodiscard]] std::size_t set_aside() const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
      if (entry.path().filename().string().find(".corrupt-") != std::string::npos) ++count;
    }
    return count;
  }

  FaultOptions faults_;
  Random random_;
  test::TemporaryDirectory directory_;
  test::CrashVfs vfs_;
  std::size_t board_;
  std::size_t replaced_ = 0;  // tells the store that the disk is another one
  bool was_open_ = false;
  bool had_ended_ = false;   // by its own word, before the last start
  bool may_be_new_ = false;  // the replica, at the next start
  std::unique_ptr<store_sqlite::Database> database_;
};

}  // namespace

std::unique_ptr<Disk> make_sqlite_disk(const Options& options, std::size_t board) {
  return std::make_unique<SqliteDisk>(options, board);
}

}  // namespace hedgerow::sim
