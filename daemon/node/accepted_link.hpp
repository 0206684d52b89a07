// A link over a connection that the peer dialled: our sending end is a PUBLISH on the topic that it subscribed.
// Thread rule: the loop thread. Ownership: lives no longer than its client.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "daemon/node/client.hpp"
#include "daemon/node/limits.hpp"
#include "daemon/node/links.hpp"
#include "daemon/node/node.hpp"

namespace hedgerow::node {

struct Node::AcceptedLink final : LinkOutput {
  AcceptedLink(Client& link_client, std::string link_topic, std::function<void(Client&)> on_touched)
      : client(link_client), topic(std::move(link_topic)), touched(std::move(on_touched)) {}

  void send(ByteView message) override {
    if (client.queued_bytes() > kLinkQueueBytesMax) return;
    const auto outcome = client.connection().publish({.topic = topic, .properties = {}, .payload = message});
    if (outcome == mqtt::PublishOutcome::kSent) touched(client);
  }
  [[nodiscard]] std::size_t queued_bytes() override { return client.queued_bytes(); }
  void close(const std::string& reason, DialAgain /*dial_again*/) override {
    client.connection().disconnect(mqtt::ReasonCode::kAdministrativeAction, reason);
    touched(client);
  }

  Client& client;
  std::string topic;
  std::function<void(Client&)> touched;
};

}  // namespace hedgerow::node
