// DtlsServer: all DTLS 1.2 sessions of one address of this board, as a function of datagrams and time.
//
//   datagram ─┬─ ClientHello ─ no cookie: HelloVerifyRequest, and nothing is remembered
//             │                with cookie: a handshake begins
//             ├─ a connection id ─► its session, wherever it comes from
//             └─ neither ─► the handshake, or the session, of that address
//
// One session for each thing and certificate: a later one takes the place of the earlier once its handshake is done,
// not before (RFC 6347, 4.2.8). With a connection id a session follows its client to another address when a record from
// there is authentic and newer than all before (RFC 9146, 6). What is not authentic changes nothing and is not
// answered. Thread rule: the loop thread. Ownership: what the ports refer to must outlive it. Calls Ports::deliver
// last, so it may call send(). Bounds: limits.hpp.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "security/dtls_mbedtls/cookies.hpp"
#include "security/dtls_mbedtls/dtls_session.hpp"
#include "security/dtls_mbedtls/hello.hpp"

namespace hedgerow::security {

struct DtlsCounters {
  std::uint64_t opened = 0;   // handshakes that were completed
  std::uint64_t moved = 0;    // sessions that followed their client to another address
  std::uint64_t refused = 0;  // handshakes that failed, or were not begun
  std::uint64_t dropped = 0;  // datagrams that belonged to nobody
};

class DtlsServer {
 public:
  struct Ports {
    FindDtlsKey key_of;
    std::function<void(const std::string& address, ByteView datagram)> send;
    std::function<void(Instant now, const DtlsPeer& peer, const std::string& address, ByteView message)> deliver;
  };
  // `secret`: random, for cookies.
  DtlsServer(std::shared_ptr<const DtlsContext> context, const Cookies::Secret& secret, Ports ports);
  DtlsServer(const DtlsServer&) = delete;
  DtlsServer& operator=(const DtlsServer&) = delete;
  ~DtlsServer();

  void on_datagram(Instant now, const std::string& address, ByteView datagram);
  void on_timer(Instant now);
  [[nodiscard]] Instant next_deadline() const;
  // To where the peer was last heard. False: it has no session, or the message is longer than kDtlsMessageBytesMax.
  bool send(Instant now, const std::string& peer_id, ByteView message);
  // Sessions of things whose key is no more, or another one, end (G8). Returns their names.
  std::vector<std::string> check_keys(Instant now);
  // Says goodbye to all.
  void close(Instant now);

  [[nodiscard]] std::size_t sessions() const { return open_.size(); }
  [[nodiscard]] std::size_t handshakes() const { return handshakes_.size(); }
  [[nodiscard]] const DtlsCounters& counters() const { return counters_; }
  // Why the last handshake was refused, and whose; empty: none was.
  [[nodiscard]] const std::string& last_refusal() const { return last_refusal_; }

 private:
  struct Client {
    std::string address;
    Bytes hello_random;
    std::unique_ptr<DtlsSession> session;
  };
  using ClientPtr = std::shared_ptr<Client>;
  struct IdHash {
    std::size_t operator()(const DtlsConnectionId& id) const {
      return std::hash<std::string_view>{}({reinterpret_cast<const char*>(id.data()), id.size()});
    }
  };

  void on_client_hello(Instant now, const std::string& address, const ClientHello& hello, ByteView datagram);
  void on_moving(Instant now, const std::string& address, const DtlsRecord& record, ByteView from_record,
                 ByteView datagram);
  void on_bound(Instant now, const std::string& address, ByteView datagram);
  [[nodiscard]] bool is_of_an_open_session(const std::string& address, const ClientHello& hello) const;
  [[nodiscard]] bool make_room(Instant now);
  void begin(Instant now, const std::string& address, const ClientHello& hello, ByteView datagram);
  void feed(Instant now, const ClientPtr& client, ByteView datagram);
  void after_call(Instant now, const ClientPtr& client);
  void adopt(Instant now, const ClientPtr& client);
  void forget(const ClientPtr& client);
  void refuse(const std::string& address, const std::string& reason);
  void end(Instant now, const ClientPtr& client);

  std::shared_ptr<const DtlsContext> context_;
  Cookies cookies_;
  Ports ports_;
  DtlsCounters counters_;
  std::string last_refusal_;
  std::map<std::string, ClientPtr> handshakes_;                               // by address
  std::unordered_map<std::string, ClientPtr> open_;                           // by DtlsPeer::id()
  std::unordered_map<std::string, ClientPtr> bound_;                          // open without connection id, by address
  std::unordered_map<DtlsConnectionId, ClientPtr, IdHash> by_connection_id_;  // all
  Instant second_{};                                                          // in which so many handshakes were begun
  unsigned begun_ = 0;
  Instant next_sweep_ = Instant::max();
};

}  // namespace hedgerow::security
