// What binding an address says when it fails: the place, and what to do. Not for others: includes asio.
// Thread rule: free functions without state.
#pragma once

#include <boost/system/error_code.hpp>
#include <cstdint>
#include <string>

#include "sync/base/expected.hpp"

namespace hedgerow::net_asio {

// "127.0.0.1:1883", "[::1]:1883".
[[nodiscard]] std::string address_text(const std::string& host, std::uint16_t port);

// `who`: "listener \"devices\"". kUnavailable, kRefused or kIo.
[[nodiscard]] tl::unexpected<Error> bind_failure(const std::string& who, const std::string& host, std::uint16_t port,
                                                 const boost::system::error_code& error);

// kInvalidInput: `host` is no IP address.
[[nodiscard]] tl::unexpected<Error> no_address(const std::string& who, const std::string& host);

}  // namespace hedgerow::net_asio
