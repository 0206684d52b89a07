// DialledLink: one configured peer, dialled for as long as the daemon runs; joins the dialler to the node's links.
// Thread rule: the loop thread. Ownership: what the constructor is given must outlive it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "daemon/link_paho/dialler.hpp"
#include "daemon/node/links.hpp"

namespace hedgerow::app {

class DialledLink final : public link_paho::DialEvents, public node::LinkOutput {
 public:
  struct Settings {
    std::string address;  // "HOST:PORT"
    std::string mesh;
    std::string node;  // us
  };
  using MakeDialler = std::function<std::unique_ptr<link_paho::Dialler>(link_paho::DialEvents& events)>;
  // `defer` runs a task on the loop later, not inside the call.
  DialledLink(Settings settings, node::Links& links, std::function<Instant()> now,
              std::function<void(std::function<void()>)> defer, std::function<void(const std::string&)> log,
              MakeDialler make_dialler)
      : settings_(std::move(settings)),
        links_(links),
        now_(std::move(now)),
        defer_(std::move(defer)),
        log_(std::move(log)),
        make_dialler_(std::move(make_dialler)) {}

  void start();
  // No event comes afterwards.
  void stop();
  // Call now and then: a link that we closed ourselves is dialled again after a pause.
  void on_tick(Instant now);

  [[nodiscard]] const std::string& address() const { return settings_.address; }
  [[nodiscard]] const std::optional<sync::LinkId>& link() const { return link_; }
  // When the link came up or fell.
  [[nodiscard]] Instant since() const { return since_; }
  // Why it is down; empty: it is up, or was not tried yet.
  [[nodiscard]] const std::string& reason() const { return last_reason_; }
  // This address leads to ourselves: it is dialled no more.
  [[nodiscard]] bool is_self() const { return is_self_; }

  // DialEvents
  void on_up(const security::PeerIdentity& peer) override;
  void on_message(std::string topic, Bytes payload) override;
  void on_down(std::string reason) override;

  // LinkOutput
  void send(ByteView message) override;
  [[nodiscard]] std::size_t queued_bytes() override { return dialler_ ? dialler_->queued_bytes() : 0; }
  void close(const std::string& reason, node::DialAgain dial_again) override;

 private:
  Settings settings_;
  node::Links& links_;
  std::function<Instant()> now_;
  std::function<void(std::function<void()>)> defer_;
  std::function<void(const std::string&)> log_;
  MakeDialler make_dialler_;
  std::unique_ptr<link_paho::Dialler> dialler_;
  std::optional<Instant> dial_again_;
  std::optional<sync::LinkId> link_;
  Instant since_{};
  std::string topic_;        // what we publish to the peer
  std::string last_reason_;  // since it was up last: the same one is not logged again and again
  bool is_self_ = false;
};

}  // namespace hedgerow::app
