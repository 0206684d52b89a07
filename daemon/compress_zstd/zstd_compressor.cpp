#include "daemon/compress_zstd/zstd_compressor.hpp"

#include <zstd.h>

#include <memory>
#include <string>

namespace hedgerow::compress_zstd {

namespace {

// Level 1 takes a small table and no search; telemetry shrinks nearly as much as on level 3.
constexpr int kLevel = 1;

struct FreeContext {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

}  // namespace

Bytes ZstdCompressor::compress(ByteView bytes) const {
  if (bytes.size() < 2) return {};
  const std::unique_ptr<ZSTD_CCtx, FreeContext> context(ZSTD_createCCtx());
  if (!context) return {};
  Bytes packed(bytes.size() - 1);
  const std::size_t size =
      ZSTD_compressCCtx(context.get(), packed.data(), packed.size(), bytes.data(), bytes.size(), kLevel);
  if (ZSTD_isError(size) != 0) return {};  // it does not fit, or there is no memory
  packed.resize(size);
  return packed;
}

Expected<Bytes> ZstdCompressor::expand(ByteView packed, std::size_t size_bytes) const {
  const std::unique_ptr<ZSTD_DCtx, FreeContext> context(ZSTD_createDCtx());
  if (!context) return fail(Category::kLimit, "no memory to expand a compressed message");
  Bytes bytes(size_bytes);
  const std::size_t size = ZSTD_decompressDCtx(context.get(), bytes.data(), bytes.size(), packed.data(), packed.size());
  if (ZSTD_isError(size) != 0 || size != size_bytes) {
    return fail(Category::kInvalidInput, "a compressed message is broken: " + std::to_string(packed.size()) +
                                             " bytes do not hold the " + std::to_string(size_bytes) + " announced");
  }
  return bytes;
}

}  // namespace hedgerow::compress_zstd
