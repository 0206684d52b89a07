#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "tests/bench/loads.hpp"
#include "tests/bench/stream.hpp"

namespace hedgerow::bench {
namespace {

constexpr std::size_t kWriteBytes = 4096;
constexpr std::size_t kWrites = 300;

std::vector<double> timed_writes(int fd) {
  const std::array<char, kWriteBytes> bytes{};
  std::vector<double> took_us;
  for (std::size_t i = 0; i < kWrites; ++i) {
    const auto start = Clock::now();
    const auto offset = static_cast<off_t>(i * kWriteBytes);
    if (::pwrite(fd, bytes.data(), bytes.size(), offset) != ssize_t{kWriteBytes} || ::fdatasync(fd) != 0) {
      throw std::runtime_error(std::string("cannot write and sync: ") + std::strerror(errno));
    }
    took_us.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count());
  }
  std::sort(took_us.begin(), took_us.end());
  return took_us;
}

}  // namespace

SyncResult measure_sync(const std::string& directory) {
  const std::string path = directory + "/sync-time";
  const int fd = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0) throw std::runtime_error("cannot write in " + directory + ": " + std::strerror(errno));
  const std::vector<double> append_us = timed_writes(fd);
  const std::vector<double> overwrite_us = timed_writes(fd);
  ::close(fd);
  ::unlink(path.c_str());
  return {.append_p50_us = append_us[kWrites / 2],
          .append_p99_us = append_us[kWrites * 99 / 100],
          .overwrite_p50_us = overwrite_us[kWrites / 2]};
}

}  // namespace hedgerow::bench
