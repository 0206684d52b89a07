#include "tests/support/raw_client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace hedgerow::test {
namespace {

using Clock = std::chrono::steady_clock;
using mqtt::PacketType;

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error("raw client: " + what); }

std::uint64_t number_at(ByteView bytes, std::size_t& at, std::size_t size) {
  if (bytes.size() < at + size) fail("a packet from the server ends too early");
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value = (value << 8U) | bytes[at + i];
  at += size;
  return value;
}

std::size_t varint_at(ByteView bytes, std::size_t& at) {
  std::size_t value = 0;
  for (unsigned shift = 0; shift < 28; shift += 7) {
    const auto byte = static_cast<unsigned>(number_at(bytes, at, 1));
    value |= std::size_t{byte & 0x7FU} << shift;
    if (byte < 0x80) return value;
  }
  fail("the server sent a length of more than four bytes");
}

ByteView binary_at(ByteView bytes, std::size_t& at) {
  const auto size = static_cast<std::size_t>(number_at(bytes, at, 2));
  if (bytes.size() < at + size) fail("a string from the server ends too early");
  at += size;
  return bytes.subspan(at - size, size);
}

std::string text_at(ByteView bytes, std::size_t& at) {
  const ByteView view = binary_at(bytes, at);
  return {view.begin(), view.end()};
}

// MQTT 5.0 section 2.2.2.2.
Bytes value_at(unsigned id, ByteView bytes, std::size_t& at) {
  const std::size_t from = at;
  switch (id) {
    case 0x01:
    case 0x17:
    case 0x19:
    case 0x24:
    case 0x25:
    case 0x28:
    case 0x29:
    case 0x2A: at += 1; break;
    case 0x13:
    case 0x21:
    case 0x22:
    case 0x23: at += 2; break;
    case 0x02:
    case 0x11:
    case 0x18:
    case 0x27: at += 4; break;
    case 0x0B: {
      const auto value = static_cast<std::uint32_t>(varint_at(bytes, at));
      return u32(value);
    }
    case 0x03:
    case 0x08:
    case 0x09:
    case 0x12:
    case 0x15:
    case 0x16:
    case 0x1A:
    case 0x1C:
    case 0x1F: return to_bytes(binary_at(bytes, at));
    default: fail("the server sent a property " + std::to_string(id));
  }
  if (at > bytes.size()) fail("a property from the server ends too early");
  return to_bytes(bytes.subspan(from, at - from));
}

bool has_packet_id(PacketType type) {
  return type == PacketType::kPuback || type == PacketType::kPubrec || type == PacketType::kPubrel ||
         type == PacketType::kPubcomp || type == PacketType::kSuback || type == PacketType::kUnsuback;
}

}  // namespace

PropertiesView::PropertiesView(ByteView body, std::size_t& at) {
  const std::size_t size = varint_at(body, at);
  if (body.size() < at + size) fail("properties from the server end too early");
  const ByteView all = body.subspan(at, size);
  for (std::size_t i = 0; i < size;) {
    const auto id = static_cast<unsigned>(number_at(all, i, 1));
    if (id == 0x26) {
      std::string name = text_at(all, i);
      user_.emplace_back(std::move(name), text_at(all, i));
    } else {
      values_.emplace(id, value_at(id, all, i));
    }
  }
  at += size;
}

std::uint64_t PropertiesView::number(unsigned id) const {
  const std::vector<std::uint64_t> all = numbers(id);
  if (all.size() != 1) fail("not one property " + std::to_string(id));
  return all.front();
}

std::string PropertiesView::text(unsigned id) const {
  const auto found = values_.find(id);
  if (found == values_.end()) fail("no property " + std::to_string(id));
  return {found->second.begin(), found->second.end()};
}

std::vector<std::uint64_t> PropertiesView::numbers(unsigned id) const {
  std::vector<std::uint64_t> all;
  for (auto [at, end] = values_.equal_range(id); at != end; ++at) {
    std::size_t position = 0;
    all.push_back(number_at(at->second, position, at->second.size()));
  }
  return all;
}

