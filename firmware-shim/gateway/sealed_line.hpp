// The gateway's end of a line on which messages are sealed (firmware-shim/codec/seal.h): which thing speaks there, and
// what it said. One thing at a time; another one that proves its key takes its place.
//
//   thing ── hello ─► on_frame ── welcome ─► thing ── data ─► on_frame ─► {thing, message}
//
// Nothing of a frame is parsed before its seal is opened, but its kind and a hello's id. A hello alone changes nothing:
// the session before goes on until the new one has proved itself, and there is one beginning session, whoever says
// hello.
//
// Pure; thread rule: the loop thread. Ownership: what the ports name must outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "firmware-shim/codec/seal.h"
#include "security/things/thing_keys.hpp"
#include "sync/base/bytes.hpp"
#include "sync/base/time.hpp"

namespace hedgerow::gateway {

// What happened on a line so far.
struct SealedCounters {
  std::uint64_t sessions = 0;
  std::uint64_t strangers = 0;  // hellos of things that have no key here
  std::uint64_t refused = 0;    // frames that nobody with the key sealed, or that came before
};

class SealedLine {
 public:
  struct Ports {
    const hr_seal_crypto& crypto;
    // False: there is no chance to be had now.
    std::function<bool(std::span<std::uint8_t> out)> random;
    // By id; null: nobody, or revoked.
    std::function<const security::ThingEntry*(const security::ThingId&)> find;
    // One frame to the line.
    std::function<void(ByteView frame)> send;
    // An id that is not known here, at most once in kStrangerToldEvery.
    std::function<void(const std::string& id)> on_stranger;
  };
  struct Message {
    const std::string& thing;  // its name; both are valid until the next call
    ByteView bytes;
  };

  explicit SealedLine(Ports ports) : ports_(std::move(ports)) {}
  SealedLine(const SealedLine&) = delete;
  SealedLine& operator=(const SealedLine&) = delete;

  // REQUIRES: hr_seal_kind_of() does not say HR_SEAL_PLAIN.
  [[nodiscard]] std::optional<Message> on_frame(Instant now, ByteView frame);
  // To the thing that has a session; lost without one, as on a line that is cut.
  void send(ByteView message);
  // Who has a session; empty: nobody.
  [[nodiscard]] const std::string& thing() const { return active_ ? active_->thing.name : kNobody; }
  // The things and their keys are others now: who is not among them any more is out.
  void keys_changed();
  [[nodiscard]] const SealedCounters& counters() const { return counters_; }

 private:
  struct Session {
    security::ThingEntry thing;
    hr_seal_hello hello{};
    hr_seal_session state{};
    Bytes welcome;
  };
  static inline const std::string kNobody;

  void on_hello(Instant now, ByteView frame);
  std::optional<Message> on_data(Instant now, ByteView frame);
  [[nodiscard]] hr_seal_result open(Session& session, ByteView frame);
  [[nodiscard]] bool is_current(const Session& session) const;

  Ports ports_;
  std::optional<Session> active_;
  std::optional<Session> beginning_;  // its thing has not proved its key
  Bytes message_;
  SealedCounters counters_;
  Instant stranger_told_ = Instant::min();
  Instant again_said_ = Instant::min();
};

}  // namespace hedgerow::gateway
