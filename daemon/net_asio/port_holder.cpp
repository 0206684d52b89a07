#include "daemon/net_asio/port_holder.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <system_error>

namespace hedgerow::net_asio {
namespace {

constexpr std::string_view kListenState = "0A";

std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> fields;
  while (!line.empty()) {
    const std::size_t start = line.find_first_not_of(' ');
    if (start == std::string_view::npos) break;
    line.remove_prefix(start);
    const std::size_t length = std::min(line.find(' '), line.size());
    fields.push_back(line.substr(0, length));
    line.remove_prefix(length);
  }
  return fields;
}

template <class Number>
std::optional<Number> parse_number(std::string_view text, int base) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string read_small_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

// "123" when process 123 has a socket with that inode among its descriptors.
bool holds_socket(const std::filesystem::path& process, const std::string& link) {
  std::error_code error;
  for (std::filesystem::directory_iterator it(process / "fd", error), end; !error && it != end; it.increment(error)) {
    std::error_code gone;
    if (std::filesystem::read_symlink(it->path(), gone) == link && !gone) return true;
  }
  return false;
}

std::optional<std::string> find_process(std::uint64_t inode) {
  const std::string link = "socket:[" + std::to_string(inode) + "]";
  std::error_code error;
  for (std::filesystem::directory_iterator it("/proc", error), end; !error && it != end; it.increment(error)) {
    const std::string pid = it->path().filename().string();
    if (!parse_number<std::uint32_t>(pid, 10) || !holds_socket(it->path(), link)) continue;
    std::string name = read_small_file(it->path() / "comm");
    while (!name.empty() && name.back() == '\n') name.pop_back();
    return name + " (pid " + pid + ")";
  }
  return std::nullopt;
}

}  // namespace

std::vector<ListeningSocket> listening_sockets(std::string_view proc_net_tcp, std::uint16_t port) {
  // sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …
  std::vector<ListeningSocket> found;
  while (!proc_net_tcp.empty()) {
    const std::size_t length = std::min(proc_net_tcp.find('\n'), proc_net_tcp.size());
    const std::vector<std::string_view> fields = fields_of(proc_net_tcp.substr(0, length));
    proc_net_tcp.remove_prefix(std::min(length + 1, proc_net_tcp.size()));
    if (fields.size() < 10 || fields[3] != kListenState) continue;
    const std::size_t colon = fields[1].rfind(':');
    if (colon == std::string_view::npos) continue;
    const auto local_port = parse_number<std::uint16_t>(fields[1].substr(colon + 1), 16);
    const auto uid = parse_number<std::uint32_t>(fields[7], 10);
    const auto inode = parse_number<std::uint64_t>(fields[9], 10);
    if (local_port == port && uid && inode) found.push_back({*inode, *uid});
  }
  return found;
}

std::string describe_port_holder(std::uint16_t port) {
  std::vector<ListeningSocket> sockets;
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    const std::vector<ListeningSocket> more = listening_sockets(read_small_file(table), port);
    sockets.insert(sockets.end(), more.begin(), more.end());
  }
  for (const ListeningSocket& socket : sockets) {
    if (const std::optional<std::string> process = find_process(socket.inode)) return "held by " + *process;
  }
  if (sockets.empty()) return "held by another process";
  return "held by a process of user " + std::to_string(sockets.front().uid) + " (`sudo ss -ltnp` names it)";
}

}  // namespace hedgerow::net_asio
