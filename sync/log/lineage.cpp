#include "sync/log/lineage.hpp"

#include <algorithm>
#include <string_view>
#include <tuple>

#include "sync/log/codec.hpp"

namespace hedgerow::sync {

namespace {
constexpr std::string_view kDomain = "hedgerow branch 1";
constexpr std::uint64_t kUpperHalf = 0xFFFF'FFFF'0000'0000U;

// The run that wrote op `seq`; zeros where the list does not say.
Run run_at(const std::vector<Run>& runs, Seq seq) {
  const auto next =
      std::upper_bound(runs.begin(), runs.end(), seq, [](Seq wanted, const Run& run) { return wanted < run.first; });
  return next == runs.begin() ? Run{} : *std::prev(next);
}

}  // namespace

Seq common_part(const KnownPath& a, const KnownPath& b) {
  const Seq shorter = std::min(a.seq, b.seq);
  const auto [in_a, in_b] = std::mismatch(a.runs.begin(), a.runs.end(), b.runs.begin(), b.runs.end());
  // What begins a run in one of them only was not written by the other; beyond what is known nothing is said.
  Seq parted = shorter + 1;
  if (in_a != a.runs.end()) parted = std::min(parted, in_a->first);
  if (in_b != b.runs.end()) parted = std::min(parted, in_b->first);
  return parted - 1;
}

bool precedes(const KnownPath& a, const KnownPath& b) {
  const Seq common = common_part(a, b);
  if (common == a.seq || common == b.seq) return a.seq < b.seq;
  const Run in_a = run_at(a.runs, common + 1);
  const Run in_b = run_at(b.runs, common + 1);
  return std::tie(in_a.first, in_a.mark) < std::tie(in_b.first, in_b.mark);
}

std::uint64_t mark_at(const std::vector<Run>& runs, Seq seq) { return run_at(runs, seq).mark; }

ReplicaId branch_name(Hasher& hasher, ReplicaId root, Run first) {
  Bytes bytes;
  Writer out(bytes);
  out.raw(kDomain);
  out.u64(static_cast<std::uint64_t>(root));
  out.u64(first.first);
  out.u64(first.mark);
  hasher.update(bytes);
  const Hash256 hash = hasher.finish();
  std::uint64_t low = 0;
  for (std::size_t i = 0; i < 4; ++i) low = (low << 8U) | hash[i];
  const std::uint64_t whole = (static_cast<std::uint64_t>(root) & kUpperHalf) | low;
  return ReplicaId{whole == 0 || whole == static_cast<std::uint64_t>(root) ? whole ^ 1U : whole};
}

}  // namespace hedgerow::sync
