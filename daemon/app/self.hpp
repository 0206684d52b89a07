// Who this node is: the certificate says it, and the configuration may not contradict it.
// Adapter: reads files. Thread rule: free function without state.
#pragma once

#include <optional>
#include <string>

#include "daemon/config/config.hpp"
#include "security/pki_mbedtls/identity_files.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::app {

// Without an identity the node serves this board's own programs only, until `hedgerow node add` gave it one.
struct Self {
  std::optional<security::Identity> identity;
  std::string mesh;
  std::string node;
};

[[nodiscard]] Expected<Self> who_we_are(const config::Config& config);

// What an operator who has put another identity on the disk wants to hear: a running node keeps the one that it started
// with. Nothing: it is the same.
[[nodiscard]] std::optional<std::string> identity_note(const config::Config& config, const Self& self);

}  // namespace hedgerow::app
