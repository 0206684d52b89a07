// The part of Node that tells the operator what clients were refused, why, and what would change it.
#include <utility>

#include "daemon/node/limits.hpp"
#include "daemon/node/newcomer.hpp"
#include "security/acl/access_rules.hpp"
#include "sync/base/utf8.hpp"

namespace hedgerow::node {

namespace {

std::string name_of(const security::Principal& principal) {
  switch (principal.kind) {
    case security::Principal::Kind::kAnonymous: return "without a name";
    case security::Principal::Kind::kUser: return "user " + quote_text(principal.name);
    case security::Principal::Kind::kCertificate: return "certificate " + quote_text(principal.name);
    case security::Principal::Kind::kThing: return "thing " + quote_text(principal.name);
  }
  return {};
}

std::string place_of(const Arrived& arrived) {
  return (arrived.address.empty() ? std::string() : " from " + arrived.address) + " at listener " +
         quote_text(arrived.listener);
}

std::string client_of(const Client& client) {
  return "client " + quote_text(client.session->client_id) + ", " + name_of(client.principal) + "," +
         place_of(client.arrived());
}

std::string publish_of(const Client& client, std::string_view topic) {
  return (client.is_bridge
              ? "dropped, and acknowledged, since its bridge of MQTT 3.1.1 would repeat it for ever, a publish to "
              : "refused a publish to ") +
         quote_text(topic) + " of " + client_of(client);
}

std::string matter_of(char kind, const Client& client) {
  return kind + client.session->owner + '\0' + client.session->client_id;
}

}  // namespace

void Node::turn_down(Client& client, const Newcomer& newcomer, mqtt::ReasonCode code, std::string_view why,
                     std::string_view remedy) {
  refusal_log_.note(now_, "c" + client.arrived().address, [&] {
    const std::string user = newcomer.user_name ? ", user " + quote_text(*newcomer.user_name) + "," : std::string();
    std::string line = "refused client " + quote_text(newcomer.client_id) + user + place_of(client.arrived()) + ": ";
    line += why;
    if (!remedy.empty()) line.append(": ").append(remedy);
    return line;
  });
  // Whether there is such a user is nobody's business but the operator's.
  const bool is_secret = code == mqtt::ReasonCode::kBadUserNameOrPassword;
  client.connection().refuse(code, is_secret ? std::string_view() : why);
}

void Node::turn_down(Client& client, const Newcomer& newcomer, AccessPort::Denial denial) {
  constexpr auto kCode = mqtt::ReasonCode::kBadUserNameOrPassword;
  switch (denial) {
    case AccessPort::Denial::kBusy:
      return turn_down(client, newcomer, mqtt::ReasonCode::kServerBusy, "too many passwords wait to be checked");
    case AccessPort::Denial::kNoCredentials:
      return turn_down(client, newcomer, kCode, "it gave no user name and password, which this listener asks for");
    case AccessPort::Denial::kUnknownUser:
      return turn_down(client, newcomer, kCode, "there is no such user", "hedgerow user add NAME adds one");
    case AccessPort::Denial::kWrongPassword:
      return turn_down(client, newcomer, kCode, "its password is wrong", "hedgerow user add NAME sets another");
  }
}

void Node::note_refused_publish(const Client& client, std::string_view topic, std::string_view why) {
  refusal_log_.note(now_, matter_of('p', client), [&] { return publish_of(client, topic) + ": " + std::string(why); });
}

void Node::note_denied(const Client& client, Right right, std::string_view topic) {
  const bool publishes = right == Right::kPublish;
  refusal_log_.note(now_, matter_of(publishes ? 'p' : 's', client), [&] {
    const std::string what = publishes ? publish_of(client, topic)
                                       : "refused a subscription to " + quote_text(topic) + " of " + client_of(client);
    return what + ": no rule under \"access\" grants it; one that does is " +
           security::grant_text(client.principal, publishes, quote_text(topic));
  });
}

void Node::note_broken(const Client& client, const Goodbye& goodbye) {
  refusal_log_.note(now_, "e" + client.arrived().address, [&] {
    std::string line = "closed ";
    line += client.session == nullptr ? "a connection" + place_of(client.arrived()) : client_of(client);
    line.append(": ").append(goodbye.fault);
    const bool is_large = goodbye.code == mqtt::ReasonCode::kPacketTooLarge;
    return is_large ? line + ": \"packet_bytes\" under \"limits\" says how large a packet may be" : line;
  });
}

}  // namespace hedgerow::node
