// Console: the standard streams of `hedgerow`, or what stands for them in a test.
// Thread rule: plain values.
#pragma once

#include <functional>
#include <string_view>

#include "sync/base/expected.hpp"

namespace hedgerow::cli {

struct Console {
  // To standard output, at once.
  std::function<Expected<void>(std::string_view text)> write = [](std::string_view) { return Expected<void>{}; };
  // One line on standard error, without its newline.
  std::function<void(std::string_view line)> note = [](std::string_view) {};
  bool is_terminal = false;  // standard output
  int input = -1;            // descriptors; -1: none
  int output = -1;
};

}  // namespace hedgerow::cli
