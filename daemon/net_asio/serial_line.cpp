#include "daemon/net_asio/serial_line.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "daemon/net_asio/loop_impl.hpp"
#include "daemon/net_asio/raw_stream.hpp"
#include "firmware-shim/codec/frame.h"

namespace hedgerow::net_asio {
namespace {

using boost::system::error_code;

error_code last_error() { return {errno, boost::system::system_category()}; }

// A descriptor that is open, or about to be; -1 with errno.
int open_terminal(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return fd;
  termios settings{};
  if (::tcgetattr(fd, &settings) == 0) {
    ::cfmakeraw(&settings);
    ::cfsetspeed(&settings, B115200);
    settings.c_cflag |= CLOCAL | CREAD;
    ::tcsetattr(fd, TCSANOW, &settings);
  }
  return fd;
}

int connect_to(int family, const sockaddr* address, socklen_t size) {
  const int fd = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return fd;
  if (::connect(fd, address, size) == 0 || errno == EINPROGRESS) return fd;
  const int cause = errno;
  ::close(fd);
  errno = cause;
  return -1;
}

int open_tcp(const std::string& host_port) {
  const std::size_t colon = host_port.rfind(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::strtoul(host_port.c_str() + colon + 1, nullptr, 10)));
  if (::inet_pton(AF_INET, host_port.substr(0, colon).c_str(), &address.sin_addr) != 1) {
    errno = EINVAL;
    return -1;
  }
  const int fd = connect_to(AF_INET, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int on = 1;
  if (fd >= 0) ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

int open_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return connect_to(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

constexpr std::string_view kRaw = "raw:";

int open_place(const std::string& place) {
  if (place.starts_with(kRaw)) return open_place(place.substr(kRaw.size()));
  if (place.starts_with("tcp:")) return open_tcp(place.substr(4));
  if (place.starts_with("unix:")) return open_unix(place.substr(5));
  return open_terminal(place);
}

// Lives as long as its pending waits.
class Line : public std::enable_shared_from_this<Line> {
 public:
  Line(EventLoop::Impl& loop, std::string place, SerialLine::Handler handler, SerialLine::Log log)
      : descriptor_(loop.context),
        timer_(loop.context),
        place_(std::move(place)),
        is_raw_(place_.starts_with(kRaw)),
        handler_(std::move(handler)),
        log_(std::move(log)) {
    hr_frame_decoder_init(&decoder_, message_.data(), message_.size());
  }

  [[nodiscard]] const std::string& place() const { return place_; }
  [[nodiscard]] std::uint64_t damaged() const { return decoder_.damaged + raw_.damaged(); }

  void open() {
    const int fd = open_place(place_);
    if (fd < 0) return close(last_error());
    descriptor_.assign(fd);
    // A connection is ready to write once it is made, or has failed.
    descriptor_.async_wait(Descriptor::wait_write, [self = shared_from_this()](const error_code& error) {
      if (error || self->stopped_) return;
      int cause = 0;
      socklen_t size = sizeof cause;
      if (::getsockopt(self->descriptor_.native_handle(), SOL_SOCKET, SO_ERROR, &cause, &size) == 0 && cause != 0) {
        return self->close({cause, boost::system::system_category()});
      }
      self->is_open_ = true;
      self->told_ = false;
      self->log_("things: " + self->place_ + " is open");
      self->read_next();
    });
  }
  void send(ByteView message) {
    if (!is_open_ || waiting_.size() > kSerialQueueBytesMax) return;
    if (is_raw_) {
      append(waiting_, message);
    } else {
      const std::size_t before = waiting_.size();
      waiting_.resize(before + HR_FRAME_SIZE_MAX(message.size()));
      waiting_.resize(before + hr_frame_encode(message.data(), message.size(), waiting_.data() + before));
    }
    if (!writing_) write_next();
  }
  void stop() {
    stopped_ = true;
    error_code ignored;
    descriptor_.close(ignored);
    timer_.cancel();
  }

 private:
  using Descriptor = asio::posix::stream_descriptor;

  void read_next() {
    descriptor_.async_read_some(asio::buffer(input_),
                                [self = shared_from_this()](const error_code& error, std::size_t size) {
                                  if (self->stopped_ || !self->is_open_) return;
                                  if (error) return self->close(error);
                                  self->take(ByteView{self->input_}.first(size));
                                  if (!self->stopped_) self->read_next();
                                });
  }
  void take(ByteView bytes) {
    if (is_raw_) return raw_.add(EventLoop::now(), bytes, handler_);
    for (const std::uint8_t byte : bytes) {
      const std::size_t size = hr_frame_decode(&decoder_, byte);
      if (size != 0) handler_(ByteView{message_}.first(size));
    }
  }
  void write_next() {
    writing_ = !waiting_.empty();
    if (!writing_) return;
    output_ = std::exchange(waiting_, {});
    asio::async_write(descriptor_, asio::buffer(output_),
                      [self = shared_from_this()](const error_code& error, std::size_t) {
                        if (self->stopped_ || !self->is_open_) return;
                        self->writing_ = false;
                        if (!error) self->write_next();  // an error is the reader's to see
                      });
  }
  void close(const error_code& cause) {
    const bool was_open = std::exchange(is_open_, false);
    if (was_open || !told_) log_("things: " + place_ + " is not there: " + cause.message() + "; trying again");
    told_ = true;
    error_code ignored;
    descriptor_.close(ignored);
    waiting_.clear();
    writing_ = false;
    timer_.expires_after(std::chrono::duration_cast<std::chrono::steady_clock::duration>(kSerialReopen));
    timer_.async_wait([self = shared_from_this()](const error_code& error) {
      if (!error && !self->stopped_) self->open();
    });
  }

  Descriptor descriptor_;
  asio::steady_timer timer_;
  std::string place_;
  bool is_raw_;
  SerialLine::Handler handler_;
  SerialLine::Log log_;
  std::array<std::uint8_t, 1024> input_{};
  Bytes message_ = Bytes(kSerialMessageBytesMax + HR_FRAME_CRC_SIZE);
  hr_frame_decoder decoder_{};
  RawStream raw_;
  Bytes waiting_;
  Bytes output_;
  bool is_open_ = false;
  bool writing_ = false;
  bool told_ = false;
  bool stopped_ = false;
};

class AsioSerialLine final : public SerialLine {
 public:
  explicit AsioSerialLine(std::shared_ptr<Line> line) : line_(std::move(line)) {}
  ~AsioSerialLine() override { line_->stop(); }
  [[nodiscard]] const std::string& place() const override { return line_->place(); }
  void send(ByteView message) override { line_->send(message); }
  [[nodiscard]] std::uint64_t damaged() const override { return line_->damaged(); }

 private:
  std::shared_ptr<Line> line_;
};

}  // namespace

std::unique_ptr<SerialLine> open_serial_line(EventLoop& loop, std::string place, SerialLine::Handler handler,
                                             SerialLine::Log log) {
  auto line = std::make_shared<Line>(loop.impl(), std::move(place), std::move(handler), std::move(log));
  line->open();
  return std::make_unique<AsioSerialLine>(std::move(line));
}

}  // namespace hedgerow::net_asio
