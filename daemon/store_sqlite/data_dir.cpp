#include "daemon/store_sqlite/data_dir.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "daemon/store_sqlite/limits.hpp"
#include "security/files_posix/descriptor.hpp"
#include "sync/base/bytes.hpp"

namespace hedgerow::store_sqlite {

namespace {

using security::Descriptor;

constexpr std::string_view kCorruptMark = "corrupt: ";
constexpr std::string_view kFailedMark = "failed: ";

tl::unexpected<Error> os_error(const std::string& path, std::string_view doing) {
  const int code = errno;
  const Category category = code == ENOSPC || code == EDQUOT ? Category::kLimit : Category::kIo;
  return fail(category, path + ": " + std::string(doing) + ": " + std::generic_category().message(code));
}

Expected<void> sync_path(const std::string& path, int flags) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags));
  if (!file.is_open()) return os_error(path, "cannot be opened");
  if (::fsync(file.get()) != 0) return os_error(path, "cannot be synced");
  return {};
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Like mkdir -p; each new directory's entry is durable.
Expected<void> make_directory(const std::string& dir, mode_t mode) {
  struct stat found = {};
  if (::stat(dir.c_str(), &found) == 0) {
    if (S_ISDIR(found.st_mode)) return {};
    return fail(Category::kInvalidInput, dir + ": is not a directory; give another data directory");
  }
  if (errno != ENOENT) return os_error(dir, "cannot be used as the data directory");
  const std::string parent = parent_of(dir);
  if (auto made = make_directory(parent, 0755); !made) return made;
  if (::mkdir(dir.c_str(), mode) != 0 && errno != EEXIST) return os_error(dir, "cannot be made");
  return sync_path(parent, O_DIRECTORY);
}

std::string holder_of(int lock) {
  std::array<char, 24> text{};
  const ssize_t size = ::pread(lock, text.data(), text.size(), 0);
  std::string_view pid(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  pid = pid.substr(0, pid.find('\n'));
  return pid.empty() ? "another process" : "process " + std::string(pid);
}

// The numbers of the files that were set aside, ascending.
std::vector<unsigned> set_aside_numbers(const std::string& dir) {
  constexpr std::string_view kPrefix = "hedgerow.db.corrupt-";
  std::vector<unsigned> numbers;
  DIR* listing = ::opendir(dir.c_str());
  if (listing == nullptr) return numbers;
  while (const dirent* entry = ::readdir(listing)) {
    const std::string_view name(entry->d_name);
    if (!name.starts_with(kPrefix)) continue;
    unsigned number = 0;
    const auto [end, error] = std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), number);
    if (error == std::errc{} && end == name.data() + name.size()) numbers.push_back(number);
  }
  ::closedir(listing);
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

bool remove_file(const std::string& path) { return ::unlink(path.c_str()) == 0 || errno == ENOENT; }

bool rename_if_there(const std::string& from, const std::string& to) {
  return ::rename(from.c_str(), to.c_str()) == 0 || errno == ENOENT;
}

}  // namespace

void write_end_marker(const std::string& path, const EndMarker& marker) {
  if (path.empty()) return;
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file.is_open()) return;
  const std::string text = std::string(marker.corrupt ? kCorruptMark : kFailedMark) + marker.sentence + "\n";
  if (::write(file.get(), text.data(), text.size()) < 0 || ::fsync(file.get()) != 0) return;
  static_cast<void>(sync_path(parent_of(path), O_DIRECTORY));
}

Expected<DataDir> DataDir::open(std::string dir) {
  while (dir.size() > 1 && dir.ends_with('/')) dir.pop_back();
  if (auto made = make_directory(dir, 0700); !made) return tl::unexpected<Error>(std::move(made.error()));
  const std::string path = dir + "/hedgerow.lock";
  Descriptor lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock.is_open())
    return os_error(path, "cannot be opened; the user that runs hedgerowd must own the data directory");
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return os_error(path, "cannot be locked");
    return fail(Category::kRefused,
                dir + ": in use by " + holder_of(lock.get()) + "; stop that one, or give another data directory");
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(lock.get(), 0) != 0 || ::pwrite(lock.get(), pid.data(), pid.size(), 0) < 0) {
    return os_error(path, "cannot be written");
  }
  return DataDir(std::move(dir), lock.release());
}

DataDir::DataDir(DataDir&& other) noexcept : dir_(std::move(other.dir_)), lock_(std::exchange(other.lock_, -1)) {}

DataDir::~DataDir() {
  if (lock_ >= 0) ::close(lock_);
}

