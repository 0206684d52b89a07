#include "tests/support/crash_vfs.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <gsl/assert>
#include <new>

namespace hedgerow::test {

namespace {

constexpr std::size_t kSectorBytes = 512;

// SQLite allocates szOsFile bytes: this, and behind it the system's file.
struct CrashFile {
  sqlite3_file base;
  CrashVfs* owner;
  std::string* path;  // none: a temporary file, which nobody misses
};

constexpr std::size_t kFileBytes = (sizeof(CrashFile) + 15) / 16 * 16;

CrashFile& mine(sqlite3_file* file) { return *reinterpret_cast<CrashFile*>(file); }
sqlite3_file* system_file(sqlite3_file* file) {
  return reinterpret_cast<sqlite3_file*>(reinterpret_cast<char*>(file) + kFileBytes);
}
const sqlite3_io_methods& system_methods(sqlite3_file* file) { return *system_file(file)->pMethods; }

Bytes read_whole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  Bytes bytes(static_cast<std::size_t>(std::filesystem::file_size(path)));
  in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

std::uint64_t inode_of(const std::string& path) {
  struct stat found = {};
  return ::stat(path.c_str(), &found) == 0 ? found.st_ino : 0;
}

}  // namespace

struct CrashVfsCalls {
  static CrashVfs& owner(sqlite3_vfs* vfs) { return *static_cast<CrashVfs*>(vfs->pAppData); }

  static int close(sqlite3_file* file) {
    const int code = system_methods(file).xClose(system_file(file));
    --mine(file).owner->open_files_;
    delete mine(file).path;
    return code;
  }

  static int read(sqlite3_file* file, void* into, int bytes, sqlite3_int64 offset) {
    if (mine(file).owner->dead_) return SQLITE_IOERR_READ;
    ++mine(file).owner->reads_;
    return system_methods(file).xRead(system_file(file), into, bytes, offset);
  }

  static int write(sqlite3_file* file, const void* from, int bytes, sqlite3_int64 offset) {
    CrashVfs& vfs = *mine(file).owner;
    if (vfs.operation()) return SQLITE_IOERR_WRITE;
    ++vfs.writes_;
    if (vfs.writes_left_ && (*vfs.writes_left_)-- == 0) {
      vfs.writes_left_.reset();
      return SQLITE_IOERR_WRITE;
    }
    if (!vfs.grow(growth_to(file, offset + bytes))) return SQLITE_FULL;
    if (mine(file).path != nullptr) {
      const auto* begin = static_cast<const std::uint8_t*>(from);
      vfs.disks_.at(*mine(file).path)
          .changes.push_back({static_cast<std::uint64_t>(offset), Bytes(begin, begin + bytes), std::nullopt});
    }
    return system_methods(file).xWrite(system_file(file), from, bytes, offset);
  }

  static std::uint64_t growth_to(sqlite3_file* file, sqlite3_int64 end) {
    sqlite3_int64 size = 0;
    system_methods(file).xFileSize(system_file(file), &size);
    return static_cast<std::uint64_t>(std::max<sqlite3_int64>(0, end - size));
  }

  static int truncate(sqlite3_file* file, sqlite3_int64 size) {
    CrashVfs& vfs = *mine(file).owner;
    if (vfs.operation()) return SQLITE_IOERR_TRUNCATE;
    if (mine(file).path != nullptr) {
      vfs.disks_.at(*mine(file).path).changes.push_back({0, {}, static_cast<std::uint64_t>(size)});
    }
    return system_methods(file).xTruncate(system_file(file), size);
  }

  static int sync(sqlite3_file* file, int) {
    CrashVfs& vfs = *mine(file).owner;
    if (vfs.operation()) return SQLITE_IOERR_FSYNC;
    ++vfs.syncs_;
    if (vfs.syncs_left_ && (*vfs.syncs_left_)-- == 0) {
      vfs.syncs_left_.reset();
      // The system takes the pages for clean now: it shows them, and no later sync writes them.
      if (mine(file).path != nullptr) vfs.disks_.at(*mine(file).path).changes.clear();
      return SQLITE_IOERR_FSYNC;
    }
    if (mine(file).path == nullptr || vfs.lying_) return SQLITE_OK;
    CrashVfs::Disk& disk = vfs.disks_.at(*mine(file).path);
    for (const CrashVfs::Change& change : disk.changes) CrashVfs::apply(disk.synced, change);
    disk.changes.clear();
    disk.entry_synced = true;
    return SQLITE_OK;
  }

