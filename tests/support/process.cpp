#include "tests/support/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

namespace hedgerow::test {
namespace {

using Clock = std::chrono::steady_clock;

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
    read_end = ends[0];
    write_end = ends[1];
  }
  int read_end = -1;
  int write_end = -1;
};

struct Lines {
  std::vector<std::string> complete;
  std::string rest;
  std::size_t passed = 0;  // by waits
  bool ended = false;
};

std::vector<std::string> environment_with(const std::map<std::string, std::string>& more) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (more.count(text.substr(0, text.find('='))) == 0) all.push_back(text);
  }
  for (const auto& [name, value] : more) all.push_back(name + "=" + value);
  return all;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

}  // namespace

struct Process::State {
  pid_t pid = -1;
  std::optional<ExitStatus> status;
  mutable std::mutex mutex;
  std::condition_variable changed;
  std::array<Lines, 2> outputs;
  std::thread collector;

  Lines& of(Output output) { return outputs[output == Output::kStandard ? 0 : 1]; }

  void collect(std::array<int, 2> ends) {
    std::array<pollfd, 2> waited{{{ends[0], POLLIN, 0}, {ends[1], POLLIN, 0}}};
    std::array<char, 65536> buffer{};
    while (waited[0].fd >= 0 || waited[1].fd >= 0) {
      if (::poll(waited.data(), waited.size(), -1) < 0) continue;
      for (std::size_t i = 0; i < waited.size(); ++i) {
        if (waited[i].fd < 0 || waited[i].revents == 0) continue;
        const ssize_t count = ::read(waited[i].fd, buffer.data(), buffer.size());
        if (count < 0 && errno == EINTR) continue;
        const std::lock_guard lock(mutex);
        if (count > 0) {
          take(outputs[i], {buffer.data(), static_cast<std::size_t>(count)});
        } else {
          ::close(std::exchange(waited[i].fd, -1));
          if (!outputs[i].rest.empty()) outputs[i].complete.push_back(std::exchange(outputs[i].rest, {}));
          outputs[i].ended = true;
        }
        changed.notify_all();
      }
    }
  }

  static void take(Lines& lines, std::string_view text) {
    for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
      lines.complete.push_back(std::exchange(lines.rest, {}) + std::string(text.substr(0, end)));
      text.remove_prefix(end + 1);
    }
    lines.rest += text;
  }
};

Process::Process(Options options) : state_(std::make_unique<State>()) {
  const Pipe in;
  const Pipe out;
  const Pipe error;
  std::vector<std::string> environment = environment_with(options.environment);
  const std::vector<char*> argv = pointers(options.arguments);
  const std::vector<char*> envp = pointers(environment);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (pid == 0) {
    // Only async-signal-safe calls: other threads of the test may have held locks.
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);
    ::signal(SIGPIPE, SIG_DFL);
    ::dup2(in.read_end, 0);
    ::dup2(out.write_end, 1);
    ::dup2(error.write_end, 2);
    ::execvpe(argv[0], argv.data(), envp.data());
    constexpr std::string_view kSorry = "cannot execute the program\n";
    (void)!::write(2, kSorry.data(), kSorry.size());
    ::_exit(127);
  }
  state_->pid = pid;
  ::setpgid(pid, pid);
  ::close(in.read_end);
  ::close(out.write_end);
  ::close(error.write_end);
  ::signal(SIGPIPE, SIG_IGN);
  if (!options.input.empty()) (void)!::write(in.write_end, options.input.data(), options.input.size());
  ::close(in.write_end);
  state_->collector =
      std::thread([state = state_.get(), ends = std::array{out.read_end, error.read_end}] { state->collect(ends); });
}

Process::Process(Process&&) noexcept = default;

Process& Process::operator=(Process&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}

Process::~Process() {
  if (!state_) return;
  ::kill(-state_->pid, SIGKILL);
  (void)wait();
  if (state_->collector.joinable()) state_->collector.join();
}

std::optional<std::string> Process::wait_for_line(Output output, const std::function<bool(std::string_view)>& matches,
                                                  std::chrono::milliseconds patience) {
  const auto deadline = Clock::now() + patience;
  std::unique_lock lock(state_->mutex);
  Lines& lines = state_->of(output);
  for (;;) {
    while (lines.passed < lines.complete.size()) {
      const std::string& line = lines.complete[lines.passed++];
      if (matches(line)) return line;
    }
    if (lines.ended || state_->changed.wait_until(lock, deadline) == std::cv_status::timeout) return std::nullopt;
  }
}

std::optional<std::string> Process::wait_for_line(Output output, std::string_view part,
                                                  std::chrono::milliseconds patience) {
  return wait_for_line(
      output, [part](std::string_view line) { return line.find(part) != std::string_view::npos; }, patience);
}

void Process::rewind(Output output) {
  const std::lock_guard lock(state_->mutex);
  state_->of(output).passed = 0;
}

bool Process::wait_for_lines(Output output, std::size_t count, std::chrono::milliseconds patience) {
  std::unique_lock lock(state_->mutex);
  Lines& lines = state_->of(output);
  state_->changed.wait_for(lock, patience, [&] { return lines.complete.size() >= count || lines.ended; });
  return lines.complete.size() >= count;
}

std::vector<std::string> Process::lines(Output output) const {
  const std::lock_guard lock(state_->mutex);
  return state_->of(output).complete;
}

std::string Process::text(Output output) const {
  std::string all;
  for (const std::string& line : lines(output)) all += line + "\n";
  return all;
}

void Process::signal(int number) const {
  if (!state_->status) ::kill(state_->pid, number);
}

std::optional<ExitStatus> Process::wait(std::chrono::milliseconds patience) {
  if (state_->status) return state_->status;
  // Both outputs end when the process does, unless it left children that hold them: so look at both.
  const auto deadline = Clock::now() + patience;
  for (;;) {
    int raw = 0;
    const pid_t ended = ::waitpid(state_->pid, &raw, WNOHANG);
    if (ended == state_->pid) {
      state_->status = WIFEXITED(raw) ? ExitStatus{.code = WEXITSTATUS(raw), .signal = 0}
                                      : ExitStatus{.code = -1, .signal = WTERMSIG(raw)};
      return state_->status;
    }
    if (Clock::now() >= deadline) return std::nullopt;
    std::unique_lock lock(state_->mutex);
    state_->changed.wait_for(lock, std::chrono::milliseconds{5});
  }
}

pid_t Process::pid() const { return state_->pid; }

Finished run(std::vector<std::string> arguments, std::string input, std::chrono::milliseconds patience) {
  Process process({.arguments = std::move(arguments), .environment = {}, .input = std::move(input)});
  Finished finished;
  if (const auto status = process.wait(patience)) {
    finished.status = *status;
  } else {
    process.signal(SIGKILL);
    finished.status = process.wait().value_or(ExitStatus{});
  }
  // Its outputs are complete once they have ended.
  (void)process.wait_for_line(Output::kStandard, [](std::string_view) { return false; });
  (void)process.wait_for_line(Output::kError, [](std::string_view) { return false; });
  finished.out = process.text(Output::kStandard);
  finished.error = process.text(Output::kError);
  return finished;
}

}  // namespace hedgerow::test
