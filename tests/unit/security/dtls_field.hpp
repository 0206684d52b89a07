// A board that serves DTLS, and things around it on a network that is a list of datagrams. Time stands still unless a
// test moves it. Thread rule: one thread.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <deque>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "security/dtls_mbedtls/dtls_server.hpp"
#include "tests/support/dtls_client.hpp"

namespace hedgerow::test {

inline const Bytes kBarnKey(16, 7);

// A client and where it is.
struct Thing {
  explicit Thing(const DtlsClientOptions& options, std::string at = "192.0.2.7:4000")
      : client(options), address(std::move(at)) {}
  DtlsClient client;
  std::string address;
};

inline DtlsClientOptions barn(bool connection_id = false, int cipher = MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8) {
  return {.identity = "barn-1", .key = kBarnKey, .cipher = cipher, .connection_id = connection_id};
}

class Field {
 public:
  struct Delivered {
    std::string peer;
    std::string address;
    std::string text;
    bool operator==(const Delivered&) const = default;
  };

  explicit Field(const security::Identity* own = nullptr)
      : server(security::DtlsContext::create(own).value(), security::Cookies::Secret{42},
               {.key_of = [this](std::string_view identity) { return key_of(identity); },
                .send = [this](const std::string& address,
                               ByteView datagram) { to_things.emplace_back(address, to_bytes(datagram)); },
                .deliver =
                    [this](Instant, const security::DtlsPeer& peer, const std::string& address, ByteView message) {
                      delivered.push_back({peer.id(), address, std::string(as_text(message))});
                    }}) {}

  // Until nobody has anything to say. What is for an address where none of them is, is lost.
  void settle(std::initializer_list<Thing*> things) {
    for (bool busy = true; busy;) {
      busy = false;
      for (Thing* thing : things) {
        thing->client.on_time(now);
        while (!thing->client.out.empty()) {
          const Bytes datagram = std::move(thing->client.out.front());
          thing->client.out.pop_front();
          server.on_datagram(now, thing->address, datagram);
          busy = true;
        }
      }
      for (const auto& [address, datagram] : std::exchange(to_things, {})) {
        for (Thing* thing : things) {
          if (thing->address == address) thing->client.feed(now, datagram);
        }
        busy = true;
      }
    }
  }
  // A message, and whatever follows from it.
  void say(Thing& thing, std::string_view text) {
    thing.client.send_message(now, text);
    settle({&thing});
  }
  // The one datagram that carries a message; it is not sent.
  Bytes seal(Thing& thing, std::string_view text) {
    thing.client.send_message(now, text);
    REQUIRE(thing.client.out.size() == 1);
    Bytes datagram = std::move(thing.client.out.front());
    thing.client.out.clear();
    return datagram;
  }
  [[nodiscard]] std::vector<std::string> texts() const {
    std::vector<std::string> all;
    for (const Delivered& one : delivered) all.push_back(one.text);
    return all;
  }

  std::optional<security::DtlsKey> key_of(std::string_view identity) const {
    const auto found = keys.find(std::string(identity));
    if (found == keys.end()) return std::nullopt;
    return security::DtlsKey{.name = found->second.name, .key = found->second.key};
  }

  Instant now{std::chrono::hours{1}};
  std::map<std::string, security::DtlsKey> keys = {{"barn-1", {"barn-1", kBarnKey}}};  // by identity
  std::deque<std::pair<std::string, Bytes>> to_things;
  std::vector<Delivered> delivered;
  security::DtlsServer server;
};

}  // namespace hedgerow::test
