// Who holds a TCP port, as far as /proc shows it: for the error that says so.
// Thread rule: free functions without state; describe_port_holder reads /proc and may take milliseconds.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hedgerow::net_asio {

struct ListeningSocket {
  std::uint64_t inode = 0;
  std::uint32_t uid = 0;
  bool operator==(const ListeningSocket&) const = default;
};

// The sockets that listen on `port`, from the text of /proc/net/tcp or /proc/net/tcp6 (proc(5)). Lines that do not look
// like it are passed over.
[[nodiscard]] std::vector<ListeningSocket> listening_sockets(std::string_view proc_net_tcp, std::uint16_t port);

// "held by mosquitto (pid 123)"; "held by a process of user 112 (`sudo ss -ltnp` names it)" when its descriptors are
// hidden from us; "held by another process" when nothing is known.
[[nodiscard]] std::string describe_port_holder(std::uint16_t port);

}  // namespace hedgerow::net_asio
