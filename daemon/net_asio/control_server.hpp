// ControlServer: the socket DATA/control.sock, by which `hedgerow` talks to the daemon on this board.
//
//   conversation = *( request answer )                 one answer each, in order
//   request      = [ size SP ] document LF body        size: decimal, the bytes of the body; without it there is none
//   answer       = 1*( document LF )                   how many, the request says (daemon/control/request.hpp)
//   document     = JSON, begins with "{", no LF inside
//
// A document of more than kControlLineBytesMax in a request, a body of more than kControlBodyBytesMax, or a client that
// is silent for kControlTime while it is its turn, ends the conversation. An answer of several documents may be read as
// slowly as the reader likes: no more than control::kAnswerQueueBytesMax waits for it. A client that goes while it is
// answered is noticed at once.
// Beyond kControlClientsMax, clients wait. Whoever may open the file may ask: it has mode 0600. A path that is too long
// for a socket address is bound relative to DATA. A socket file that a dead daemon left is replaced; one that answers
// is not. Thread rule: the loop thread, or before EventLoop::run().
#pragma once

#include <filesystem>
#include <memory>

#include "daemon/control/answer.hpp"
#include "daemon/net_asio/event_loop.hpp"
#include "daemon/net_asio/limits.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::net_asio {

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
                                                                     control::Handler handler);

}  // namespace hedgerow::net_asio
