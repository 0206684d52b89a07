#include "daemon/net_asio/control_server.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

#include "daemon/net_asio/loop_impl.hpp"
#include "security/files_posix/descriptor.hpp"

namespace hedgerow::net_asio {
namespace {

using boost::system::error_code;
using Local = asio::local::stream_protocol;

constexpr const char* kSocketName = "control.sock";

class Session;

// What the sessions need of their server; they may outlive it.
struct ControlState {
  ControlState(EventLoop::Impl& the_loop, ControlHandler the_handler)
      : loop(the_loop), acceptor(the_loop.context), handler(std::move(the_handler)) {}

  EventLoop::Impl& loop;
  Local::acceptor acceptor;
  ControlHandler handler;
  std::set<std::shared_ptr<Session>> sessions;
  bool accepting = false;
  bool stopped = false;
};

void accept_next(const std::shared_ptr<ControlState>& state);

// One client: reads a line, has it answered, writes the answer, reads the next.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<ControlState> state, Local::socket socket)
      : state_(std::move(state)), socket_(std::move(socket)), idle_(state_->loop.context) {}

  void read_next() {
    idle_.expires_at(to_steady(EventLoop::now() + kControlTime));
    idle_.async_wait([self = shared_from_this()](const error_code& error) {
      if (!error) self->end();
    });
    asio::async_read_until(socket_, asio::dynamic_buffer(input_, kControlLineBytesMax), '\n',
                           [self = shared_from_this()](const error_code& error, std::size_t length) {
                             if (error) {
                               self->end();
                             } else {
                               self->answer(length);
                             }
                           });
  }

  void end() {
    error_code ignored;
    socket_.close(ignored);
    idle_.cancel();
    if (state_->sessions.erase(shared_from_this()) > 0) accept_next(state_);
  }

 private:
  // Lives in copies of the ControlReply; the last of them to go unused ends the client.
  struct Pending {
    explicit Pending(std::shared_ptr<Session> the_session) : session(std::move(the_session)) {}
    Pending(const Pending&) = delete;
    Pending& operator=(const Pending&) = delete;
    ~Pending() {
      if (session) session->end();
    }
    std::shared_ptr<Session> session;
  };

  void answer(std::size_t length) {
    idle_.cancel();
    std::string request = input_.substr(0, length - 1);
    input_.erase(0, length);
    auto pending = std::make_shared<Pending>(shared_from_this());
    state_->handler(std::move(request), [pending](std::string answer) {
      if (const std::shared_ptr<Session> session = std::exchange(pending->session, nullptr)) {
        session->write(std::move(answer));
      }
    });
  }

  void write(std::string answer) {
    if (!socket_.is_open()) return;
    output_ = std::move(answer);
    output_.push_back('\n');
    idle_.expires_at(to_steady(EventLoop::now() + kControlTime));
    idle_.async_wait([self = shared_from_this()](const error_code& error) {
      if (!error) self->end();
    });
    asio::async_write(socket_, asio::buffer(output_),
                      [self = shared_from_this()](const error_code& error, std::size_t) {
                        if (error) {
                          self->end();
                        } else {
                          self->output_ = {};
                          self->read_next();
                        }
                      });
  }

  std::shared_ptr<ControlState> state_;
  Local::socket socket_;
  asio::steady_timer idle_;
  std::string input_;
  std::string output_;
};

// Beyond the limit of clients, those who come wait in the backlog until one leaves.
void accept_next(const std::shared_ptr<ControlState>& state) {
  if (state->stopped || state->accepting || state->sessions.size() >= kControlClientsMax) return;
  state->accepting = true;
  state->acceptor.async_accept([state](const error_code& error, Local::socket socket) {
    state->accepting = false;
    if (state->stopped) return;
    if (error) {
      auto pause =
          std::make_shared<asio::steady_timer>(state->loop.context, to_steady(EventLoop::now() + kAcceptPause));
      pause->async_wait([state, pause](const error_code&) { accept_next(state); });
      return;
    }
    const auto session = std::make_shared<Session>(state, std::move(socket));
    state->sessions.insert(session);
    session->read_next();
    accept_next(state);
  });
}

class AsioControlServer final : public ControlServer {
 public:
  AsioControlServer(std::shared_ptr<ControlState> state, std::filesystem::path file)
      : state_(std::move(state)), file_(std::move(file)) {}
  ~AsioControlServer() override {
    state_->stopped = true;
    error_code ignored;
    state_->acceptor.close(ignored);
    while (!state_->sessions.empty()) {
      const std::shared_ptr<Session> session = *state_->sessions.begin();
      session->end();
    }
    std::error_code gone;
    std::filesystem::remove(file_, gone);
  }

 private:
  std::shared_ptr<ControlState> state_;
  std::filesystem::path file_;
};

// A name of the socket that fits into an address however long DATA is: through the open directory.
sockaddr_un address_in(int directory) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = "/proc/self/fd/" + std::to_string(directory) + "/" + kSocketName;
  static_assert(sizeof(address.sun_path) > 64);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

Expected<int> bind_control_socket(const std::filesystem::path& data) {
  const std::string where = (data / kSocketName).string();
  const auto failed = [&where](const char* what) {
    return fail(Category::kIo, where + ": cannot " + what + ": " + std::strerror(errno));
  };
  const security::Descriptor directory(::open(data.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0) return failed("open its directory");
  const sockaddr_un address = address_in(directory.get());
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);

  security::Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (socket.get() < 0) return failed("make a socket");
  {
    const security::Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const bool answers = probe.get() >= 0 && (::connect(probe.get(), generic, sizeof(address)) == 0 || errno == EAGAIN);
    if (answers) {
      return fail(Category::kUnavailable,
                  where + ": another hedgerowd is running on this data directory: stop it, or choose another --data");
    }
  }
  if (::unlinkat(directory.get(), kSocketName, 0) != 0 && errno != ENOENT) return failed("replace the old socket");
  // Before bind(): the file must not be open to others for a moment.
  if (::fchmod(socket.get(), S_IRUSR | S_IWUSR) != 0) return failed("protect the socket");
  if (::bind(socket.get(), generic, sizeof(address)) != 0) return failed("bind");
  if (::fchmodat(directory.get(), kSocketName, S_IRUSR | S_IWUSR, 0) != 0) return failed("protect the socket file");
  if (::listen(socket.get(), static_cast<int>(kControlClientsMax)) != 0) return failed("listen");
  return socket.release();
}

}  // namespace

Expected<std::unique_ptr<ControlServer>> serve_control(EventLoop& loop, const std::filesystem::path& data,
                                                       ControlHandler handler) {
  const Expected<int> socket = bind_control_socket(data);
  if (!socket) return tl::unexpected(socket.error());
  auto state = std::make_shared<ControlState>(loop.impl(), std::move(handler));
  error_code error;
  state->acceptor.assign(Local(), *socket, error);
  if (error) {
    ::close(*socket);
    return fail(Category::kIo, (data / kSocketName).string() + ": " + error.message());
  }
  accept_next(state);
  return std::make_unique<AsioControlServer>(std::move(state), data / kSocketName);
}

}  // namespace hedgerow::net_asio
