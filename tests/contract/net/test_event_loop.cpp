#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <thread>
#include <vector>

#include "daemon/net_asio/event_loop.hpp"

namespace hedgerow::net_asio {

TEST_CASE("posted tasks run in order, and never inside the call", "[net]") {
  EventLoop loop;
  std::vector<int> ran;
  for (int i = 0; i < 3; ++i) {
    loop.post([&ran, i] { ran.push_back(i); });
  }
  CHECK(ran.empty());
  loop.post([&loop] { loop.stop(); });
  loop.run();
  CHECK(ran == std::vector{0, 1, 2});
}

TEST_CASE("a task may be posted from another thread", "[net]") {
  EventLoop loop;
  std::thread other([&loop] { loop.post([&loop] { loop.stop(); }); });
  loop.run();
  other.join();
}

TEST_CASE("a stop that comes before run is kept", "[net]") {
  EventLoop loop;
  loop.stop();
  loop.run();
}

TEST_CASE("run goes on after a stop", "[net]") {
  EventLoop loop;
  loop.stop();
  loop.run();
  bool ran = false;
  loop.post([&] {
    ran = true;
    loop.stop();
  });
  loop.run();
  CHECK(ran);
}

TEST_CASE("the timer calls once, not before its time", "[net]") {
  EventLoop loop;
  const Instant when = EventLoop::now() + std::chrono::milliseconds{20};
  int calls = 0;
  loop.set_timer(when, [&] {
    ++calls;
    loop.stop();
  });
  loop.run();
  CHECK(EventLoop::now() >= when);
  CHECK(calls == 1);
}

TEST_CASE("setting the timer anew replaces what was set", "[net]") {
  EventLoop loop;
  bool first = false;
  bool second = false;
  loop.set_timer(EventLoop::now(), [&] { first = true; });
  loop.set_timer(EventLoop::now(), [&] {
    second = true;
    loop.stop();
  });
  loop.run();
  CHECK_FALSE(first);
  CHECK(second);
}

TEST_CASE("a timer that is due in the past calls at the next turn", "[net]") {
  EventLoop loop;
  loop.set_timer(EventLoop::now() - std::chrono::hours{1}, [&] { loop.stop(); });
  loop.run();
}

TEST_CASE("a cancelled timer does not call", "[net]") {
  EventLoop loop;
  bool called = false;
  loop.set_timer(EventLoop::now(), [&] { called = true; });
  loop.cancel_timer();
  loop.post([&] { loop.stop(); });
  loop.run();
  CHECK_FALSE(called);
}

TEST_CASE("signals arrive on the loop, as often as they are sent", "[net]") {
  EventLoop loop;
  std::vector<Signal> seen;
  REQUIRE(loop.on_signals([&](Signal signal) {
    seen.push_back(signal);
    if (seen.size() == 2) loop.stop();
    (void)std::raise(SIGTERM);
  }));
  (void)std::raise(SIGHUP);
  loop.run();
  CHECK(seen == std::vector{Signal::kReload, Signal::kTerminate});
}

}  // namespace hedgerow::net_asio