Received parse(const ServerPacket& packet, mqtt::Protocol protocol) {
  const bool is_v5 = protocol == mqtt::Protocol::kV5;
  const ByteView body{packet.body};
  Received out;
  out.type = packet.type;
  std::size_t at = 0;
  if (packet.type == PacketType::kPublish) {
    out.dup = (packet.flags & 8U) != 0;
    out.qos = (packet.flags >> 1U) & 3U;
    out.retain = (packet.flags & 1U) != 0;
    out.topic = text_at(body, at);
    if (out.qos > 0) out.packet_id = static_cast<unsigned>(number_at(body, at, 2));
    if (is_v5) out.properties = PropertiesView(body, at);
    out.payload.assign(body.begin() + static_cast<std::ptrdiff_t>(at), body.end());
    return out;
  }
  if (has_packet_id(packet.type)) out.packet_id = static_cast<unsigned>(number_at(body, at, 2));
  if (packet.type == PacketType::kConnack) out.session_present = number_at(body, at, 1) == 1;
  const bool is_list = packet.type == PacketType::kSuback || packet.type == PacketType::kUnsuback;
  if (!is_list && at < body.size()) out.codes.push_back(static_cast<unsigned>(number_at(body, at, 1)));
  if (is_v5 && at < body.size()) out.properties = PropertiesView(body, at);
  while (is_list && at < body.size()) out.codes.push_back(static_cast<unsigned>(number_at(body, at, 1)));
  return out;
}

ConnectOut with_will(ConnectOut connect, const WillSent& will) {
  const bool is_v5 = connect.protocol == mqtt::Protocol::kV5;
  connect.will = concat(is_v5 ? with_length(will.properties) : Bytes{}, text(will.topic), text(will.payload));
  connect.flags = (connect.clean_start ? 0x02U : 0U) | 0x04U | (will.qos << 3U) | (will.retain ? 0x20U : 0U) |
                  (connect.username ? 0x80U : 0U) | (connect.password ? 0x40U : 0U);
  return connect;
}

