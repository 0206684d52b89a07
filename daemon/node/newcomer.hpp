// A CONNECT, while its credentials are looked at: what it asked for, apart from the packet that is gone by then.
// Thread rule: the loop thread.
#pragma once

#include <cstdint>
#include <string>

#include "daemon/node/node.hpp"

namespace hedgerow::node {

struct Node::Newcomer {
  bool clean_start = true;
  bool assigned = false;  // the identifier is ours
  bool wants_response_information = false;
  std::uint16_t receive_maximum = 0;
  std::uint32_t session_expiry_s = 0;
  std::string client_id;
};

}  // namespace hedgerow::node
