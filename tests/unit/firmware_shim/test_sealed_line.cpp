// Both ends of a sealed line against losses, restarts and a stranger on it.
#include <catch2/catch_test_macros.hpp>
#include <set>
#include <string>

#include "firmware-shim/gateway/limits.hpp"
#include "tests/unit/firmware_shim/sealed_harness.hpp"

namespace hedgerow::test {
namespace {

const security::ThingEntry kPump = sealed_thing("pump", 0x11);
const security::ThingEntry kDoor = sealed_thing("door", 0x22);

class Line {
 public:
  Line() {
    REQUIRE(gateway.things.add(kPump));
    REQUIRE(gateway.things.add(kDoor));
  }
  void connect() {
    thing.say("first");
    REQUIRE(carry(thing, gateway) == "pump: first\n");
  }
  void later() {
    thing.now_ms += HR_SEALED_RETRY_MS;
    gateway.now += gateway::kAgainInterval;
  }
  // The frame of one message from the thing.
  Bytes frame_of(const std::string& text) {
    thing.say(text);
    REQUIRE(thing.sent.size() == 1);
    Bytes frame = std::move(thing.sent.front());
    thing.sent.pop_front();
    return frame;
  }

  SealedThing thing{kPump};
  SealedGateway gateway;
};

TEST_CASE_METHOD(Line, "the first message waits for the session, and comes with its thing's name",
                 "[seal][things][G7]") {
  thing.say("reading 1");
  REQUIRE(thing.sent.size() == 1);
  CHECK(hr_seal_kind_of(thing.sent[0].data(), thing.sent[0].size()) == HR_SEAL_HELLO);
  CHECK(carry(thing, gateway) == "pump: reading 1\n");
  CHECK(gateway.line->thing() == "pump");
  thing.say("reading 2");
  CHECK(carry(thing, gateway) == "pump: reading 2\n");
  gateway.line->send(as_bytes("set on"));
  thing.coming.push_back(gateway.sent.front());
  CHECK(thing.heard() == "set on");
}

TEST_CASE_METHOD(Line, "nothing of a message is to be seen on the line", "[seal][things][G7]") {
  connect();
  const Bytes frame = frame_of("temperature 21.5");
  CHECK(as_text(frame).find("temp") == std::string_view::npos);
  CHECK(as_text(frame).find("21.5") == std::string_view::npos);
}

TEST_CASE_METHOD(Line, "a hello that is lost, or its answer, is said again, the same", "[seal][things]") {
  thing.say("reading");
  const Bytes hello = thing.sent.front();
  thing.sent.clear();
  CHECK(thing.heard().empty());
  CHECK(thing.sent.empty());  // not at once
  later();
  CHECK(thing.heard().empty());
  REQUIRE(thing.sent.size() == 1);
  CHECK(thing.sent.front() == hello);
  CHECK(gateway.take(hello).empty());
  const Bytes welcome = gateway.sent.front();
  gateway.sent.clear();
  CHECK(gateway.take(hello).empty());
  CHECK(gateway.sent.front() == welcome);
  CHECK(carry(thing, gateway) == "pump: reading\n");
}

TEST_CASE_METHOD(Line, "a frame that comes again, or late, is refused", "[seal][things][G7]") {
  connect();
  const Bytes one = frame_of("one");
  const Bytes two = frame_of("two");
  CHECK(gateway.take(two) == "pump: two");
  CHECK(gateway.take(one).empty());
  CHECK(gateway.take(two).empty());
  CHECK(gateway.line->counters().refused == 2);
  CHECK(gateway.sent.empty());  // who repeats gets no answer
}

TEST_CASE_METHOD(Line, "a gateway that was restarted asks for a new hello, and the line lives again",
                 "[seal][things]") {
  connect();
  gateway.restart();
  later();
  thing.say("lost");
  CHECK(carry(thing, gateway).empty());
  thing.say("after");
  CHECK(carry(thing, gateway) == "pump: after\n");
  CHECK(thing.sealed.counts.sessions == 2);
}

TEST_CASE_METHOD(Line, "a thing that was restarted says hello, and the line lives again", "[seal][things]") {
  connect();
  REQUIRE(thing.reset());
  thing.say("after");
  CHECK(carry(thing, gateway) == "pump: after\n");
  CHECK(gateway.line->counters().sessions == 2);
}

TEST_CASE_METHOD(Line, "no hello is said twice over restarts, though the board has no chance at all",
                 "[seal][things][G7]") {
  std::set<Bytes> hellos;
  for (int start = 0; start < 50; ++start) {
    REQUIRE(thing.reset());
    for (int session = 0; session < 3; ++session) {
      later();
      thing.say("x");
      CHECK(hellos.insert(thing.sent.front()).second);
      static_cast<void>(carry(thing, gateway));
      gateway.restart();
    }
    thing.sent.clear();
  }
  CHECK(hellos.size() >= 50);
}

TEST_CASE_METHOD(Line, "a board whose nonvolatile memory fails does not start to seal", "[seal][things][G7]") {
  thing.flash_is_broken = true;
  CHECK_FALSE(thing.reset());
}

TEST_CASE_METHOD(Line, "a recorded hello ends no session", "[seal][things][G7]") {
  thing.say("first");
  const Bytes hello = thing.sent.front();
  REQUIRE(carry(thing, gateway) == "pump: first\n");
  REQUIRE(thing.reset());
  thing.say("second");
  REQUIRE(carry(thing, gateway) == "pump: second\n");
  CHECK(gateway.take(hello).empty());
  gateway.sent.clear();  // its welcome goes to the stranger
  thing.say("third");
  CHECK(carry(thing, gateway) == "pump: third\n");
}

TEST_CASE_METHOD(Line, "a recorded session opens nothing in another one", "[seal][things][G7]") {
  std::vector<Bytes> recorded;
  thing.say("open the gate");
  recorded.push_back(thing.sent.front());
  REQUIRE(gateway.take(thing.sent.front()).empty());
  thing.sent.clear();
  thing.coming.push_back(gateway.sent.front());
  gateway.sent.clear();
  static_cast<void>(thing.heard());
  recorded.push_back(thing.sent.front());
  REQUIRE(carry(thing, gateway) == "pump: open the gate\n");
  gateway.restart();
  for (const Bytes& frame : recorded) CHECK(gateway.take(frame).empty());
  CHECK(gateway.line->thing().empty());
}

TEST_CASE_METHOD(Line, "who has another key is not understood, and understands nothing", "[seal][things][G7]") {
  security::ThingEntry forged = kPump;
  forged.key[0] ^= 1;
  SealedThing stranger{forged};
  stranger.say("open the gate");
  CHECK(carry(stranger, gateway).empty());
  CHECK(stranger.sealed.counts.sessions == 0);
  CHECK(stranger.sealed.counts.refused > 0);
  CHECK(gateway.line->thing().empty());
}

TEST_CASE_METHOD(Line, "a thing without a key here gets no answer, and is told of now and then", "[seal][things][G6]") {
  SealedThing stranger{sealed_thing("nobody", 0x33)};
  for (int n = 0; n < 5; ++n) {
    stranger.now_ms += HR_SEALED_RETRY_MS;
    stranger.say("hello?");
    CHECK(carry(stranger, gateway).empty());
  }
  CHECK(gateway.strangers == "3333333333333333 ");
  CHECK(gateway.line->counters().strangers == 5);
  gateway.now += gateway::kStrangerToldEvery;
  stranger.now_ms += HR_SEALED_RETRY_MS;
  stranger.say("hello?");
  static_cast<void>(carry(stranger, gateway));
  CHECK(gateway.strangers == "3333333333333333 3333333333333333 ");
}

TEST_CASE_METHOD(Line, "a thing that is revoked is out at once, with its session", "[seal][things][G8]") {
  connect();
  REQUIRE(gateway.things.erase("pump"));
  gateway.line->keys_changed();
  CHECK(gateway.line->thing().empty());
  gateway.line->send(as_bytes("secret"));
  CHECK(gateway.sent.empty());
  thing.say("still here?");
  later();
  thing.say("still here?");
  CHECK(carry(thing, gateway).empty());
  CHECK(gateway.line->counters().strangers > 0);
}

TEST_CASE_METHOD(Line, "others are not touched by a revocation; a new key under an old name is another thing's",
                 "[seal][things][G8]") {
  connect();
  REQUIRE(gateway.things.erase("door"));
  gateway.line->keys_changed();
  thing.say("on");
  CHECK(carry(thing, gateway) == "pump: on\n");
  REQUIRE(gateway.things.erase("pump"));
  REQUIRE(gateway.things.add(sealed_thing("pump", 0x44)));
  gateway.line->keys_changed();
  CHECK(gateway.line->thing().empty());
}

TEST_CASE_METHOD(Line, "another thing that is plugged in takes the line over once it has proved its key",
                 "[seal][things]") {
  connect();
  SealedThing door{kDoor};
  door.say("open");
  REQUIRE(gateway.take(door.sent.front()).empty());
  door.sent.clear();
  CHECK(gateway.line->thing() == "pump");  // a hello proves nothing
  door.coming.push_back(gateway.sent.front());
  gateway.sent.clear();
  CHECK(carry(door, gateway) == "door: open\n");
  CHECK(gateway.line->thing() == "door");
}

TEST_CASE_METHOD(Line, "a thing whose first word after a new session was lost is heard from again by itself",
                 "[seal][things]") {
  connect();
  REQUIRE(thing.reset());
  thing.say("lost");
  REQUIRE(gateway.take(thing.sent.front()).empty());
  thing.sent.clear();
  thing.coming.push_back(gateway.sent.front());
  gateway.sent.clear();
  static_cast<void>(thing.heard());
  thing.sent.clear();  // "lost"
  later();
  gateway.line->send(as_bytes("by the session before"));
  CHECK(carry(thing, gateway).empty());
  gateway.line->send(as_bytes("by the new one"));
  thing.coming.push_back(gateway.sent.front());
  CHECK(thing.heard() == "by the new one");
}

TEST_CASE_METHOD(Line, "a session that has sent all it may is followed by a new one", "[seal][things]") {
  connect();
  thing.sealed.session.sent = UINT32_MAX;
  later();
  thing.say("lost");
  thing.say("after");
  CHECK(carry(thing, gateway) == "pump: after\n");
}

// One of so many frames is lost, doubled, delayed, changed, sent back, cut, or swapped for a recorded one; both ends
// are restarted; whatever arrives was said by the thing, in that order, once.
TEST_CASE("nothing forged, repeated or out of order ever arrives, and the line lives on", "[seal][things][G7]") {
  SeededRandom random{pick_seed("sealed line")};
  SealedGateway gateway;
  REQUIRE(gateway.things.add(kPump));
  SealedThing thing{kPump};
  std::vector<Bytes> recorded;
  std::size_t said = 0;
  std::size_t arrived = 0;
  std::size_t count = 0;
  const auto mangle = [&](std::deque<Bytes>& from, auto deliver) {
    for (std::size_t n = from.size(); n > 0; --n) {
      Bytes frame = std::move(from.front());
      from.pop_front();
      recorded.push_back(frame);
      switch (random.below(14)) {
        case 0: continue;
        case 1: deliver(frame); break;
        case 2: from.push_back(frame); continue;
        case 3: frame[random.below(frame.size())] ^= static_cast<std::uint8_t>(1U << random.below(8)); break;
        case 4: frame.resize(random.below(frame.size()) + 1); break;
        case 5: deliver(recorded[random.below(recorded.size())]); break;
        default: break;
      }
      deliver(frame);
    }
  };
  for (int step = 0; step < 20'000; ++step) {
    thing.now_ms += 100;
    gateway.now += std::chrono::milliseconds{100};
    if (random.one_in(500)) REQUIRE(thing.reset());
    if (random.one_in(500)) gateway.restart();
    thing.say(std::to_string(++said));
    mangle(thing.sent, [&](const Bytes& frame) {
      if (hr_seal_kind_of(frame.data(), frame.size()) == HR_SEAL_PLAIN) return;
      const std::string heard = gateway.take(frame);
      if (heard.empty()) return;
      const std::size_t number = std::stoul(heard.substr(6));
      REQUIRE(number > arrived);
      REQUIRE(number <= said);
      arrived = number;
      ++count;
    });
    if (random.one_in(3)) gateway.line->send(as_bytes("down"));
    mangle(gateway.sent, [&](const Bytes& frame) { thing.coming.push_back(frame); });
    while (!thing.coming.empty()) {
      const std::string heard = thing.heard();
      REQUIRE((heard.empty() || heard == "down"));
    }
  }
  CHECK(count > 10'000);
}

}  // namespace
}  // namespace hedgerow::test
