// CONNECTs that are not answered yet. Thread rule: the loop thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "daemon/node/node.hpp"

namespace hedgerow::node {

// What a CONNECT asked for, apart from the packet that is gone by then.
struct Node::Newcomer {
  bool clean_start = true;
  bool assigned = false;  // the identifier is ours
  bool wants_response_information = false;
  bool conflates = false;  // kConflateProperty
  std::uint16_t receive_maximum = 0;
  std::uint32_t session_expiry_s = 0;
  std::string client_id;
  std::optional<std::string> user_name = {};  // for the log
};

// A clean start that waits for the disk to end the old session and to have the new one.
struct Node::Replacing {
  std::uint64_t fresh = 0;   // the new session's id
  std::uint64_t client = 0;  // who waits; 0: a newer connection took its place. It may be gone
  std::uint64_t stores = 0;  // Session::stores of the old one, with it
  Newcomer by;
  std::optional<std::pair<std::uint64_t, Newcomer>> next = {};  // the newest that came meanwhile, and its client
};

}  // namespace hedgerow::node
