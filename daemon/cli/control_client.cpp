#include "daemon/cli/control_client.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "daemon/monitor/status.hpp"
#include "security/files_posix/descriptor.hpp"

namespace hedgerow::cli {

namespace {

using Clock = std::chrono::steady_clock;

// One conversation with the socket at `path`.
class Conversation {
 public:
  Conversation(std::string path, Clock::time_point deadline) : path_(std::move(path)), deadline_(deadline) {}

  // The time is for the request alone.
  void be_patient() { patient_ = true; }

  Expected<void> hold(const std::filesystem::path& data, std::string_view request, int output,
                      const TakeDocument& take) {
    const security::Descriptor directory{::open(data.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
    if (!directory.is_open()) return tl::unexpected<Error>(no_answer(errno));
    const security::Descriptor socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!socket.is_open()) return tl::unexpected<Error>(no_answer(errno));
    const Expected<void> connected = connect(socket.get(), directory.get());
    if (!connected) return tl::unexpected<Error>(connected.error());
    const Expected<void> sent = send(socket.get(), request);
    if (!sent) return tl::unexpected<Error>(sent.error());
    has_time_limit_ = !patient_;
    return receive(socket.get(), output, take);
  }

 private:
  // A socket address holds 107 bytes of path; through the open directory every path fits.
  Expected<void> connect(int socket, int directory) {
    const std::string short_path =
        "/proc/self/fd/" + std::to_string(directory) + "/" + std::string{monitor::kControlSocketName};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, short_path.data(), short_path.size());
    // EAGAIN: the daemon's backlog is full; a Unix socket offers no event to wait for, so ask again after a pause.
    while (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      if (errno == EAGAIN && Clock::now() < deadline_) {
        ::poll(nullptr, 0, 20);
      } else if (errno != EINTR) {
        return tl::unexpected<Error>(no_answer(errno));
      }
    }
    return {};
  }

  Expected<void> send(int socket, std::string_view request) {
    while (!request.empty()) {
      const ssize_t count = ::send(socket, request.data(), request.size(), MSG_NOSIGNAL);
      if (count >= 0) {
        request.remove_prefix(static_cast<std::size_t>(count));
      } else if (errno == EAGAIN) {
        if (!wait(socket, POLLOUT)) return tl::unexpected<Error>(too_late());
      } else if (errno != EINTR) {
        return tl::unexpected<Error>(no_answer(errno));
      }
    }
    return {};
  }

  Expected<void> receive(int socket, int output, const TakeDocument& take) {
    std::string document;
    std::array<char, 16 * 1024> buffer{};
    while (true) {
      const ssize_t count = ::recv(socket, buffer.data(), buffer.size(), 0);
      if (count > 0) {
        const Expected<bool> goes_on = take_lines({buffer.data(), static_cast<std::size_t>(count)}, document, take);
        if (!goes_on) return tl::unexpected<Error>(goes_on.error());
        if (!*goes_on) return {};
      } else if (count == 0) {
        return fail(Category::kUnavailable, "hedgerowd closed " + path_ + " before it answered: its log may say why");
      } else if (errno == EAGAIN) {
        if (!wait(socket, POLLIN, output)) return tl::unexpected<Error>(too_late());
        if (is_cut_off(output)) return {};
      } else if (errno != EINTR) {
        return tl::unexpected<Error>(no_answer(errno));
      }
    }
  }

  // `document`: what came of the next one.
  Expected<bool> take_lines(std::string_view part, std::string& document, const TakeDocument& take) {
    for (std::size_t newline = part.find('\n'); newline != std::string_view::npos; newline = part.find('\n')) {
      document.append(part.substr(0, newline));
      part.remove_prefix(newline + 1);
      const Expected<bool> goes_on = take(document);
      if (!goes_on || !*goes_on) return goes_on;
      document.clear();
    }
    document.append(part);
    if (document.size() <= monitor::kControlAnswerBytesMax) return true;
    return fail(Category::kLimit, "the answer at " + path_ + " is longer than any that hedgerowd gives");
  }

  // A pipe without a reader, a terminal that was closed.
  static bool is_cut_off(int output) {
    pollfd asked{.fd = output, .events = 0, .revents = 0};
    return output >= 0 && ::poll(&asked, 1, 0) == 1 && (asked.revents & (POLLERR | POLLHUP)) != 0;
  }

  // False iff the time is over. Also returns when nobody reads the output any more.
  bool wait(int socket, short events, int output = -1) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now());
    if (has_time_limit_ && left.count() <= 0) return false;
    std::array<pollfd, 2> waited = {pollfd{.fd = socket, .events = events, .revents = 0},
                                    pollfd{.fd = output, .events = 0, .revents = 0}};
    ::poll(waited.data(), waited.size(), has_time_limit_ ? static_cast<int>(left.count()) : -1);
    return true;
  }

  [[nodiscard]] Error too_late() const {
    return {Category::kUnavailable, "hedgerowd at " + path_ + " does not answer in time: its log may say why"};
  }

  [[nodiscard]] Error no_answer(int error) const {
    if (error == EACCES || error == EPERM) {
      return {Category::kRefused, path_ +
                                      " belongs to another user: run hedgerow as the user that runs hedgerowd, or "
                                      "with sudo"};
    }
    if (error == ENOENT || error == ECONNREFUSED || error == ENOTDIR) {
      return {Category::kNotFound, "no hedgerowd answers at " + path_ +
                                       ": is it running? start it with: hedgerowd --config FILE, or name its data "
                                       "directory with --data DIR"};
    }
    return {Category::kIo, path_ + ": " + std::strerror(error)};
  }

  std::string path_;
  Clock::time_point deadline_;
  bool patient_ = false;
  bool has_time_limit_ = true;
};

}  // namespace

Expected<std::string> ask_daemon(const std::filesystem::path& data, std::string_view request,
                                 std::chrono::milliseconds timeout) {
  std::string answer;
  Conversation conversation{(data / monitor::kControlSocketName).string(), Clock::now() + timeout};
  const Expected<void> held = conversation.hold(data, request, /*output=*/-1, [&](std::string_view document) {
    answer = document;
    return Expected<bool>{false};
  });
  if (!held) return tl::unexpected<Error>(held.error());
  return answer;
}

Expected<void> ask_daemon_for_all(const std::filesystem::path& data, std::string_view request, int output,
                                  const TakeDocument& take) {
  Conversation conversation{(data / monitor::kControlSocketName).string(), Clock::now() + kControlTimeout};
  conversation.be_patient();
  return conversation.hold(data, request, output, take);
}

}  // namespace hedgerow::cli