  static int file_size(sqlite3_file* file, sqlite3_int64* size) {
    if (mine(file).owner->dead_) return SQLITE_IOERR_FSTAT;
    return system_methods(file).xFileSize(system_file(file), size);
  }
  static int lock(sqlite3_file* file, int level) { return system_methods(file).xLock(system_file(file), level); }
  static int unlock(sqlite3_file* file, int level) { return system_methods(file).xUnlock(system_file(file), level); }
  static int check_lock(sqlite3_file* file, int* held) {
    return system_methods(file).xCheckReservedLock(system_file(file), held);
  }
  static int control(sqlite3_file* file, int operation, void* argument) {
    CrashVfs& vfs = *mine(file).owner;
    if (operation == SQLITE_FCNTL_SIZE_HINT &&
        (vfs.dead_ || !vfs.grow(growth_to(file, *static_cast<sqlite3_int64*>(argument))))) {
      return SQLITE_IOERR_WRITE;
    }
    return system_methods(file).xFileControl(system_file(file), operation, argument);
  }
  static int sector_size(sqlite3_file* file) { return system_methods(file).xSectorSize(system_file(file)); }
  static int characteristics(sqlite3_file* file) {
    return system_methods(file).xDeviceCharacteristics(system_file(file));
  }
  static int shm_map(sqlite3_file* file, int region, int bytes, int extend, void volatile** memory) {
    return system_methods(file).xShmMap(system_file(file), region, bytes, extend, memory);
  }
  static int shm_lock(sqlite3_file* file, int offset, int count, int flags) {
    return system_methods(file).xShmLock(system_file(file), offset, count, flags);
  }
  static void shm_barrier(sqlite3_file* file) { system_methods(file).xShmBarrier(system_file(file)); }
  static int shm_unmap(sqlite3_file* file, int remove) {
    return system_methods(file).xShmUnmap(system_file(file), remove);
  }

  static int open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* out_flags);
  static int remove(sqlite3_vfs* vfs, const char* path, int sync_directory);

  // Version 2: no memory mapping, which would go past write().
  static constexpr sqlite3_io_methods kMethods = {
      2,         close,      read,    write,       truncate,        sync,    file_size, lock,
      unlock,    check_lock, control, sector_size, characteristics, shm_map, shm_lock,  shm_barrier,
      shm_unmap, nullptr,    nullptr};
};

int CrashVfsCalls::open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* out_flags) {
  CrashVfs& self = owner(vfs);
  file->pMethods = nullptr;
  if (self.dead_) return SQLITE_CANTOPEN;
  const bool existed = path != nullptr && inode_of(path) != 0;
  const int code = self.system_->xOpen(self.system_, path, system_file(file), flags, out_flags);
  if (code != SQLITE_OK) {
    if (system_file(file)->pMethods != nullptr) system_methods(file).xClose(system_file(file));
    return code;
  }
  CrashFile& opened = *new (static_cast<void*>(file)) CrashFile{{&kMethods}, &self, nullptr};
  if (path != nullptr && (flags & SQLITE_OPEN_DELETEONCLOSE) == 0) {
    opened.path = new std::string(path);
    self.disk_of(*opened.path, existed);
  }
  ++self.open_files_;
  return SQLITE_OK;
}

int CrashVfsCalls::remove(sqlite3_vfs* vfs, const char* path, int sync_directory) {
  CrashVfs& self = owner(vfs);
  if (self.operation()) return SQLITE_IOERR_DELETE;
  const auto disk = self.disks_.find(path);
  if (disk != self.disks_.end()) {
    if (sync_directory != 0 && !self.lying_) {
      self.disks_.erase(disk);
    } else {
      disk->second.deleted = true;
    }
  }
  return self.system_->xDelete(self.system_, path, 0);
}

