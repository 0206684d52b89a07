// The log of the database as it lies on a real disk: small commits go past the kernel's memory, and nobody sees a
// difference; nothing but the log itself is written down.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "daemon/store_sqlite/database.hpp"
#include "daemon/store_sqlite/direct_log.hpp"
#include "tests/support/crash_vfs.hpp"
#include "tests/support/seeded_random.hpp"
#include "tests/support/temporary_directory.hpp"

namespace hedgerow::test {

namespace {

using store_sqlite::DirectLog;

// A log, written as the VFS does it: directly where that is possible, and what must be in the file.
class WrittenLog {
 public:
  WrittenLog() : path_((directory_.path() / "log").string()), file_(::open(path_.c_str(), O_RDWR | O_CREAT, 0600)) {}

  void begin() { direct_.on_begin(std::filesystem::file_size(path_)); }
  void write(std::uint64_t offset, const Bytes& bytes) {
    if (expected_.size() < offset + bytes.size()) expected_.resize(static_cast<std::size_t>(offset + bytes.size()));
    std::copy(bytes.begin(), bytes.end(), expected_.begin() + static_cast<std::ptrdiff_t>(offset));
    if (direct_.write(bytes.data(), bytes.size(), offset)) {
      ++directly;
      return;
    }
    REQUIRE(::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset)) ==
            static_cast<ssize_t>(bytes.size()));
    direct_.on_written(bytes.data(), bytes.size(), offset);
  }
  // What was written since the log began.
  [[nodiscard]] bool holds() const {
    Bytes found(expected_.size());
    return ::pread(file_.get(), found.data(), found.size(), 0) == static_cast<ssize_t>(found.size()) &&
           found == expected_;
  }
  void truncate(std::uint64_t bytes) {
    direct_.on_truncate(bytes);
    std::filesystem::resize_file(path_, bytes);
    if (expected_.size() > bytes) expected_.resize(static_cast<std::size_t>(bytes));
  }
  void forget() { expected_.clear(); }
  [[nodiscard]] std::uint64_t file_bytes() const { return std::filesystem::file_size(path_); }
  [[nodiscard]] std::size_t end() const { return expected_.size(); }

  std::size_t directly = 0;

 private:
  TemporaryDirectory directory_;
  std::string path_;
  security::Descriptor file_;
  DirectLog direct_{path_.c_str()};
  Bytes expected_;
};

Bytes some(SeededRandom& random, std::size_t size) {
  Bytes bytes(size);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random.below(256));
  return bytes;
}

}  // namespace

