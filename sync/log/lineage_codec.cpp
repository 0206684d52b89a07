#include "sync/log/lineage_codec.hpp"

#include "sync/limits.hpp"
#include "sync/log/codec.hpp"

namespace hedgerow::sync {

namespace {
constexpr std::uint8_t kVersion = 1;
}  // namespace

Bytes encode_lineage(const Lineage& lineage) {
  Bytes bytes;
  Writer out(bytes);
  out.u8(kVersion);
  out.u64(static_cast<std::uint64_t>(lineage.root));
  out.varint(lineage.base);
  out.varint(lineage.runs.size());
  Seq before = 0;
  for (const Run& run : lineage.runs) {
    out.varint(run.first - before);
    out.u64(run.mark);
    before = run.first;
  }
  return bytes;
}

Expected<LineagePtr> decode_lineage(ByteView bytes) {
  Reader in(bytes);
  auto lineage = std::make_shared<Lineage>();
  const std::uint8_t version = in.u8();
  lineage->root = ReplicaId{in.u64()};
  lineage->base = in.varint_up_to(kSeqMax);
  const auto count = static_cast<std::size_t>(in.varint_up_to(kRunsPerReplicaMax));
  Seq before = 0;
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    const Seq delta = in.varint_up_to(kSeqMax - before);
    if (delta == 0) in.reject();
    before += delta;
    lineage->runs.push_back({.first = before, .mark = in.u64()});
  }
  if (!in.at_end() || version != kVersion || lineage->root == ReplicaId{}) {
    return fail(Category::kCorrupt, "lineage: the bytes break the grammar");
  }
  return lineage;
}

}  // namespace hedgerow::sync
