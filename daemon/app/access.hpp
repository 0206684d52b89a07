// Access: who clients are by their listener (certificate, password, a thing's key, nobody) and what the access rules
// let them do. Thread rule: the loop thread.
#pragma once

#include <map>
#include <string>

#include "daemon/app/password_worker.hpp"
#include "daemon/config/config.hpp"
#include "daemon/node/access_port.hpp"
#include "security/things/thing_keys.hpp"

namespace hedgerow::app {

class Access final : public node::AccessPort {
 public:
  Access(const config::Config& config, security::PasswordFile users, security::ThingKeys things,
         PasswordWorker::Post post);

  // The configuration, the users and the things were read again. Listeners stay as they are.
  void replace(const config::Config& config, security::PasswordFile users, security::ThingKeys things);
  // Who may prove a key; until the next replace().
  [[nodiscard]] const security::ThingKeys& things() const { return things_; }
  void authenticate(Instant now, const node::Arrived& arrived, Credentials credentials, Verdict then) override;
  [[nodiscard]] bool knows(const security::Principal& principal) const override;
  [[nodiscard]] bool may_publish(const security::Principal& principal, std::string_view topic) const override {
    return rules_.may_publish(principal, topic);
  }
  [[nodiscard]] bool may_subscribe(const security::Principal& principal, std::string_view topic_filter) const override {
    return rules_.may_subscribe(principal, topic_filter);
  }

 private:
  std::map<std::string, config::Auth, std::less<>> auth_;  // by listener
  security::AccessRules rules_;
  security::ThingKeys things_;
  PasswordWorker passwords_;
};

}  // namespace hedgerow::app
