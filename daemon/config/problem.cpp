#include "daemon/config/problem.hpp"

#include <cstddef>

namespace hedgerow::config {

namespace {

constexpr std::size_t kShownMax = 20;

}  // namespace

std::string format_problems(std::string_view file, const Problems& problems) {
  std::string out;
  for (std::size_t at = 0; at < problems.size(); ++at) {
    if (at > 0) out += "\n";
    if (at == kShownMax) {
      out += std::string{file} + ": and " + std::to_string(problems.size() - at) + " more";
      break;
    }
    const Problem& problem = problems[at];
    out += std::string{file} + ":" + std::to_string(problem.at.line) + ":" + std::to_string(problem.at.column) + ": ";
    if (!problem.path.empty()) out += problem.path + ": ";
    out += problem.what;
  }
  return out;
}

}  // namespace hedgerow::config
