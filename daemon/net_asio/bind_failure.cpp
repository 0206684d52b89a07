#include "daemon/net_asio/bind_failure.hpp"

#include <boost/asio/error.hpp>

#include "daemon/net_asio/port_holder.hpp"

namespace hedgerow::net_asio {

std::string address_text(const std::string& host, std::uint16_t port) {
  const bool is_v6 = host.find(':') != std::string::npos;
  return (is_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

tl::unexpected<Error> bind_failure(const std::string& who, const std::string& host, std::uint16_t port,
                                   const boost::system::error_code& error) {
  const std::string what = who + ": " + address_text(host, port) + " ";
  if (error == boost::asio::error::address_in_use) {
    return fail(Category::kUnavailable,
                what + "is in use, " + describe_port_holder(port) + ": stop that program, or choose another port");
  }
  if (error == boost::asio::error::access_denied) {
    return fail(Category::kRefused,
                what +
                    "is not permitted: ports below 1024 need CAP_NET_BIND_SERVICE (AmbientCapabilities= in the "
                    "service unit), or choose a port from 1024 on");
  }
  if (error == boost::system::errc::address_not_available) {
    return fail(Category::kUnavailable, what +
                                            "cannot be bound: this machine has no such address (`ip address` lists "
                                            "those that it has)");
  }
  return fail(Category::kIo, what + "cannot be bound: " + error.message());
}

tl::unexpected<Error> no_address(const std::string& who, const std::string& host) {
  return fail(Category::kInvalidInput,
              who + ": \"" + host + "\" is no IP address: write one that this machine has, or 0.0.0.0 for all");
}

}  // namespace hedgerow::net_asio
