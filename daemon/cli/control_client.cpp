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

  Expected<std::string> hold(const std::filesystem::path& data, std::string_view request) {
    const security::Descriptor directory{::open(data.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
    if (!directory.is_open()) return tl::unexpected<Error>(no_answer(errno));
    const security::Descriptor socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!socket.is_open()) return tl::unexpected<Error>(no_answer(errno));
    const Expected<void> connected = connect(socket.get(), directory.get());
    if (!connected) return tl::unexpected<Error>(connected.error());
    const Expected<void> sent = send(socket.get(), request);
    if (!sent) return tl::unexpected<Error>(sent.error());
    return receive(socket.get());
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

  Expected<std::string> receive(int socket) {
    std::string answer;
    std::array<char, 16 * 1024> buffer{};
    while (true) {
      const ssize_t count = ::recv(socket, buffer.data(), buffer.size(), 0);
      if (count > 0) {
        const std::string_view part{buffer.data(), static_cast<std::size_t>(count)};
        const std::size_t newline = part.find('\n');
        answer.append(part.substr(0, newline));
        if (newline != std::string_view::npos) return answer;
        if (answer.size() > monitor::kControlAnswerBytesMax) {
          return fail(Category::kLimit, "the answer at " + path_ + " is longer than any that hedgerowd gives");
        }
      } else if (count == 0) {
        return fail(Category::kUnavailable, "hedgerowd closed " + path_ + " before it answered: its log may say why");
      } else if (errno == EAGAIN) {
        if (!wait(socket, POLLIN)) return tl::unexpected<Error>(too_late());
      } else if (errno != EINTR) {
        return tl::unexpected<Error>(no_answer(errno));
      }
    }
  }

  // False iff the time is over.
  bool wait(int socket, short events) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now());
    if (left.count() <= 0) return false;
    pollfd waited{.fd = socket, .events = events, .revents = 0};
    ::poll(&waited, 1, static_cast<int>(left.count()));
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
};

}  // namespace

Expected<std::string> ask_daemon(const std::filesystem::path& data, std::string_view request,
                                 std::chrono::milliseconds timeout) {
  return Conversation{(data / monitor::kControlSocketName).string(), Clock::now() + timeout}.hold(data, request);
}

}  // namespace hedgerow::cli
