// How fast the store commits, and what it writes. Not a test: run it by hand where DATA would lie.
//
//   hedgerow_store_bench DIR             a directory on the disk to be measured; bench databases are made below it and
//                                        removed
//   hedgerow_store_bench --fill DIR MIB  makes a database of about so many MiB in DIR, for run.sh --only coldstart:
//   most
//                                        of it log, a tenth retained messages
//
// Each turn is what a turn of the engine is for local publishes: one segment, one frontier, the clock, one commit.
// A record is 100 B of payload and 28 B of topic, stamp and framing. Columns: processor time, which the disk of the
// moment does not blur; the bytes that the process wrote by system calls (wchar) and those that it made the kernel
// write to the file system's blocks, 4 KiB each (write_bytes), both from /proc/self/io, per record, checkpoints
// included; the file system's own journal comes on top.
#include <sqlite3.h>
#include <sys/resource.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/store_sqlite/database.hpp"

namespace {

using namespace hedgerow;

struct Written {
  std::uint64_t calls = 0;
  std::uint64_t blocks = 0;
};

Written written() {
  std::ifstream io("/proc/self/io");
  Written result;
  std::string key;
  std::uint64_t value = 0;
  while (io >> key >> value) {
    if (key == "wchar:") result.calls = value;
    if (key == "write_bytes:") result.blocks = value;
  }
  return result;
}

// An empty database of another page size than the default: open() keeps what it finds.
bool make_empty(const std::string& dir, int page_bytes) {
  std::filesystem::create_directories(dir);
  sqlite3* raw = nullptr;
  const std::string sql = "PRAGMA page_size=" + std::to_string(page_bytes) + "; PRAGMA journal_mode=WAL; VACUUM";
  const bool made = sqlite3_open((dir + "/hedgerow.db").c_str(), &raw) == SQLITE_OK &&
                    sqlite3_exec(raw, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK;
  sqlite3_close(raw);
  return made;
}

double processor_us() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return 1e6 * static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

bool write_turns(store_sqlite::Database& database, std::uint64_t turns, std::uint32_t ops) {
  sync::Storage& storage = database.storage();
  if (!storage.begin()) return false;
  const auto channel = storage.define_channel("default");
  if (!channel || !storage.commit()) return false;
  constexpr std::size_t kRecordBytes = 128;
  sync::SegmentRow row{.replica = sync::ReplicaId{77},
                       .first_seq = 1,
                       .count = ops,
                       .first_arrival = 1,
                       .newest_wall_ms = 1'700'000'000'000,
                       .bytes = Bytes(ops * kRecordBytes, 0x5A)};
  for (std::uint64_t turn = 0; turn < turns; ++turn) {
    const sync::Seq last = row.first_seq + ops - 1;
    const sync::ReplicaState state{.replica = row.replica, .seq = last, .head = {}, .trimmed = 0};
    if (!storage.begin() || !storage.append(*channel, row) || !storage.put_replica(*channel, state) ||
        !storage.put_clock(last, {.wall_ms = row.newest_wall_ms}) || !storage.commit()) {
      return false;
    }
    if (database.checkpoint_due() && !database.checkpoint()) return false;
    row.first_seq += ops;
    row.first_arrival += ops;
    ++row.newest_wall_ms;
  }
  return true;
}

bool measure(const std::string& dir, int page_bytes, std::uint32_t ops) {
  std::filesystem::remove_all(dir);
  if (!make_empty(dir, page_bytes)) return false;
  const std::uint64_t turns = ops == 1 ? 4000 : ops == 10 ? 2000 : ops == 100 ? 1000 : 200;
  const Written before = written();
  const double before_us = processor_us();
  const auto start = std::chrono::steady_clock::now();
  {
    auto database = store_sqlite::open({.dir = dir, .board_identity = "bench", .fresh_replica = sync::ReplicaId{77}});
    if (!database || !write_turns(**database, turns, ops)) return false;
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  const Written after = written();
  const double records = static_cast<double>(turns) * ops;
  std::printf("%9d %11u %12.0f %20.2f %15.0f %24.0f\n", page_bytes, ops, records / took.count(),
              (processor_us() - before_us) / records, static_cast<double>(after.calls - before.calls) / records,
              static_cast<double>(after.blocks - before.blocks) / records);
  std::filesystem::remove_all(dir);
  return true;
}

// Retained messages of 200 B, so many.
bool write_cells(store_sqlite::Database& database, std::uint64_t cells) {
  sync::Storage& storage = database.storage();
  constexpr std::uint64_t kTurn = 1000;
  for (std::uint64_t number = 0; number < cells;) {
    if (!storage.begin()) return false;
    const auto channel = storage.define_channel("default");
    if (!channel) return false;
    for (std::uint64_t i = 0; i < kTurn; ++i, ++number) {
      auto message = std::make_shared<sync::Message>();
      message->topic = "bench/board-" + std::to_string(number) + "/state";
      message->payload = Bytes(170, 0x5A);
      const sync::WriteOrder order{.stamp = {.wall_ms = 1}, .replica = sync::ReplicaId{77}, .seq = number + 1};
      if (!storage.put_cell(*channel, {.order = order, .message = std::move(message)})) return false;
    }
    if (!storage.put_live_cells(*channel, number) || !storage.commit()) return false;
    if (database.checkpoint_due() && !database.checkpoint()) return false;
  }
  return true;
}

bool fill(const std::string& dir, std::uint64_t mib) {
  auto database = store_sqlite::open({.dir = dir, .board_identity = "bench", .fresh_replica = sync::ReplicaId{77}});
  constexpr std::uint64_t kOps = 100;
  return database && write_turns(**database, mib * 9 / 10 * ((std::uint64_t{1} << 20U) / (kOps * 136)), kOps) &&
         write_cells(**database, mib * 400);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && std::string_view(argv[1]) == "--fill") {
    if (fill(argv[2], std::strtoull(argv[3], nullptr, 10))) return 0;
    std::fputs("hedgerow_store_bench: the store failed; is there room, and may this user write there?\n", stderr);
    return 1;
  }
  if (argc != 2) {
    std::fputs("usage: hedgerow_store_bench DIR, or --fill DIR MIB\n", stderr);
    return 2;
  }
  std::puts("page size  ops a turn    records/s  processor us a record  bytes a record  blocks' bytes a record");
  for (const int page_bytes : {512, 1024, 2048, 4096}) {
    for (const std::uint32_t ops : {1U, 10U, 100U, 1000U}) {
      if (!measure(std::string(argv[1]) + "/store_bench", page_bytes, ops)) {
        std::fputs("hedgerow_store_bench: the store failed; is there room, and may this user write there?\n", stderr);
        return 1;
      }
    }
  }
  return 0;
}
