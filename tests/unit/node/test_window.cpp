#include <catch2/catch_test_macros.hpp>

#include "daemon/node/window.hpp"

using hedgerow::mqtt::QoS;
using hedgerow::node::Window;

TEST_CASE("a window of two is closed by two messages and opened by an acknowledgement", "[node][G6]") {
  Window window(2, /*persistent=*/false);
  const auto first = window.add(1, QoS::kAtLeastOnce);
  window.add(2, QoS::kAtLeastOnce);
  CHECK_FALSE(window.is_open());
  CHECK(window.acknowledge(first));
  CHECK(window.is_open());
}

TEST_CASE("an unknown packet identifier acknowledges nothing", "[node]") {
  Window window(2, false);
  const auto first = window.add(1, QoS::kAtLeastOnce);
  CHECK_FALSE(window.acknowledge(static_cast<std::uint16_t>(first + 1)));
  CHECK(window.acknowledge(first));
  CHECK_FALSE(window.acknowledge(first));
}

TEST_CASE("the position stands before the oldest message that was not acknowledged", "[node]") {
  Window window(8, true);
  const auto at_5 = window.add(5, QoS::kAtLeastOnce);
  const auto at_7 = window.add(7, QoS::kAtLeastOnce);
  CHECK(window.acknowledged_up_to(9) == 4);
  window.acknowledge(at_7);
  CHECK(window.acknowledged_up_to(9) == 4);
  window.acknowledge(at_5);
  CHECK(window.acknowledged_up_to(9) == 9);
}

TEST_CASE("a persistent window stays closed until the position is saved", "[node][G1]") {
  Window window(2, true);
  window.acknowledge(window.add(1, QoS::kAtLeastOnce));
  window.acknowledge(window.add(2, QoS::kAtLeastOnce));
  CHECK_FALSE(window.is_open());
  CHECK(window.unsaved() == 2);
  window.settle(1);
  CHECK(window.is_open());
  CHECK(window.unsaved() == 1);
}

TEST_CASE("retained messages need no saved position", "[node]") {
  hedgerow::sync::Arrival next_aside = 1;
  Window window(1, true);
  window.acknowledge(window.add_aside(next_aside++, QoS::kAtLeastOnce, 0));
  CHECK(window.is_open());
}

TEST_CASE("what was not acknowledged is due again under its identifier after the connection broke", "[node]") {
  Window window(8, true);
  const auto first = window.add(3, QoS::kAtLeastOnce);
  const auto second = window.add(4, QoS::kAtLeastOnce);
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
  window.add(3, QoS::kAtLeastOnce);
  window.add(4, QoS::kAtLeastOnce);
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
  for (int arrival = 1; arrival <= 5; ++arrival)
    window.add(static_cast<hedgerow::sync::Arrival>(arrival), QoS::kAtLeastOnce);
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
  hedgerow::sync::Arrival next_aside = 1;
  Window window(8, true);
  window.add_aside(next_aside++, QoS::kAtLeastOnce, 0);
  CHECK_FALSE(window.empty());
  window.detach();
  CHECK(window.empty());
}

TEST_CASE("a retained QoS 2 message that the client has is known to have begun until it is forgotten", "[node]") {
  Window window(8, true);
  const auto packet_id = window.add_aside(7, QoS::kExactlyOnce, 0);
  CHECK_FALSE(window.has_begun(7));
  window.receive(packet_id);
  window.released(packet_id);
  CHECK(window.has_begun(7));
  window.detach();
  CHECK(window.has_begun(7));
  window.complete(packet_id);
  CHECK(window.has_begun(7));
  const Window::MayForget is_passed = [](const Window::Finished& finished) { return finished.passed; };
  CHECK(window.take_finished(is_passed).empty());
  window.pass_begun({7});
  CHECK(window.take_finished(is_passed).size() == 1);
  CHECK_FALSE(window.has_begun(7));
}

TEST_CASE("a run passes a message before the client completes it", "[node]") {
  Window window(8, true);
  const auto packet_id = window.add_aside(7, QoS::kExactlyOnce, 0);
  window.receive(packet_id);
  window.released(packet_id);
  window.pass_begun({7});
  window.complete(packet_id);
  CHECK(window.has_finished([](const Window::Finished& finished) { return finished.passed; }));
}

