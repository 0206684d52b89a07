// Both ends of a sealed line, with a stranger between them who does what the input says. firmware-shim/codec/seal.h.
//
//   input := { step }
//   step := 0 the thing says the next number        4 size bytes: a frame of the stranger's, to the gateway
//         | 1 the gateway says the next number      5 size bytes: the same, to the thing
//         | 2 at bit: a recorded frame, changed (bit 255: not), to the gateway      6, 7 the thing, the gateway
//         restarts | 3 at bit: the same, to the thing        8 time passes        9 all is carried as it should be
#include <string>
#include <vector>

#include "firmware-shim/gateway/limits.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/unit/firmware_shim/sealed_harness.hpp"

namespace hedgerow::test {
namespace {

using fuzz::require;

class Stranger {
 public:
  Stranger(const std::uint8_t* data, std::size_t size) : input_(data, size), thing_(kPump) {
    require(gateway_.things.add(kPump).has_value(), "a thing is added");
  }
  void run() {
    for (std::size_t step = 0; step < kStepsMax && !input_.empty(); ++step) {
      take_step();
      record();
    }
    // Whatever was done, the two find each other again.
    for (int round = 0; round < 4; ++round) {
      carry_all();
      pass_time();
      say();
    }
    carry_all();
    require(arrived_up_ == said_up_, "what is said last arrives once the stranger is gone");
  }

 private:
  static constexpr std::size_t kStepsMax = 500;
  static inline const security::ThingEntry kPump = sealed_thing("pump", 0x11);

  std::uint8_t next() {
    if (input_.empty()) return 0;
    const std::uint8_t byte = input_.front();
    input_ = input_.subspan(1);
    return byte;
  }
  void take_step() {
    switch (next() % 10) {
      case 0: return say();
      case 1: return gateway_.line->send(as_bytes(std::to_string(++said_down_)));
      case 2: return to_gateway(changed());
      case 3: return to_thing(changed());
      case 4: return to_gateway(raw());
      case 5: return to_thing(raw());
      case 6: require(thing_.reset(), "the board starts"); return;
      case 7: return gateway_.restart();
      case 8: return pass_time();
      default: return carry_all();
    }
  }
  void say() { thing_.say(std::to_string(++said_up_)); }
  void pass_time() {
    thing_.now_ms += HR_SEALED_RETRY_MS;
    gateway_.now += gateway::kAgainInterval;
  }
  Bytes changed() {
    const std::size_t at = next();
    const std::size_t bit = next();
    if (recorded_.empty()) return {};
    Bytes frame = recorded_[at % recorded_.size()];
    if (bit != 255 && bit / 8 < frame.size()) frame[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    return frame;
  }
  Bytes raw() {
    Bytes out(next());
    for (std::uint8_t& byte : out) byte = next();
    return out;
  }
  void record() {
    for (const Bytes& frame : thing_.sent) recorded_.push_back(frame);
    for (const Bytes& frame : gateway_.sent) recorded_.push_back(frame);
    if (recorded_.size() > 256) recorded_.erase(recorded_.begin(), recorded_.end() - 256);
  }
  void to_gateway(const Bytes& frame) {
    if (hr_seal_kind_of(frame.data(), frame.size()) == HR_SEAL_PLAIN) return;
    const std::string heard = gateway_.take(frame);
    if (heard.empty()) return;
    const std::size_t number = std::stoul(heard.substr(6));
    require(number > arrived_up_ && number <= said_up_, "what the gateway hears was said, once and in that order");
    arrived_up_ = number;
  }
  void to_thing(const Bytes& frame) {
    thing_.coming.push_back(frame);
    while (!thing_.coming.empty()) {
      const std::string heard = thing_.heard();
      if (heard.empty()) continue;
      const std::size_t number = std::stoul(heard);
      require(number > arrived_down_ && number <= said_down_, "what the thing hears was said, once and in that order");
      arrived_down_ = number;
    }
  }
  void carry_all() {
    while (!thing_.sent.empty() || !gateway_.sent.empty()) {
      record();
      for (const Bytes& frame : std::exchange(thing_.sent, {})) to_gateway(frame);
      for (const Bytes& frame : std::exchange(gateway_.sent, {})) to_thing(frame);
    }
  }

  ByteView input_;
  SealedGateway gateway_;
  SealedThing thing_;
  std::vector<Bytes> recorded_;
  std::size_t said_up_ = 0;
  std::size_t said_down_ = 0;
  std::size_t arrived_up_ = 0;
  std::size_t arrived_down_ = 0;
};

}  // namespace
}  // namespace hedgerow::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  hedgerow::test::Stranger(data, size).run();
  return 0;
}