RawClient::RawClient(std::uint16_t port, const char* from) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const int on = 1;
  sockaddr_in source{};
  source.sin_family = AF_INET;
  // The port is chosen when it connects, so that as many may be in use as there are to one listener.
  ::setsockopt(fd_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
  if (::inet_pton(AF_INET, from, &source.sin_addr) != 1 ||
      ::bind(fd_, reinterpret_cast<const sockaddr*>(&source), sizeof(source)) != 0) {
    const int error = errno;
    ::close(fd_);
    throw std::system_error(error, std::generic_category(), std::string("raw client: bind to ") + from);
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    const int error = errno;
    ::close(fd_);
    throw std::system_error(error, std::generic_category(), "raw client: connect");
  }
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

RawClient::RawClient(RawClient&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      closed_(other.closed_),
      protocol_(other.protocol_),
      last_id_(other.last_id_),
      in_(std::move(other.in_)),
      kept_(std::move(other.kept_)) {}

RawClient::~RawClient() { close(); }

void RawClient::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  closed_ = true;
}

void RawClient::shrink_receive_buffer() {
  const int bytes = 1;
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

bool RawClient::send(ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
  return true;
}

bool RawClient::read_more(Clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
  pollfd poll_entry{.fd = fd_, .events = POLLIN, .revents = 0};
  if (closed_ || ::poll(&poll_entry, 1, static_cast<int>(std::max<std::int64_t>(0, left.count()))) <= 0) return false;
  Bytes buffer(std::size_t{64} * 1024U);
  const ssize_t size = ::recv(fd_, buffer.data(), buffer.size(), 0);
  if (size <= 0) {
    closed_ = true;
    return false;
  }
  in_.insert(in_.end(), buffer.begin(), buffer.begin() + size);
  return true;
}

std::optional<ServerPacket> RawClient::take() {
  std::size_t at = 1;
  std::size_t length = 0;
  for (unsigned shift = 0;; shift += 7, ++at) {
    if (at >= in_.size()) return std::nullopt;
    if (shift > 21) fail("the server sent a length of more than four bytes");
    length |= std::size_t{in_[at] & 0x7FU} << shift;
    if (in_[at] < 0x80) break;
  }
  const std::size_t whole = at + 1 + length;
  if (in_.size() < whole) return std::nullopt;
  ServerPacket packet = split_packets(ByteView{in_}.first(whole)).front();
  in_.erase(in_.begin(), in_.begin() + static_cast<std::ptrdiff_t>(whole));
  return packet;
}

std::optional<Received> RawClient::next(std::chrono::milliseconds patience) {
  if (!kept_.empty()) {
    Received first = std::move(kept_.front());
    kept_.erase(kept_.begin());
    return first;
  }
  const auto deadline = Clock::now() + patience;
  for (;;) {
    if (const auto packet = take()) return parse(*packet, protocol_);
    if (!read_more(deadline)) return std::nullopt;
  }
}

std::optional<Received> RawClient::wait_for(PacketType type, std::chrono::milliseconds patience) {
  std::vector<Received> others = std::move(kept_);
  kept_.clear();
  std::optional<Received> found;
  for (auto at = others.begin(); at != others.end() && !found; ++at) {
    if (at->type != type) continue;
    found = std::move(*at);
    others.erase(at);
    break;
  }
  const auto deadline = Clock::now() + patience;
  while (!found) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    auto received = next(std::max(left, std::chrono::milliseconds{0}));
    if (!received) break;
    if (received->type == type) {
      found = std::move(received);
    } else {
      others.push_back(std::move(*received));
    }
  }
  kept_ = std::move(others);
  return found;
}

std::optional<Received> RawClient::next_message(std::chrono::milliseconds patience) {
  auto message = wait_for(PacketType::kPublish, patience);
  if (!message || message->qos == 0) return message;
  if (message->qos == 1) {
    send(encode_ack(PacketType::kPuback, message->packet_id));
    return message;
  }
  send(encode_ack(PacketType::kPubrec, message->packet_id));
  const auto released = wait_for(PacketType::kPubrel, patience);
  if (!released || released->packet_id != message->packet_id) fail("no PUBREL for a PUBREC");
  send(encode_ack(PacketType::kPubcomp, message->packet_id));
  return message;
}

bool RawClient::closed_within(std::chrono::milliseconds patience) {
  const auto deadline = Clock::now() + patience;
  while (!closed_ && Clock::now() < deadline) {
    if (read_more(deadline)) in_.clear();
  }
  return closed_;
}

std::uint16_t RawClient::fresh_id() { return ++last_id_ == 0 ? ++last_id_ : last_id_; }

Received RawClient::connect(const ConnectOut& connect) {
  protocol_ = connect.protocol;
  send(encode(connect));
  auto connack = next();
  if (!connack || connack->type != PacketType::kConnack) fail("no CONNACK");
  return std::move(*connack);
}

Received RawClient::subscribe(const std::vector<FilterSent>& filters, const Bytes& properties) {
  send(encode_subscribe(fresh_id(), filters, protocol_, properties));
  auto suback = wait_for(PacketType::kSuback);
  if (!suback) fail("no SUBACK");
  return std::move(*suback);
}

unsigned RawClient::publish(PublishSent publish) {
  publish.protocol = protocol_;
  if (publish.qos > 0 && publish.packet_id == 0) publish.packet_id = fresh_id();
  send(encode(publish));
  if (publish.qos == 0) return 0;
  const auto answer = wait_for(publish.qos == 1 ? PacketType::kPuback : PacketType::kPubrec);
  if (!answer) fail("a publish was not acknowledged");
  if (publish.qos == 1 || answer->code() >= 0x80) return answer->code();
  send(encode_ack(PacketType::kPubrel, publish.packet_id));
  const auto completed = wait_for(PacketType::kPubcomp);
  if (!completed) fail("a release was not completed");
  return completed->code();
}

void RawClient::disconnect(const Bytes& body) {
  send(encode_disconnect(body));
  closed_within(std::chrono::seconds{5});
  close();
}

}  // namespace hedgerow::test
