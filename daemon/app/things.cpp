#include "daemon/app/things.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include "firmware-shim/seal_mbedtls/seal_mbedtls.h"
#include "security/crypto_mbedtls/crypto.hpp"

namespace hedgerow::app {
namespace {

constexpr std::string_view kUdp = "udp:";    // before the address of a datagram; a line's address is its place …
constexpr char kBeforeName = ' ';            // … and the name of the thing that has proved its key there
constexpr std::string_view kDtls = "dtls:";  // before DtlsPeer::id(), wherever its datagrams come from
constexpr Duration kPlainToldEvery = std::chrono::minutes{1};

std::string sealed_address(const std::string& place, const std::string& thing) { return place + kBeforeName + thing; }

bool draw(std::span<std::uint8_t> out) { return security::random_bytes(out).has_value(); }

node::Arrived arrived_by(const std::string& remote, bool loopback) {
  node::Arrived arrived;
  arrived.listener = config::kThingsListenerName;
  arrived.remote = remote;
  arrived.address = remote.substr(0, remote.rfind(':'));
  arrived.loopback = loopback;
  return arrived;
}

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
                .on_work = [this] { work_waits(); }}),
      plaintext_accepted_(settings.plaintext_accepted) {}

Expected<std::unique_ptr<Things>> Things::open(const config::Things& settings, Ports ports) {
  std::unique_ptr<Things> things(new Things(settings, std::move(ports)));
  Things* raw = things.get();
  if (settings.udp) {
    const bool loopback = config::is_loopback(*settings.udp);
    auto bound = net_asio::bind_datagrams(
        raw->ports_.loop, {.name = "things \"udp\"", .host = settings.udp->host, .port = settings.udp->port},
        [raw, loopback](const std::string& remote, ByteView message) {
          raw->take(std::string(kUdp) + remote, arrived_by(remote, loopback), message);
        });
    if (!bound) return tl::unexpected<Error>(std::move(bound.error()));
    things->udp_ = std::move(*bound);
  }
  if (settings.dtls) {
    if (auto opened = things->open_dtls(*settings.dtls); !opened) return tl::unexpected<Error>(opened.error());
  }
  for (const std::string& place : settings.serial) things->open_line(place);
  return things;
}

Expected<void> Things::open_dtls(const config::HostPort& address) {
  const bool loopback = config::is_loopback(address);
  if (ports_.identity == nullptr) ports_.log("things \"dtls\": without an identity of this board, by key only");
  auto opened = DtlsThings::open(
      address, std::exchange(ports_.identity, nullptr),
      {.loop = ports_.loop,
       .key_of = ports_.key_of,
       .take =
           [this, loopback](const security::DtlsPeer& peer, const std::string& remote, ByteView message) {
             node::Arrived arrived = arrived_by(remote, loopback);
             arrived.identity = peer.certificate;
             arrived.thing = peer.thing;
             take(std::string(kDtls) + peer.id(), std::move(arrived), message, security::kDtlsMessageBytesMax);
           },
       .on_deadline = ports_.on_deadline});
  if (!opened) return tl::unexpected<Error>(std::move(opened.error()));
  dtls_ = std::move(*opened);
  return {};
}

void Things::on_timer(Instant now) {
  gateway_.on_timer(now);
  if (dtls_) dtls_->on_timer(now);
}

Instant Things::next_deadline() const {
  return dtls_ ? std::min(gateway_.next_deadline(), dtls_->next_deadline()) : gateway_.next_deadline();
}

void Things::open_line(const std::string& place) {
  Line* const line = lines_.emplace_back(std::make_unique<Line>()).get();
  line->sealed = std::make_unique<gateway::SealedLine>(gateway::SealedLine::Ports{
      .crypto = hr_seal_mbedtls,
      .random = draw,
      .find = ports_.find_thing,
      .send = [line](ByteView frame) { line->serial->send(frame); },
      .on_stranger =
          [this, place](const std::string& id) {
            ports_.log("things: " + place + ": a thing with the id " + id +
                       " has no key here, or had one that was revoked: hedgerow thing add gives it a new one");
          }});
  line->serial = net_asio::open_serial_line(
      ports_.loop, place, [this, line](ByteView frame) { take_frame(*line, frame); }, ports_.log);
}

void Things::take_frame(Line& line, ByteView frame) {
  const Instant now = net_asio::EventLoop::now();
  const std::string& place = line.serial->place();
  node::Arrived arrived = arrived_by(place, /*loopback=*/true);
  if (hr_seal_kind_of(frame.data(), frame.size()) != HR_SEAL_PLAIN) {
    const auto message = line.sealed->on_frame(now, frame);
    if (!message) return;
    arrived.thing = message->thing;
    return take(sealed_address(place, message->thing), std::move(arrived), message->bytes);
  }
  if (plaintext_accepted_) return take(place, std::move(arrived), frame);
  ++line.plain_refused;
  if (line.plain_told != Instant::min() && now < line.plain_told + kPlainToldEvery) return;
  line.plain_told = now;
  ports_.log("things: " + place +
             ": what comes is not sealed, and is not taken: give the thing a key (hedgerow thing add NAME), or say "
             "\"plaintext\": \"accepted\" in \"things\"");
}

void Things::take(const std::string& address, node::Arrived arrived, ByteView message, std::size_t message_bytes_max) {
  gateway_.on_message(net_asio::EventLoop::now(),
                      {.address = address, .arrived = std::move(arrived), .message_bytes_max = message_bytes_max},
                      message);
  work_waits();
}

void Things::send(const std::string& address, ByteView message) {
  if (address.starts_with(kUdp)) {
    if (udp_) udp_->send(address.substr(kUdp.size()), message);
    return;
  }
  if (address.starts_with(kDtls)) {
    if (dtls_) dtls_->send(address.substr(kDtls.size()), message);
    return;
  }
  for (const auto& line : lines_) {
    const std::string& place = line->serial->place();
    if (place == address) return line->serial->send(message);
    const std::string& thing = line->sealed->thing();
    if (!thing.empty() && sealed_address(place, thing) == address) return line->sealed->send(message);
  }
}

// Whom to reach by UDP is not known; things ask there (SEARCHGW).
void Things::broadcast(ByteView message) {
  for (const auto& line : lines_) {
    if (!line->sealed->thing().empty()) {
      line->sealed->send(message);
    } else if (plaintext_accepted_) {
      line->serial->send(message);
    }
  }
}

void Things::keys_changed() {
  for (const auto& line : lines_) line->sealed->keys_changed();
  if (!dtls_) return;
  for (const std::string& name : dtls_->check_keys()) {
    ports_.log("thing " + name + ": its DTLS session is over, since its key was revoked");
  }
}

void Things::work_waits() {
  if (std::exchange(work_posted_, true)) return;
  ports_.post([this] {
    work_posted_ = false;
    gateway_.run(net_asio::EventLoop::now());
    ports_.on_deadline();
  });
}

monitor::ThingsReport Things::report() const {
  monitor::ThingsReport report{
      .connected = gateway_.things(), .lost = gateway_.counters().lost, .malformed = gateway_.malformed()};
  for (const auto& line : lines_) {
    report.damaged_frames += line->serial->damaged();
    report.strangers += line->sealed->counters().strangers;
    report.unproved += line->sealed->counters().refused + line->plain_refused;
  }
  if (dtls_) report.unproved += dtls_->server().counters().refused;
  return report;
}

}  // namespace hedgerow::app
