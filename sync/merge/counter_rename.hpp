// CounterRename: what a replica counted in one counter since one of its ops becomes the part of another replica, since
// the database goes on under another name (Engine::renew()). Under the old one the mesh knows other counts.
// Pure. Thread rule: plain value.
#pragma once

#include <cstdint>
#include <optional>

#include "sync/base/expected.hpp"
#include "sync/merge/counter.hpp"

namespace hedgerow::sync {

class CounterRename {
 public:
  struct Names {
    ReplicaId from{};
    Seq after = 0;  // ops of `from` beyond this are renamed: op n becomes op n - after
    ReplicaId to{};
  };
  explicit CounterRename(const Names& names) : names_(names) {}

  // One write, as it was made.
  struct Write {
    Seq seq = 0;
    Seq before = 0;  // the last op of the same replica that touched this counter; 0: none
    std::int64_t amount = 0;
    bool is_reset = false;
  };
  // What the write changed, under its new name. Call for each that is to be renamed, in order. Where one of them is
  // missing before the first, what it counted stays under the old name.
  // kCorrupt: `changed` is not what that write changed; kLimit: the total leaves the 64-bit integers.
  [[nodiscard]] Expected<Counter> rename(const Write& write, const Counter& changed);

  // The counter's state, after all of them.
  [[nodiscard]] Counter rename(const Counter& state) const;

 private:
  Names names_;
  bool begun_ = false;
  Seq last_reset_ = 0;
  std::optional<Counter::Part> left_;   // of `from`: what stays
  std::optional<Counter::Part> moved_;  // of `to`
};

}  // namespace hedgerow::sync
