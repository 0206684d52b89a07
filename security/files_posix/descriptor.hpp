// An open file descriptor that is closed with its owner.
// Thread rule: one instance belongs to one thread at a time.
#pragma once

#include <unistd.h>

#include <utility>

namespace hedgerow::security {

class Descriptor {
 public:
  // Takes what open() and its kin return; below 0 there is nothing to close.
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(Descriptor&& other) noexcept : value_(other.release()) {}
  Descriptor& operator=(Descriptor&&) = delete;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }

  [[nodiscard]] int get() const { return value_; }
  [[nodiscard]] bool is_open() const { return value_ >= 0; }
  // The caller closes it.
  [[nodiscard]] int release() { return std::exchange(value_, -1); }

 private:
  int value_;
};

}  // namespace hedgerow::security
