#include <catch2/catch_test_macros.hpp>

#include "daemon/node/window.hpp"

using hedgerow::node::Window;

TEST_CASE("a window of two is closed by two messages and opened by an acknowledgement", "[node][G6]") {
  Window window(2, /*persistent=*/false);
  const auto first = window.add(1);
  window.add(2);
  CHECK_FALSE(window.is_open());
  CHECK(window.acknowledge(first));
  CHECK(window.is_open());
}

TEST_CASE("an unknown packet identifier acknowledges nothing", "[node]") {
  Window window(2, false);
  const auto first = window.add(1);
  CHECK_FALSE(window.acknowledge(static_cast<std::uint16_t>(first + 1)));
  CHECK(window.acknowledge(first));
  CHECK_FALSE(window.acknowledge(first));
}

TEST_CASE("the position stands before the oldest message that was not acknowledged", "[node]") {
  Window window(8, true);
  const auto at_5 = window.add(5);
  const auto at_7 = window.add(7);
  CHECK(window.acknowledged_up_to(9) == 4);
  window.acknowledge(at_7);
  CHECK(window.acknowledged_up_to(9) == 4);
  window.acknowledge(at_5);
  CHECK(window.acknowledged_up_to(9) == 9);
}

TEST_CASE("a persistent window stays closed until the position is saved", "[node][G1]") {
  Window window(2, true);
  window.acknowledge(window.add(1));
  window.acknowledge(window.add(2));
  CHECK_FALSE(window.is_open());
  CHECK(window.unsaved() == 2);
  window.settle(1);
  CHECK(window.is_open());
  CHECK(window.unsaved() == 1);
}

TEST_CASE("retained messages need no saved position", "[node]") {
  Window window(1, true);
  window.acknowledge(window.add(0));
  CHECK(window.is_open());
}

TEST_CASE("what was not acknowledged is due again under its identifier after the connection broke", "[node]") {
  Window window(8, true);
  const auto first = window.add(3);
  const auto second = window.add(4);
  window.acknowledge(first);
  window.detach();
  CHECK_FALSE(window.is_due_again(3));
  REQUIRE(window.is_due_again(4));
  CHECK_FALSE(window.acknowledge(second));
  CHECK(window.resend(4) == second);
  CHECK_FALSE(window.is_due_again(4));
  CHECK(window.acknowledge(second));
}

TEST_CASE("what is due again and was passed by does not hold the window", "[node][G6]") {
  Window window(2, true);
  window.add(3);
  window.add(4);
  window.detach();
  window.pass(3);
  CHECK_FALSE(window.is_due_again(3));
  CHECK(window.is_due_again(4));
  CHECK(window.acknowledged_up_to(9) == 3);
  window.pass(4);
  window.settle(9);
  CHECK(window.empty());
}

TEST_CASE("a smaller receive maximum bounds what is sent again", "[node][G6]") {
  Window window(8, true);
  for (int arrival = 1; arrival <= 5; ++arrival) window.add(static_cast<hedgerow::sync::Arrival>(arrival));
  window.detach();
  window.set_limit(2);
  CHECK_FALSE(window.is_open());
  CHECK(window.has_credit());
  window.resend(1);
  const auto second = window.resend(2);
  CHECK_FALSE(window.has_credit());
  window.acknowledge(second);
  CHECK(window.has_credit());
}

TEST_CASE("a broken connection forgets retained messages on their way", "[node]") {
  Window window(8, true);
  window.add(0);
  CHECK(window.retained_on_the_way());
  window.detach();
  CHECK_FALSE(window.retained_on_the_way());
  CHECK(window.empty());
}

TEST_CASE("packet identifiers never are zero and go round", "[node]") {
  Window window(1, false);
  for (int i = 0; i < 65'535; ++i) {
    const auto id = window.add(0);
    REQUIRE(id != 0);
    window.acknowledge(id);
  }
  CHECK(window.add(0) == 1);
}
