#include <catch2/catch_test_macros.hpp>

#include "daemon/net_asio/port_holder.hpp"

namespace hedgerow::net_asio {
namespace {

constexpr std::string_view kTable =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    "   0: 0100007F:075B 00000000:0000 0A 00000000:00000000 00:00000000 00000000   112        0 31337 1 0 100 0 0 10 "
    "0\n"
    "   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0\n"
    "   2: 0100007F:D2F0 0100007F:075B 01 00000000:00000000 00:00000000 00000000  1000        0 99 1 0 20 4 30 10 -1\n";

}  // namespace

TEST_CASE("the socket that listens on a port is found", "[net]") {
  CHECK(listening_sockets(kTable, 1883) == std::vector{ListeningSocket{.inode = 31337, .uid = 112}});
}

TEST_CASE("a connection to a port is no listener on it", "[net]") { CHECK(listening_sockets(kTable, 0xD2F0).empty()); }

TEST_CASE("IPv6 tables are read alike", "[net]") {
  const std::string_view table =
      "   0: 00000000000000000000000000000000:22B3 00000000000000000000000000000000:0000 0A 00000000:00000000 "
      "00:00000000 00000000     0        0 12 1 0 100 0 0 10 0\n";
  CHECK(listening_sockets(table, 8883) == std::vector{ListeningSocket{.inode = 12, .uid = 0}});
}

TEST_CASE("lines of another shape are passed over", "[net]") {
  CHECK(listening_sockets("", 1883).empty());
  CHECK(listening_sockets("\n\nnonsense\n a b c 0A e f g h i j\n x y:zz w 0A e f g 1 i 2", 1883).empty());
}

}  // namespace hedgerow::net_asio
