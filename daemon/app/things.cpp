#include "daemon/app/things.hpp"

#include <utility>

namespace hedgerow::app {
namespace {

constexpr std::string_view kUdp = "udp:";  // before the address of a datagram; a line's address is its place

gateway::GatewaySettings gateway_settings(const config::Things& things) {
  gateway::GatewaySettings settings;
  settings.predefined.insert(things.topics.begin(), things.topics.end());
  return settings;
}

}  // namespace

Things::Things(const config::Things& settings, Ports ports)
    : ports_(std::move(ports)),
      gateway_(net_asio::EventLoop::now(), gateway_settings(settings),
               {.acceptor = ports_.acceptor,
                .send = [this](const std::string& address, ByteView message) { send(address, message); },
                .broadcast = [this](ByteView message) { broadcast(message); },
                .on_work = [this] { work_waits(); }}) {}

Expected<std::unique_ptr<Things>> Things::open(const config::Things& settings, Ports ports) {
  std::unique_ptr<Things> things(new Things(settings, std::move(ports)));
  Things* raw = things.get();
  if (settings.udp) {
    const bool loopback = config::is_loopback(*settings.udp);
    auto bound = net_asio::bind_datagrams(
        raw->ports_.loop, {.name = "things \"udp\"", .host = settings.udp->host, .port = settings.udp->port},
        [raw, loopback](const std::string& remote, ByteView message) {
          raw->take(std::string(kUdp) + remote, loopback, message);
        });
    if (!bound) return tl::unexpected<Error>(std::move(bound.error()));
    things->udp_ = std::move(*bound);
  }
  for (const std::string& place : settings.serial) {
    things->lines_.push_back(net_asio::open_serial_line(
        raw->ports_.loop, place, [raw, place](ByteView message) { raw->take(place, true, message); }, raw->ports_.log));
  }
  return things;
}

void Things::take(const std::string& address, bool loopback, ByteView message) {
  const std::string remote = address.starts_with(kUdp) ? address.substr(kUdp.size()) : address;
  node::Arrived arrived;
  arrived.listener = config::kThingsListenerName;
  arrived.remote = remote;
  arrived.address = remote.substr(0, remote.rfind(':'));
  arrived.loopback = loopback;
  gateway_.on_message(net_asio::EventLoop::now(), {.address = address, .arrived = std::move(arrived)}, message);
  work_waits();
}

void Things::send(const std::string& address, ByteView message) {
  if (address.starts_with(kUdp)) {
    if (udp_) udp_->send(address.substr(kUdp.size()), message);
    return;
  }
  for (const auto& line : lines_) {
    if (line->place() == address) line->send(message);
  }
}

// Whom to reach by UDP is not known; things ask there (SEARCHGW).
void Things::broadcast(ByteView message) {
  for (const auto& line : lines_) line->send(message);
}

void Things::work_waits() {
  if (std::exchange(work_posted_, true)) return;
  ports_.post([this] {
    work_posted_ = false;
    gateway_.run(net_asio::EventLoop::now());
    ports_.on_deadline();
  });
}

std::uint64_t Things::damaged_frames() const {
  std::uint64_t damaged = 0;
  for (const auto& line : lines_) damaged += line->damaged();
  return damaged;
}

}  // namespace hedgerow::app
