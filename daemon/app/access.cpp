#include "daemon/app/access.hpp"

#include <utility>

#include "daemon/net_asio/event_loop.hpp"

namespace hedgerow::app {

Access::Access(const config::Config& config, security::PasswordFile users, security::ThingKeys things,
               PasswordWorker::Post post)
    : rules_(config.access), things_(std::move(things)), passwords_(std::move(users), std::move(post)) {
  for (const config::Listener& listener : config.listeners) auth_.emplace(listener.name, listener.auth);
}

void Access::replace(const config::Config& config, security::PasswordFile users, security::ThingKeys things) {
  rules_ = security::AccessRules(config.access);
  passwords_.replace(std::move(users));
  things_ = std::move(things);
}

bool Access::knows(const security::Principal& principal) const {
  switch (principal.kind) {
    case security::Principal::Kind::kUser: return passwords_.knows(principal.name);
    case security::Principal::Kind::kThing: return things_.find_name(principal.name) != nullptr;
    case security::Principal::Kind::kAnonymous:
    case security::Principal::Kind::kCertificate: break;
  }
  return true;
}

void Access::authenticate(Instant now, const node::Arrived& arrived, Credentials credentials, Verdict then) {
  security::Principal principal{
      .listener = arrived.listener, .client_id = std::move(credentials.client_id), .loopback = arrived.loopback};
  if (arrived.identity) {
    principal.kind = security::Principal::Kind::kCertificate;
    principal.name = arrived.identity->node;
    principal.role = arrived.identity->role;
    return then(now, std::move(principal));
  }
  if (arrived.thing) {
    principal.kind = security::Principal::Kind::kThing;
    principal.name = *arrived.thing;
    return then(now, std::move(principal));
  }
  const auto auth = auth_.find(arrived.listener);
  if (auth == auth_.end() || auth->second != config::Auth::kPassword) return then(now, std::move(principal));
  if (!credentials.username || !credentials.password) {
    return then(now, tl::unexpected(Denial::kNoCredentials));
  }
  principal.kind = security::Principal::Kind::kUser;
  principal.name = *credentials.username;
  passwords_.check({.user = std::move(*credentials.username),
                    .password = std::string(as_text(*credentials.password)),
                    .address = arrived.address,
                    .asker = std::move(credentials.asker)},
                   [this, principal, then](PasswordWorker::Outcome outcome) {
                     const Instant later = net_asio::EventLoop::now();
                     switch (outcome) {
                       case PasswordWorker::Outcome::kRight: return then(later, principal);
                       case PasswordWorker::Outcome::kWrong:
                         return then(later, tl::unexpected(passwords_.knows(principal.name) ? Denial::kWrongPassword
                                                                                            : Denial::kUnknownUser));
                       case PasswordWorker::Outcome::kBusy: return then(later, tl::unexpected(Denial::kBusy));
                     }
                   });
}

}  // namespace hedgerow::app
