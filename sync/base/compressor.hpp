// Port: compression of what is sent in bulk. Declared here by its users (catch-up); implemented over zstd in
// daemon/compress_zstd.
// Thread rule: any thread; an implementation keeps nothing between calls.
#pragma once

#include <cstddef>

#include "sync/base/bytes.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow {

class Compressor {
 public:
  Compressor() = default;
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;
  virtual ~Compressor() = default;

  // What expand() makes `bytes` of again, or nothing where that is not smaller, or where there is no memory for it now.
  [[nodiscard]] virtual Bytes compress(ByteView bytes) const = 0;

  // The `size_bytes` that were compressed. kInvalidInput: `packed` is broken or holds another number of bytes. It
  // allocates `size_bytes` and a working memory of less than 256 KiB, whatever a stranger wrote.
  [[nodiscard]] virtual Expected<Bytes> expand(ByteView packed, std::size_t size_bytes) const = 0;
};

}  // namespace hedgerow
