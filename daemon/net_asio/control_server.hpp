// ControlServer: the socket DATA/control.sock, by which `hedgerow` talks to the daemon on this board.
//
//   conversation = *( request LF answer LF )        one answer each, in order; no LF inside
//
// A request of more than kControlLineBytesMax, or a client that is silent for kControlTime, ends the conversation.
// Beyond kControlClientsMax, clients wait. Whoever may open the file may ask: it has mode 0600. A path that is too long
// for a socket address is bound relative to DATA. A socket file that a dead daemon left is replaced; one that answers
// is not. Thread rule: the loop thread, or before EventLoop::run().
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "daemon/net_asio/event_loop.hpp"
#include "daemon/net_asio/limits.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::net_asio {

// Gives the answer, without the newline; once, now or later, on the loop thread. Harmless after the client has gone,
// and after the server has.
using ControlReply = std::function<void(std::string answer)>;

// Called on the loop thread with one request, without the newline. Dropping the reply unused closes the client.
using ControlHandler = std::function<void(std::string request, ControlReply reply)>;

class ControlServer {
 public:
  ControlServer() = default;
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;
  // Closes all clients and removes the file.
  virtual ~ControlServer() = default;
};

// kUnavailable: another daemon answers on that socket. kIo: the directory is missing or not ours.
[[nodiscard]] Expected<std::unique_ptr<ControlServer>> serve_control(EventLoop& loop, const std::filesystem::path& data,
                                                                     ControlHandler handler);

}  // namespace hedgerow::net_asio
