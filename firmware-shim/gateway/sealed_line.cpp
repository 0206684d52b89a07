#include "firmware-shim/gateway/sealed_line.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "firmware-shim/gateway/limits.hpp"

namespace hedgerow::gateway {

std::optional<SealedLine::Message> SealedLine::on_frame(Instant now, ByteView frame) {
  switch (hr_seal_kind_of(frame.data(), frame.size())) {
    case HR_SEAL_HELLO: on_hello(now, frame); return std::nullopt;
    case HR_SEAL_DATA: return on_data(now, frame);
    case HR_SEAL_PLAIN:
    case HR_SEAL_WELCOME:
    case HR_SEAL_AGAIN:
    case HR_SEAL_MALFORMED: break;
  }
  ++counters_.refused;
  return std::nullopt;
}

void SealedLine::on_hello(Instant now, ByteView frame) {
  Session session;
  hr_seal_read_hello(frame.data(), &session.hello);
  security::ThingId id{};
  std::copy(std::begin(session.hello.id), std::end(session.hello.id), id.begin());
  const security::ThingEntry* const thing = ports_.find(id);
  if (thing == nullptr) {
    ++counters_.strangers;
    if (stranger_told_ == Instant::min() || now >= stranger_told_ + kStrangerToldEvery) {
      stranger_told_ = now;
      ports_.on_stranger(to_hex(id));
    }
    return;
  }
  const auto is_same = [&](const std::optional<Session>& other) {
    return other && other->thing == *thing && std::ranges::equal(other->hello.thing_nonce, session.hello.thing_nonce);
  };
  // Said again, since our welcome was lost or slow: the same answer. What has a session already needs none.
  if (is_same(active_)) return;
  if (is_same(beginning_)) return ports_.send(beginning_->welcome);
  std::array<std::uint8_t, HR_SEAL_NONCE_SIZE> nonce{};
  session.thing = *thing;
  session.welcome.resize(HR_SEAL_WELCOME_SIZE);
  if (!ports_.random(nonce) ||
      !hr_seal_begin(&ports_.crypto, thing->key.data(), &session.hello, nonce.data(), HR_SEAL_GATEWAY,
                     &session.state) ||
      !hr_seal_write_welcome(&ports_.crypto, &session.state, nonce.data(), session.welcome.data())) {
    return;
  }
  beginning_ = std::move(session);
  ports_.send(beginning_->welcome);
}

hr_seal_result SealedLine::open(Session& session, ByteView frame) {
  message_.resize(frame.size() - HR_SEAL_OVERHEAD);
  return hr_seal_open(&ports_.crypto, &session.state, frame.data(), frame.size(), message_.data());
}

std::optional<SealedLine::Message> SealedLine::on_data(Instant now, ByteView frame) {
  hr_seal_result result = active_ ? open(*active_, frame) : HR_SEAL_FORGED;
  if (result == HR_SEAL_FORGED && beginning_) {
    result = open(*beginning_, frame);
    if (result == HR_SEAL_OPENED) {
      active_ = std::exchange(beginning_, std::nullopt);
      ++counters_.sessions;
    }
  }
  if (result == HR_SEAL_OPENED) {
    if (message_.empty()) return std::nullopt;
    return Message{.thing = active_->thing.name, .bytes = message_};
  }
  ++counters_.refused;
  const bool is_due = again_said_ == Instant::min() || now >= again_said_ + kAgainInterval;
  if (result == HR_SEAL_FORGED && is_due) {
    again_said_ = now;
    std::array<std::uint8_t, HR_SEAL_AGAIN_SIZE> again{};
    hr_seal_write_again(again.data());
    ports_.send(again);
  }
  return std::nullopt;
}

void SealedLine::send(ByteView message) {
  if (!active_) return;
  Bytes frame(message.size() + HR_SEAL_OVERHEAD);
  const std::size_t size = hr_seal_close(&ports_.crypto, &active_->state, message.data(), message.size(), frame.data());
  if (size == 0) {
    active_.reset();  // it has sent all it may; the thing's next word brings a new one
    return;
  }
  ports_.send(ByteView{frame}.first(size));
}

bool SealedLine::is_current(const Session& session) const {
  const security::ThingEntry* const thing = ports_.find(session.thing.id);
  return thing != nullptr && *thing == session.thing;
}

void SealedLine::keys_changed() {
  if (active_ && !is_current(*active_)) active_.reset();
  if (beginning_ && !is_current(*beginning_)) beginning_.reset();
}

}  // namespace hedgerow::gateway