CrashVfs::CrashVfs(std::string name)
    : name_(std::move(name)), system_(sqlite3_vfs_find(nullptr)), vfs_(std::make_unique<sqlite3_vfs>(*system_)) {
  // What stays the system's own (time, random numbers, paths) is called with our sqlite3_vfs, which carries a copy of
  // the system's fields, but for those below; the Unix VFS looks at pAppData only while it opens a file.
  vfs_->pNext = nullptr;
  vfs_->zName = name_.c_str();
  vfs_->pAppData = this;
  vfs_->szOsFile = static_cast<int>(kFileBytes) + system_->szOsFile;
  vfs_->xOpen = CrashVfsCalls::open;
  vfs_->xDelete = CrashVfsCalls::remove;
  Expects(sqlite3_vfs_register(vfs_.get(), 0) == SQLITE_OK);
}

CrashVfs::~CrashVfs() { sqlite3_vfs_unregister(vfs_.get()); }

CrashVfs::Disk& CrashVfs::disk_of(const std::string& path, bool existed) {
  const std::uint64_t inode = inode_of(path);
  const auto known = disks_.find(path);
  if (known != disks_.end() && known->second.inode == inode && !known->second.deleted) return known->second;
  // A file that was there before us, or was renamed to this path, is taken as the disk has it.
  Disk& disk = disks_[path];
  disk = {.synced = existed ? read_whole(path) : Bytes{}, .changes = {}, .entry_synced = existed, .inode = inode};
  return disk;
}

bool CrashVfs::grow(std::uint64_t bytes) {
  if (!room_) return true;
  if (bytes > *room_) return false;
  *room_ -= bytes;
  return true;
}

bool CrashVfs::operation() {
  if (!dead_ && operations_left_ && (*operations_left_)-- == 0) {
    operations_left_.reset();
    dead_ = true;
  }
  return dead_;
}

void CrashVfs::apply(Bytes& image, const Change& change) {
  if (change.truncate_to) {
    image.resize(static_cast<std::size_t>(*change.truncate_to));
    return;
  }
  if (change.bytes.empty()) return;
  const auto offset = static_cast<std::size_t>(change.offset);
  if (image.size() < offset + change.bytes.size()) image.resize(offset + change.bytes.size());
  std::memcpy(image.data() + offset, change.bytes.data(), change.bytes.size());
}

Bytes CrashVfs::survivor(const Disk& disk, SeededRandom& random) {
  Bytes image = disk.synced;
  // Of some files everything reached the disk, of some nothing, of most a part.
  const std::size_t kept_of_four = random.below(5);
  for (const Change& change : disk.changes) {
    if (change.truncate_to) {
      if (random.below(4) < kept_of_four) apply(image, change);
      continue;
    }
    for (std::size_t at = 0; at < change.bytes.size();) {
      const std::size_t to_sector_end = kSectorBytes - static_cast<std::size_t>((change.offset + at) % kSectorBytes);
      const std::size_t whole = std::min(to_sector_end, change.bytes.size() - at);
      if (random.below(4) < kept_of_four) {
        const std::size_t kept = random.one_in(8) ? random.below(whole + 1) : whole;
        const auto begin = change.bytes.begin() + static_cast<std::ptrdiff_t>(at);
        apply(image, {.offset = change.offset + at,
                      .bytes = Bytes(begin, begin + static_cast<std::ptrdiff_t>(kept)),
                      .truncate_to = std::nullopt});
      }
      at += whole;
    }
  }
  return image;
}

void CrashVfs::power_on(SeededRandom& random) {
  Expects(open_files_ == 0);
  for (const auto& [path, disk] : disks_) {
    const bool is_there = disk.deleted ? disk.entry_synced && random.one_in(2) : disk.entry_synced || random.one_in(2);
    ::unlink((path + "-shm").c_str());
    if (!is_there) {
      ::unlink(path.c_str());
      continue;
    }
    // Written in place: the file keeps its inode.
    const Bytes image = survivor(disk, random);
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out.write(reinterpret_cast<const char*>(image.data()), static_cast<std::streamsize>(image.size()));
  }
  disks_.clear();
  operations_left_.reset();
  syncs_left_.reset();
  dead_ = false;
}

}  // namespace hedgerow::test
