// MemoryBudget: how much of one kind all clients together may make the node keep (G6). MemoryCharge: the part of one of
// them, given back with it.
// Thread rule: the loop thread. Ownership: the budget outlives its charges.
#pragma once

#include <cstddef>
#include <utility>

namespace hedgerow::node {

struct MemoryBudget {
  std::size_t bytes_max = 0;
  std::size_t bytes = 0;

  [[nodiscard]] bool is_exceeded() const { return bytes > bytes_max; }
};

class MemoryCharge {
 public:
  MemoryCharge() = default;
  MemoryCharge(MemoryBudget& budget, std::size_t bytes) : budget_(&budget) { set(bytes); }
  MemoryCharge(MemoryCharge&& other) noexcept
      : budget_(std::exchange(other.budget_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  MemoryCharge& operator=(MemoryCharge&& other) noexcept {
    std::swap(budget_, other.budget_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~MemoryCharge() { set(0); }

  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  void set(std::size_t bytes) {
    if (budget_ == nullptr) return;
    budget_->bytes += bytes - std::exchange(bytes_, bytes);
  }

 private:
  MemoryBudget* budget_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace hedgerow::node
