#include "daemon/net_asio/control_server.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/completion_condition.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <set>
#include <system_error>
#include <utility>

#include "daemon/control/limits.hpp"
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
  ControlState(EventLoop::Impl& the_loop, control::Handler the_handler)
      : loop(the_loop), acceptor(the_loop.context), handler(std::move(the_handler)) {}

  EventLoop::Impl& loop;
  Local::acceptor acceptor;
  control::Handler handler;
  std::set<std::shared_ptr<Session>> sessions;
  bool accepting = false;
  bool stopped = false;
};

void accept_next(const std::shared_ptr<ControlState>& state);

// One client: reads a request, has it answered, writes the answer, reads the next.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<ControlState> state, Local::socket socket)
      : state_(std::move(state)), socket_(std::move(socket)), idle_(state_->loop.context) {}

  void read_next() {
    limit_time();
    asio::async_read_until(socket_, asio::dynamic_buffer(input_, kControlLineBytesMax), '\n',
                           [self = shared_from_this()](const error_code& error, std::size_t length) {
                             if (error) return self->end();
                             self->take_line(length);
                           });
  }

  void end() {
    error_code ignored;
    socket_.close(ignored);
    idle_.cancel();
    const bool was_answering = std::exchange(answering_, false);
    on_room_ = nullptr;
    const std::function<void()> gone = std::exchange(on_gone_, nullptr);
    waiting_ = {};
    if (was_answering && gone) gone();
    if (state_->sessions.erase(shared_from_this()) > 0) accept_next(state_);
  }

  // --- of its answers; `question` says to which request they belong: an answer outlives nothing but its own ---

  [[nodiscard]] bool answers(std::uint64_t question) const { return answering_ && question == question_; }
  void add(std::string document) {
    streams_ = true;
    put(std::move(document));
  }
  void finish(std::string document) {
    answering_ = false;
    on_room_ = nullptr;
    on_gone_ = nullptr;
    put(std::move(document));
  }
  [[nodiscard]] bool has_room() const { return output_.size() + waiting_.size() < control::kAnswerQueueBytesMax; }
  void on_room(std::function<void()> then) { on_room_ = std::move(then); }
  void on_gone(std::function<void()> then) { on_gone_ = std::move(then); }

 private:
  class SessionAnswer;

  void limit_time() {
    idle_.expires_at(to_steady(EventLoop::now() + kControlTime));
    idle_.async_wait([self = shared_from_this()](const error_code& error) {
      if (!error) self->end();
    });
  }

  // request = [ size SP ] document LF body
  void take_line(std::size_t length) {
    control::Question question{.document = input_.substr(0, length - 1)};
    input_.erase(0, length);
    std::size_t body_bytes = 0;
    if (!question.document.empty() && question.document.front() >= '0' && question.document.front() <= '9') {
      const std::size_t space = question.document.find(' ');
      const char* const text = question.document.data();
      const auto [end, error] = std::from_chars(text, text + std::min(space, question.document.size()), body_bytes);
      const bool is_size = error == std::errc{} && space != std::string::npos && end == text + space;
      if (!is_size || body_bytes > kControlBodyBytesMax) return this->end();
      question.document.erase(0, space + 1);
    }
    if (input_.size() >= body_bytes) return take_body(std::move(question), body_bytes);
    const std::size_t missing = body_bytes - input_.size();
    asio::async_read(socket_, asio::dynamic_buffer(input_), asio::transfer_exactly(missing),
                     [self = shared_from_this(), question = std::move(question), body_bytes](const error_code& error,
                                                                                             std::size_t) mutable {
                       if (error) return self->end();
                       self->take_body(std::move(question), body_bytes);
                     });
  }

  void take_body(control::Question question, std::size_t body_bytes);

  // The socket says at once when the asker has closed it, also while nothing is sent. Shutting down only one side is
  // not going.
  void watch_for_end() {
    if (std::exchange(watched_, true)) return;
    socket_.async_wait(Local::socket::wait_error, [self = shared_from_this()](const error_code& error) {
      self->watched_ = false;
      if (!error && self->answering_) self->end();
    });
  }

  void put(std::string document) {
    if (!socket_.is_open()) return;
    waiting_ += document;
    waiting_ += '\n';
    if (output_.empty()) write();
  }

  void write() {
    output_.swap(waiting_);
    // One document is taken at once or never. A reader of many may rest: it holds one of few places, and a queue.
    if (!streams_) limit_time();
    asio::async_write(socket_, asio::buffer(output_),
                      [self = shared_from_this()](const error_code& error, std::size_t) {
                        if (error) return self->end();
                        self->output_ = {};
                        self->on_written();
                      });
  }

  void on_written() {
    if (!waiting_.empty()) return write();
    if (!answering_) return read_next();
    if (const std::function<void()> then = on_room_) then();
  }

  std::shared_ptr<ControlState> state_;
  Local::socket socket_;
  asio::steady_timer idle_;
  std::string input_;
  std::string output_;   // on its way
  std::string waiting_;  // follows it
  std::uint64_t question_ = 0;
  bool answering_ = false;
  bool streams_ = false;  // the answer has several documents
  bool watched_ = false;
  std::function<void()> on_room_;
  std::function<void()> on_gone_;
};

class Session::SessionAnswer final : public control::Answer {
 public:
  SessionAnswer(std::shared_ptr<Session> session, std::uint64_t question)
      : session_(std::move(session)), question_(question) {}
  SessionAnswer(const SessionAnswer&) = delete;
  SessionAnswer& operator=(const SessionAnswer&) = delete;
  ~SessionAnswer() override {
    if (is_open()) session_->end();
  }

  void add(std::string document) override {
    if (is_open()) session_->add(std::move(document));
  }
  void finish(std::string document) override {
    if (is_open()) session_->finish(std::move(document));
  }
  [[nodiscard]] bool has_room() const override { return is_open() && session_->has_room(); }
  void on_room(std::function<void()> then) override {
    if (is_open()) session_->on_room(std::move(then));
  }
  void on_gone(std::function<void()> then) override {
    if (is_open()) session_->on_gone(std::move(then));
  }

 private:
  [[nodiscard]] bool is_open() const { return session_->answers(question_); }

  std::shared_ptr<Session> session_;
  std::uint64_t question_;
};

void Session::take_body(control::Question question, std::size_t body_bytes) {
  idle_.cancel();
  question.body = input_.substr(0, body_bytes);
  input_ = input_.substr(body_bytes);  // gives the room of a long body back
  answering_ = true;
  streams_ = false;
  watch_for_end();
  // Whoever lets go of it last, perhaps on another thread, the loop thread ends it.
  const auto end_on_loop = [&context = state_->loop.context](SessionAnswer* answer) {
    asio::dispatch(context, [owned = std::unique_ptr<SessionAnswer>(answer)]() mutable { owned.reset(); });
  };
  state_->handler(std::move(question),
                  control::AnswerPtr(new SessionAnswer(shared_from_this(), ++question_), end_on_loop));
}

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
                                                       control::Handler handler) {
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
