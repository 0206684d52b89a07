#include "security/crypto_mbedtls/page_memory.hpp"

#include <mbedtls/platform.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <mutex>
#include <new>
#include <unordered_map>

namespace hedgerow::security {

namespace {

constexpr std::size_t kMappedBytesMin = 16 * 1024;
constexpr std::uintptr_t kPageBytesMin = 4096;  // every page size is a multiple

// The mappings that are in use, and their sizes.
class Mappings {
 public:
  void* map(std::size_t bytes) {
    void* const block = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) return nullptr;
    try {
      const std::lock_guard lock(mutex_);
      sizes_.emplace(block, bytes);
      return block;
    } catch (const std::bad_alloc&) {
      ::munmap(block, bytes);
      return nullptr;
    }
  }

  // False: the block is none of them.
  bool unmap(void* block) {
    if (reinterpret_cast<std::uintptr_t>(block) % kPageBytesMin != 0) return false;
    std::size_t bytes = 0;
    {
      const std::lock_guard lock(mutex_);
      const auto found = sizes_.find(block);
      if (found == sizes_.end()) return false;
      bytes = found->second;
      sizes_.erase(found);
    }
    ::munmap(block, bytes);
    return true;
  }

 private:
  std::mutex mutex_;
  std::unordered_map<void*, std::size_t> sizes_;
};

// Never destroyed: mbedTLS may free after the last static object is gone.
Mappings& mappings() {
  static auto* const all = new Mappings;
  return *all;
}

}  // namespace

void* allocate_zeroed(std::size_t count, std::size_t size) {
  if (size != 0 && count > std::numeric_limits<std::size_t>::max() / size) return nullptr;
  if (count * size < kMappedBytesMin) return std::calloc(count, size);
  return mappings().map(count * size);
}

void release(void* block) {
  if (block != nullptr && !mappings().unmap(block)) std::free(block);
}

void use_page_memory() { mbedtls_platform_set_calloc_free(allocate_zeroed, release); }

}  // namespace hedgerow::security
