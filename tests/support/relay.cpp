#include "tests/support/relay.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <iterator>
#include <list>
#include <mutex>
#include <optional>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/ports.hpp"

namespace hedgerow::test {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{256} * 1024;

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

[[noreturn]] void give_up(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

int stream_socket() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) give_up("relay: socket");
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return fd;
}

// One direction: what was read here and not yet written there.
struct Flow {
  std::string waiting;
  std::string tail;  // the last bytes that passed, for markers that straddle two reads
  bool ended = false;
};

struct Pair {
  int client = -1;
  int server = -1;
  bool connecting = true;
  Flow up;    // client to server
  Flow down;  // server to client
};

}  // namespace

struct Relay::State {
  std::optional<PortLease> lease;
  std::uint16_t target = 0;
  std::uint16_t port = 0;
  int listener = -1;
  int wake = -1;
  std::list<Pair> pairs;
  std::string marker;
  std::thread thread;

  std::mutex mutex;
  std::condition_variable answered;
  enum class Wish { kNone, kCut, kResume, kWatch, kStop } wish = Wish::kNone;
  std::string wished_marker;

  std::atomic<bool> stalled{false};
  std::atomic<bool> seen{false};
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<std::uint64_t> connections{0};

  void open_listener() {
    listener = stream_socket();
    const int on = 1;
    ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    sockaddr_in address = loopback(port);
    if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) give_up("relay: bind");
    if (::listen(listener, 64) != 0) give_up("relay: listen");
    socklen_t length = sizeof(address);
    ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length);
    port = ntohs(address.sin_port);
  }

  void close_all() {
    if (listener >= 0) ::close(std::exchange(listener, -1));
    for (const Pair& pair : pairs) break_off(pair);
    pairs.clear();
  }

  static void end(const Pair& pair) {
    ::close(pair.client);
    ::close(pair.server);
  }

  // With a reset: whoever waits for an answer hears at once.
  static void break_off(const Pair& pair) {
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    ::setsockopt(pair.server, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    end(pair);
  }

  // From any thread: has the relay's thread do it, and waits until it has.
  void request(Wish what) {
    std::unique_lock lock(mutex);
    wish = what;
    poke();
    answered.wait(lock, [this] { return wish == Wish::kNone; });
  }

  void poke() const {
    const std::uint64_t one = 1;
    (void)!::write(wake, &one, sizeof(one));
  }

  bool obey() {
    std::uint64_t count = 0;
    (void)!::read(wake, &count, sizeof(count));
    const std::lock_guard lock(mutex);
    const Wish done = std::exchange(wish, Wish::kNone);
    if (done == Wish::kCut || done == Wish::kStop) close_all();
    if (done == Wish::kResume && listener < 0) open_listener();
    if (done == Wish::kWatch) marker = wished_marker;
    answered.notify_all();
    return done != Wish::kStop;
  }

  void accept_one() {
    const int client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client < 0) return;
    const int on = 1;
    ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    const int server = stream_socket();
    const sockaddr_in address = loopback(target);
    if (::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 && errno != EINPROGRESS) {
      break_off({.client = client, .server = server, .connecting = true, .up = {}, .down = {}});
      return;
    }
    connections += 1;
    pairs.push_back({.client = client, .server = server, .connecting = true, .up = {}, .down = {}});
  }

  void look_for_marker(Flow& flow, std::string_view more) {
    if (marker.empty() || seen) return;
    flow.tail += more;
    if (flow.tail.find(marker) != std::string::npos) seen = true;
    if (flow.tail.size() >= marker.size()) flow.tail.erase(0, flow.tail.size() - (marker.size() - 1));
  }

  // False: the connection is broken.
  bool move(Flow& flow, int from, int to, bool readable) {
    if (readable && !flow.ended) {
      std::array<char, 65536> buffer;
      const ssize_t count = ::recv(from, buffer.data(), buffer.size(), 0);
      if (count == 0) flow.ended = true;
      if (count < 0 && errno != EAGAIN && errno != EINTR) return false;
      if (count > 0) {
        const std::string_view text{buffer.data(), static_cast<std::size_t>(count)};
        bytes += text.size();
        look_for_marker(flow, text);
        flow.waiting += text;
      }
    }
    while (!flow.waiting.empty()) {
      const ssize_t count = ::send(to, flow.waiting.data(), flow.waiting.size(), MSG_NOSIGNAL);
      if (count < 0 && (errno == EAGAIN || errno == EINTR)) break;
      if (count < 0) return false;
      flow.waiting.erase(0, static_cast<std::size_t>(count));
    }
    if (flow.ended && flow.waiting.empty()) ::shutdown(to, SHUT_WR);
    return true;
  }

  static short events(const Flow& reading, const Flow& writing) {
    short wanted = 0;
    if (!reading.ended && reading.waiting.size() < kBufferBytes) wanted |= POLLIN;
    if (!writing.waiting.empty()) wanted |= POLLOUT;
    return wanted;
  }

  enum class Outcome { kGoesOn, kEnded, kBroken };

  Outcome serve(Pair& pair, short client_events, short server_events) {
    if (((client_events | server_events) & POLLERR) != 0) return Outcome::kBroken;
    if (pair.connecting && (server_events & POLLOUT) == 0) return Outcome::kGoesOn;
    pair.connecting = false;
    constexpr short kReadable = POLLIN | POLLHUP;
    if (!move(pair.up, pair.client, pair.server, (client_events & kReadable) != 0)) return Outcome::kBroken;
    if (!move(pair.down, pair.server, pair.client, (server_events & kReadable) != 0)) return Outcome::kBroken;
    const bool is_through = pair.up.ended && pair.up.waiting.empty() && pair.down.ended && pair.down.waiting.empty();
    return is_through ? Outcome::kEnded : Outcome::kGoesOn;
  }

  void loop() {
    std::vector<pollfd> waited;
    for (;;) {
      const bool is_stalled = stalled;
      waited.assign({{wake, POLLIN, 0}, {listener, POLLIN, 0}});
      for (const Pair& pair : pairs) {
        const short server = pair.connecting ? short{POLLOUT} : events(pair.down, pair.up);
        const short client = pair.connecting ? short{0} : events(pair.up, pair.down);
        waited.push_back({is_stalled ? -1 : pair.client, client, 0});
        waited.push_back({is_stalled ? -1 : pair.server, server, 0});
      }
      if (::poll(waited.data(), waited.size(), -1) < 0) continue;
      std::size_t i = 2;
      for (auto pair = pairs.begin(); pair != pairs.end(); i += 2) {
        const bool has_events = waited[i].revents != 0 || waited[i + 1].revents != 0;
        const Outcome outcome = has_events ? serve(*pair, waited[i].revents, waited[i + 1].revents) : Outcome::kGoesOn;
        if (outcome == Outcome::kEnded) end(*pair);
        if (outcome == Outcome::kBroken) break_off(*pair);
        pair = outcome == Outcome::kGoesOn ? std::next(pair) : pairs.erase(pair);
      }
      if (waited[1].revents != 0) accept_one();
      if (waited[0].revents != 0 && !obey()) return;
    }
  }
};

Relay::Relay(std::uint16_t target_port, std::uint16_t listen_port) : state_(std::make_unique<State>()) {
  state_->target = target_port;
  if (listen_port == 0) state_->lease.emplace();
  state_->port = listen_port == 0 ? state_->lease->port() : listen_port;
  state_->wake = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (state_->wake < 0) give_up("relay: eventfd");
  state_->open_listener();
  state_->thread = std::thread([state = state_.get()] { state->loop(); });
}

Relay::~Relay() {
  state_->request(State::Wish::kStop);
  state_->thread.join();
  ::close(state_->wake);
}

std::uint16_t Relay::port() const { return state_->port; }
void Relay::cut() { state_->request(State::Wish::kCut); }
void Relay::resume() { state_->request(State::Wish::kResume); }

void Relay::stall(bool stalled) {
  state_->stalled = stalled;
  state_->poke();
}

void Relay::watch_for(std::string marker) {
  state_->wished_marker = std::move(marker);
  state_->request(State::Wish::kWatch);
}

bool Relay::has_seen_marker() const { return state_->seen; }
std::uint64_t Relay::bytes() const { return state_->bytes; }
std::uint64_t Relay::connections() const { return state_->connections; }

}  // namespace hedgerow::test