TEST_CASE("a message's identifier follows from its arrival, and is never zero", "[node][MQTT-2.2.1-3]") {
  CHECK(Window::packet_id_of(0) == 1);
  CHECK(Window::packet_id_of(65'534) == 65'535);
  CHECK(Window::packet_id_of(65'535) == 1);
}

TEST_CASE("an identifier that is in use makes the next message wait for it", "[node][MQTT-2.2.1-4]") {
  Window window(8, /*persistent=*/false);
  const auto first = window.add(7, QoS::kAtLeastOnce);
  CHECK_FALSE(window.has_room(7 + 65'535));
  CHECK(window.has_room(8 + 65'535));
  window.acknowledge(first);
  CHECK(window.has_room(7 + 65'535));
}

TEST_CASE("a QoS 2 message is done with PUBCOMP, not with PUBREC", "[node][MQTT-4.3.3-1]") {
  Window window(8, /*persistent=*/false);
  const auto id = window.add(3, QoS::kExactlyOnce);
  CHECK(window.receive(id).receipt == Window::Receipt::kFirst);
  CHECK(window.receive(id).receipt == Window::Receipt::kReleasing);
  CHECK_FALSE(window.complete(id));
  window.released(id);
  CHECK(window.receive(id).receipt == Window::Receipt::kReleased);
  CHECK(window.acknowledged_up_to(9) == 2);
  REQUIRE(window.complete(id));
  CHECK(window.acknowledged_up_to(9) == 9);
}

TEST_CASE("what the client has is released again, not sent again, on its next connection", "[node][MQTT-4.4.0-1]") {
  Window window(8, /*persistent=*/true);
  const auto id = window.add(3, QoS::kExactlyOnce);
  window.receive(id);
  window.released(id);
  CHECK(window.detach().empty());
  CHECK_FALSE(window.is_due_again(3));
  CHECK(window.releases() == std::vector<std::uint16_t>{id});
}

TEST_CASE("a release from the disk keeps its message from being sent again", "[node][G1]") {
  Window window(8, /*persistent=*/true);
  window.settle(2);
  window.restore({{.packet_id = Window::packet_id_of(5), .arrival = 5}});
  CHECK(window.was_received(5));
  CHECK(window.acknowledged_up_to(9) == 4);
  CHECK(window.releases() == std::vector<std::uint16_t>{Window::packet_id_of(5)});
  REQUIRE(window.complete(Window::packet_id_of(5)));
  CHECK(window.was_received(5));
  CHECK(window.acknowledged_up_to(9) == 9);
}

TEST_CASE("a completed release keeps its identifier until it is forgotten on disk", "[node][MQTT-2.2.1-4]") {
  Window window(8, /*persistent=*/true);
  const auto id = window.add(3, QoS::kExactlyOnce);
  window.receive(id);
  window.released(id);
  REQUIRE(window.complete(id));
  CHECK_FALSE(window.has_room(3 + 65'535));
  const auto up_to = [](hedgerow::sync::Arrival position) {
    return [position](const Window::Finished& finished) { return finished.arrival <= position; };
  };
  CHECK_FALSE(window.has_finished(up_to(2)));
  CHECK(window.take_finished(up_to(2)).empty());
  CHECK(window.take_finished(up_to(3)) == std::vector<std::uint16_t>{id});
  CHECK(window.has_room(3 + 65'535));
}

TEST_CASE("what is due again keeps the QoS that it was sent with", "[node][MQTT-4.4.0-1]") {
  Window window(8, /*persistent=*/true);
  window.add(3, QoS::kExactlyOnce);
  window.detach();
  CHECK(window.due_qos(3) == QoS::kExactlyOnce);
  CHECK_FALSE(window.due_qos(4));
}

TEST_CASE("PUBREC for a message that is due again makes it need no sending", "[node][MQTT-4.3.3-1]") {
  Window window(8, /*persistent=*/true);
  const auto id = window.add(3, QoS::kExactlyOnce);
  window.detach();
  CHECK(window.receive(id).receipt == Window::Receipt::kFirst);
  CHECK_FALSE(window.is_due_again(3));
}

TEST_CASE("what was sent before the client allowed less keeps its identifier until it was sent again",
          "[node][MQTT-2.2.1-4][MQTT-3.3.4-9]") {
  Window window(3, /*persistent=*/true);
  for (const hedgerow::sync::Arrival arrival : {1U, 2U, 3U}) window.add_aside(arrival, QoS::kExactlyOnce, 0);
  window.detach();
  window.set_limit(1);
  window.add_aside(1, QoS::kExactlyOnce, 0);
  window.detach();
  for (const hedgerow::sync::Arrival arrival : {1U, 2U, 3U}) {
    CHECK(window.was_interrupted(arrival));
    CHECK_FALSE(window.has_room(arrival + 65'535));
  }
}
