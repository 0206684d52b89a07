// Port: who a client is, and what it may do.
// Thread rule: the loop thread. Ownership: must outlive the node.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/node/stream.hpp"
#include "security/acl/access_rules.hpp"
#include "sync/base/bytes.hpp"
#include "sync/base/time.hpp"

namespace hedgerow::node {

class AccessPort {
 public:
  virtual ~AccessPort() = default;

  struct Credentials {
    std::optional<std::string> username;
    std::optional<Bytes> password;
    std::string client_id;
    std::weak_ptr<const void> asker;  // once it has expired nobody waits for the verdict
  };
  // Why a client is not let in.
  enum class Denial { kNoCredentials, kUnknownUser, kWrongPassword, kBusy };
  using Verdict = std::function<void(Instant now, tl::expected<security::Principal, Denial>)>;
  // Calls `then` once, at once or later: a password takes a tenth of a second to check. Not for an asker that expired.
  virtual void authenticate(Instant now, const Arrived& arrived, Credentials credentials, Verdict then) = 0;

  // False: a user or a thing that is no more.
  [[nodiscard]] virtual bool knows(const security::Principal& principal) const = 0;
  [[nodiscard]] virtual bool may_publish(const security::Principal& principal, std::string_view topic) const = 0;
  // `topic_filter`: without $share/GROUP/.
  [[nodiscard]] virtual bool may_subscribe(const security::Principal& principal,
                                           std::string_view topic_filter) const = 0;
};

}  // namespace hedgerow::node