Expected<void> DataDir::create_database() const {
  const Descriptor file(::open(database().c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file.is_open()) {
    if (errno == EEXIST) return {};
    return os_error(database(), "cannot be made");
  }
  if (::fsync(file.get()) != 0) return os_error(database(), "cannot be synced");
  return sync_path(dir_, O_DIRECTORY);
}

Expected<std::string> DataDir::set_aside() const {
  std::vector<unsigned> numbers = set_aside_numbers(dir_);
  while (numbers.size() >= kSetAsideMax) {
    const std::string oldest = database() + ".corrupt-" + std::to_string(numbers.front());
    if (!remove_file(oldest + "-wal") || !remove_file(oldest)) return os_error(oldest, "cannot be removed");
    numbers.erase(numbers.begin());
  }
  const std::string aside = database() + ".corrupt-" + std::to_string(numbers.empty() ? 1 : numbers.back() + 1);
  // The log goes first: a log without its database is harmless, a new database with an old log is not.
  if (!rename_if_there(database() + "-wal", aside + "-wal") || !remove_file(database() + "-shm") ||
      !rename_if_there(database(), aside)) {
    return os_error(database(), "cannot be set aside");
  }
  if (auto synced = sync_path(dir_, O_DIRECTORY); !synced) return tl::unexpected<Error>(std::move(synced.error()));
  return aside;
}

Expected<void> DataDir::remove(const std::string& path) const {
  if (!remove_file(path)) return os_error(path, "cannot be removed");
  return {};
}

Expected<void> DataDir::remove_database() const {
  for (const char* part : {"-wal", "-shm", ""}) {
    if (auto removed = remove(database() + part); !removed) return removed;
  }
  return {};
}

Expected<void> DataDir::create_file(const std::string& path) const {
  if (auto removed = remove(path); !removed) return removed;
  const Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file.is_open()) return os_error(path, "cannot be made");
  return {};
}

Expected<std::string> DataDir::replace_database(const std::string& copy, bool keep_old) const {
  if (::chmod(copy.c_str(), 0600) != 0) return os_error(copy, "its mode cannot be set");
  if (auto synced = sync_path(copy, 0); !synced) return tl::unexpected<Error>(std::move(synced.error()));
  if (::rename(copy.c_str(), next().c_str()) != 0) return os_error(copy, "cannot be renamed");
  if (auto synced = sync_path(dir_, O_DIRECTORY); !synced) return tl::unexpected<Error>(std::move(synced.error()));
  std::string aside;
  if (keep_old) {
    auto kept = set_aside();
    if (!kept) return kept;
    aside = std::move(*kept);
  }
  if (auto finished = finish_replacement(); !finished) return tl::unexpected<Error>(std::move(finished.error()));
  return aside;
}

Expected<void> DataDir::finish_replacement() const {
  if (::access(next().c_str(), F_OK) != 0) return {};
  // The old log's removal must be durable before the new file takes the old one's name.
  if (!remove_file(database() + "-wal") || !remove_file(database() + "-shm")) {
    return os_error(database(), "its log cannot be removed");
  }
  if (auto synced = sync_path(dir_, O_DIRECTORY); !synced) return synced;
  if (::rename(next().c_str(), database().c_str()) != 0) {
    return os_error(next(), "cannot be put in the place of the database");
  }
  return sync_path(dir_, O_DIRECTORY);
}

Expected<std::string> DataDir::identity(const std::string& path, const std::string& board_identity) {
  struct stat file = {};
  struct statfs system = {};
  if (::stat(path.c_str(), &file) != 0) return os_error(path, "cannot be examined");
  if (::statfs(path.c_str(), &system) != 0) return os_error(path, "its file system cannot be examined");
  std::array<std::uint8_t, sizeof(system.f_fsid)> system_id{};
  std::memcpy(system_id.data(), &system.f_fsid, system_id.size());
  return board_identity + "/" + to_hex(system_id) + "/" + std::to_string(file.st_ino);
}

std::optional<EndMarker> DataDir::read_end_marker() const {
  const Descriptor file(::open(marker().c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) return std::nullopt;
  std::array<char, 1024> text{};
  const ssize_t size = ::read(file.get(), text.data(), text.size());
  std::string_view said(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  said = said.substr(0, said.find('\n'));
  if (said.starts_with(kCorruptMark)) {
    return EndMarker{.corrupt = true, .sentence = std::string(said.substr(kCorruptMark.size()))};
  }
  // An empty marker was cut short by the failure that it tells of.
  if (said.starts_with(kFailedMark)) said.remove_prefix(kFailedMark.size());
  return EndMarker{.corrupt = false, .sentence = std::string(said)};
}

Expected<void> DataDir::clear_end_marker() const {
  if (::unlink(marker().c_str()) == 0) return sync_path(dir_, O_DIRECTORY);
  if (errno == ENOENT) return {};
  return os_error(marker(), "cannot be removed");
}

bool DataDir::has_log() const { return ::access(log().c_str(), F_OK) == 0; }

bool DataDir::is_unsynced() const { return ::access(unsynced_note().c_str(), F_OK) == 0; }

Expected<void> DataDir::begin_unsynced() const {
  if (is_unsynced()) return {};  // of a run that was cut off: it must not be gone for a moment
  if (auto made = create_file(unsynced_note()); !made) return made;
  return sync_path(dir_, O_DIRECTORY);
}

Expected<void> DataDir::end_unsynced() const {
  // First the end of the log that it is about.
  if (auto synced = sync_path(dir_, O_DIRECTORY); !synced) return synced;
  if (::unlink(unsynced_note().c_str()) == 0) return sync_path(dir_, O_DIRECTORY);
  if (errno == ENOENT) return {};
  return os_error(unsynced_note(), "cannot be removed");
}

}  // namespace hedgerow::store_sqlite
