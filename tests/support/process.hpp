// A child process, as the tests see one: its lines, and how it ended.
//
// Each child has a process group of its own and dies with the test. A thread collects its lines, so that a chatty child
// never blocks on a full pipe.
// Thread rule: one thread at a time. Ownership: the destructor kills what still runs.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hedgerow::test {

// How long the tests wait for anything that must happen, unless they say otherwise. Generous: it is reached by failures
// only, and emulated or sanitized children are slow.
inline constexpr std::chrono::seconds kPatience{60};

enum class Output { kStandard, kError };

struct ExitStatus {
  int code = -1;   // of exit(); -1: ended by a signal
  int signal = 0;  // 0: ended by exit()
  bool operator==(const ExitStatus&) const = default;
};

class Process {
 public:
  struct Options {
    std::vector<std::string> arguments;              // the first one is the program, found through PATH
    std::map<std::string, std::string> environment;  // on top of ours
    std::string input;                               // what it reads on standard input
  };

  explicit Process(Options options);
  Process(Process&&) noexcept;
  Process& operator=(Process&&) noexcept;
  ~Process();

  // The first line that `matches`, among those not yet passed by an earlier wait on the same output. Nothing when the
  // output ended or the time was over without one.
  std::optional<std::string> wait_for_line(Output output, const std::function<bool(std::string_view)>& matches,
                                           std::chrono::milliseconds patience = kPatience);
  std::optional<std::string> wait_for_line(Output output, std::string_view part,
                                           std::chrono::milliseconds patience = kPatience);
  // Later waits look at all lines again.
  void rewind(Output output);
  // At least so many lines in all.
  bool wait_for_lines(Output output, std::size_t count, std::chrono::milliseconds patience = kPatience);

  // Everything so far, in lines.
  [[nodiscard]] std::vector<std::string> lines(Output output) const;
  [[nodiscard]] std::string text(Output output) const;

  void signal(int number) const;
  // Nothing: it still runs when the time is over.
  std::optional<ExitStatus> wait(std::chrono::milliseconds patience = kPatience);
  [[nodiscard]] pid_t pid() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct Finished {
  ExitStatus status;
  std::string out;
  std::string error;
};

// Runs a program to its end. One that does not end in time is killed: the status tells.
Finished run(std::vector<std::string> arguments, std::string input = {},
             std::chrono::milliseconds patience = kPatience);

}  // namespace hedgerow::test
