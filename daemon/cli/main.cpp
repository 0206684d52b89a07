// hedgerow, the command line of a mesh.

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/cli/command.hpp"
#include "daemon/cli/run_command.hpp"

namespace {

using hedgerow::Category;
using hedgerow::Error;

int report(const Error& error, int status) {
  std::fprintf(stderr, "hedgerow: %s\n", error.what.c_str());
  return status;
}

hedgerow::Expected<void> write_out(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) return {};
  return hedgerow::fail(Category::kIo, "standard output cannot be written");
}

int run(int argc, const char* const* argv) {
  using namespace hedgerow::cli;
  const char* const data = std::getenv("HEDGEROW_DATA");
  const auto environment = data == nullptr ? std::nullopt : std::optional<std::string_view>{data};
  const hedgerow::Expected<Command> command = parse_command(arguments_of(argc, argv), environment);
  if (!command) return report(command.error(), kExitUsage);
  const Console console{
      .write = write_out,
      .note = [](std::string_view line) { std::fprintf(stderr, "hedgerow: %s\n", std::string{line}.c_str()); },
      .is_terminal = ::isatty(STDOUT_FILENO) == 1,
      .input = STDIN_FILENO,
      .output = STDOUT_FILENO};
  const hedgerow::Expected<std::string> text = run_command(*command, console);
  if (!text) return report(text.error(), kExitFailed);
  const hedgerow::Expected<void> written = write_out(*text);
  return written ? kExitDone : report(written.error(), kExitFailed);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& exception) {
    return report({Category::kIo, exception.what()}, hedgerow::cli::kExitFailed);
  }
}