TEST_CASE("a log that is written directly now and then holds what was written", "[store][G1]") {
  const std::uint64_t seed = pick_seed("log written directly");
  CAPTURE(seed);
  SeededRandom random(seed);
  WrittenLog log;
  for (int round = 0; round < 20; ++round) {
    log.begin();
    log.forget();
    log.write(0, some(random, 32));
    const std::size_t writes = 1 + random.below(60);
    for (std::size_t i = 0; i < writes; ++i) {
      if (random.below(50) == 0) log.truncate(random.below(static_cast<std::size_t>(log.file_bytes()) + 1));
      // Now and then in the middle, as where a page is written twice in a transaction.
      const bool in_the_middle = log.end() > 0 && random.below(8) == 0;
      const std::uint64_t offset = in_the_middle ? random.below(log.end()) : log.end();
      log.write(offset, some(random, random.below(4) == 0 ? 1 + random.below(20'000) : 536 * (1 + random.below(6))));
    }
    REQUIRE(log.holds());
  }
}

TEST_CASE("a log that grows is written the usual way", "[store]") {
  SeededRandom random(1);
  WrittenLog log;
  log.begin();
  for (int i = 0; i < 10; ++i) log.write(log.end(), some(random, 536));
  CHECK(log.directly == 0);
  CHECK(log.holds());
}

TEST_CASE("a file that is gone is written the usual way", "[store]") {
  DirectLog log("/nonexistent/log");
  log.on_begin(1 << 20);
  const Bytes bytes(100);
  CHECK_FALSE(log.write(bytes.data(), bytes.size(), 0));
  log.on_written(bytes.data(), bytes.size(), 0);
  CHECK_FALSE(log.write(bytes.data(), bytes.size(), 100));
}

// A database on the system's own disk, where the power-cut tests have one of theirs.
class RealStore {
 public:
  RealStore() { open(); }
  void open() {
    auto opened = store_sqlite::open(
        {.dir = directory_.path().string(), .board_identity = "board", .fresh_replica = sync::ReplicaId{7}});
    REQUIRE(opened);
    database = std::move(*opened);
  }
  void put(const std::string& payload) {
    sync::Storage& storage = database->storage();
    REQUIRE(storage.begin());
    const auto channel = storage.define_channel("default");
    auto message = std::make_shared<sync::Message>();
    message->topic = "t";
    message->payload = to_bytes(as_bytes(payload));
    const sync::WriteOrder order{.stamp = {.wall_ms = 1}, .replica = sync::ReplicaId{7}, .seq = ++seq_};
    REQUIRE(storage.put_cell(*channel, {.order = order, .message = std::move(message)}));
    REQUIRE(storage.commit());
  }
  [[nodiscard]] std::string value() { return value_in(*database); }
  [[nodiscard]] static std::string value_in(store_sqlite::Database& database) {
    auto view = database.views().open_view();
    REQUIRE(view);
    const auto cell = (*view)->cell(sync::ChannelNo{1}, "t");
    return cell && *cell ? std::string(as_text((*cell)->message->payload)) : "";
  }
  [[nodiscard]] std::string file(const char* suffix = "") const {
    return (directory_.path() / "hedgerow.db").string() + suffix;
  }
  [[nodiscard]] std::string dir() const { return directory_.path().string(); }

  std::unique_ptr<store_sqlite::Database> database;

 private:
  TemporaryDirectory directory_;
  sync::Seq seq_ = 0;
};

TEST_CASE_METHOD(RealStore, "what was committed is read, round after round of the log", "[store][G1]") {
  for (int i = 0; i < 3000; ++i) {
    const std::string payload = std::to_string(i) + std::string(static_cast<std::size_t>(i % 7) * 300, 'x');
    put(payload);
    if (database->checkpoint_due()) REQUIRE(database->checkpoint());
    if (i % 50 == 0) REQUIRE(value() == payload);
  }
  // As after kill -9: another process finds the files as they are now.
  TemporaryDirectory copy;
  for (const char* suffix : {"", "-wal"}) {
    std::filesystem::copy_file(file(suffix), copy.path() / (std::string("hedgerow.db") + suffix));
  }
  const std::string last = value();
  auto opened =
      store_sqlite::open({.dir = copy.path().string(), .board_identity = "board", .fresh_replica = sync::ReplicaId{8}});
  REQUIRE(opened);
  CHECK(value_in(**opened) == last);
}

TEST_CASE_METHOD(RealStore, "a power cut in a small commit leaves all of it, or what was there before", "[store][G1]") {
  const auto read = [](const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  constexpr std::size_t kHeadBytes = 32;
  const std::uint64_t seed = pick_seed("direct writes cut off");
  CAPTURE(seed);
  SeededRandom random(seed);
  const CrashVfs disk("copies");
  put("0");
  for (int turn = 1; turn < 60; ++turn) {
    if (random.one_in(10)) REQUIRE(database->checkpoint());
    const std::string value_before = value();
    std::string before = read(file("-wal"));
    const std::string payload = std::to_string(turn) + std::string(random.below(4) * 400, 'x');
    put(payload);
    const std::string after = read(file("-wal"));
    REQUIRE(before.size() == after.size());
    before.replace(0, kHeadBytes, after, 0, kHeadBytes);  // of a log that begins anew: synced before the frames are
    for (int cut = 0; cut < 3; ++cut) {
      std::string torn = before;
      const std::size_t kept_of_four = random.below(5);
      for (std::size_t at = 0; at < torn.size(); at += DirectLog::kSectorBytes) {
        if (random.below(4) < kept_of_four) {
          torn.replace(at, DirectLog::kSectorBytes, after, at, DirectLog::kSectorBytes);
        }
      }
      const TemporaryDirectory copy;
      const std::string copied = (copy.path() / "hedgerow.db").string();
      std::filesystem::copy_file(file(), copied);
      std::ofstream(copied + "-wal", std::ios::binary) << torn;
      auto opened = store_sqlite::open({.dir = copy.path().string(),
                                        .board_identity = "board",
                                        .fresh_replica = sync::ReplicaId{8},
                                        .vfs_name = disk.name()});
      REQUIRE(opened);
      const std::string found = value_in(**opened);
      INFO("turn " << turn << ": " << found << "; " << (*opened)->report().note);
      CHECK_FALSE((*opened)->report().fresh);
      CHECK((found == payload || found == value_before));
      if (kept_of_four == 4) CHECK(found == payload);
    }
  }
}

TEST_CASE_METHOD(RealStore, "the index of the log is in no file", "[store]") {
  put("v");
  CHECK(value() == "v");
  CHECK_FALSE(std::filesystem::exists(file("-shm")));
}

TEST_CASE_METHOD(RealStore, "another process finds the file locked until it is closed", "[store]") {
  put("v");
  CHECK(value() == "v");
  // Locks of POSIX are those of a process.
  const auto is_locked = [this] {
    const std::string path = file();
    const pid_t child = ::fork();
    if (child == 0) {
      const int descriptor = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
      struct flock lock = {};
      lock.l_type = F_RDLCK;
      lock.l_whence = SEEK_SET;
      lock.l_start = (1 << 30) + 2;  // where SQLite has its shared locks
      lock.l_len = 1;
      ::_exit(::fcntl(descriptor, F_GETLK, &lock) == 0 && lock.l_type == F_WRLCK ? 1 : 0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return WEXITSTATUS(status) == 1;
  };
  CHECK(is_locked());
  database.reset();
  CHECK_FALSE(is_locked());
}

}  // namespace hedgerow::test
