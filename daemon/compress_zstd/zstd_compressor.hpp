// The Compressor over libzstd: one frame a call, at its fastest level.
//
// Its contexts live for a call: idle, compression costs no memory. A frame's window is as large as the frame, so what
// it is expanded into is all that a decoder needs.
// Thread rule: any thread.
#pragma once

#include "sync/base/compressor.hpp"

namespace hedgerow::compress_zstd {

class ZstdCompressor final : public Compressor {
 public:
  [[nodiscard]] Bytes compress(ByteView bytes) const override;
  [[nodiscard]] Expected<Bytes> expand(ByteView packed, std::size_t size_bytes) const override;
};

}  // namespace hedgerow::compress_zstd
