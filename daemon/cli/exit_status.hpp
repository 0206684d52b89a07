// The exit status of hedgerowd and hedgerow (DESIGN 4).
#pragma once

namespace hedgerow::cli {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;  // a mistake in the command line or in the configuration

}  // namespace hedgerow::cli
