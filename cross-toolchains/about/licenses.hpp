// What a program says about itself. Both texts are fixed when CMake configures.
// Thread rule: constants. Ownership: static storage.
#pragma once

#include <string_view>

namespace hedgerow {

// The project's version, and the commit that it was configured from where git knows one: "0.1.0+g1a2b3c4d5e6f".
[[nodiscard]] std::string_view version();

// The licence of Hedgerow and of everything that is linked into its programs. UTF-8, about 40 KiB, ends with a newline.
[[nodiscard]] std::string_view licenses();

}  // namespace hedgerow
