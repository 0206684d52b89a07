#include "daemon/app/dialled_link.hpp"

#include <utility>

namespace hedgerow::app {

namespace {

// After a link that could be made but not used: another mesh, another version.
constexpr Duration kRefusedPause = std::chrono::seconds{30};

}  // namespace

void DialledLink::start() {
  since_ = now_();
  dialler_ = make_dialler_(*this);
  dialler_->start();
}

void DialledLink::stop() {
  if (dialler_) dialler_->stop();
  dialler_.reset();
  dial_again_.reset();
  if (link_) links_.down(now_(), *std::exchange(link_, std::nullopt));
}

void DialledLink::on_tick(Instant now) {
  if (!dial_again_ || *dial_again_ > now) return;
  dial_again_.reset();
  start();
}

void DialledLink::on_up(const security::PeerIdentity& peer) {
  last_reason_.clear();
  since_ = now_();
  topic_ = "hedgerow/" + settings_.mesh + "/link/" + peer.node + "/" + settings_.node;
  log_("link with " + peer.node + " is up (dialled " + settings_.address + ")");
  link_ = links_.up(now_(), peer.node, /*dialled=*/true, *this);
}

void DialledLink::on_message(std::string /*topic*/, Bytes payload) {
  if (link_) links_.on_message(now_(), *link_, payload);
}

void DialledLink::on_down(std::string reason) {
  if (link_) {
    since_ = now_();
    links_.down(now_(), *std::exchange(link_, std::nullopt));
  }
  if (reason == last_reason_) return;
  log_("no link with " + settings_.address + ": " + reason + "; dialling on");
  last_reason_ = std::move(reason);
}

void DialledLink::send(ByteView message) {
  // A refusal means that the link is down or full; either way pull repairs it.
  if (dialler_) static_cast<void>(dialler_->send(topic_, to_bytes(message)));
}

void DialledLink::close(const std::string& reason, node::DialAgain dial_again) {
  is_self_ = dial_again == node::DialAgain::kNever;
  const Duration pause = dial_again == node::DialAgain::kNow ? Duration{} : kRefusedPause;
  log_("link with " + settings_.address + " closed: " + reason);
  last_reason_ = reason;
  defer_([this, pause] {
    stop();
    if (!is_self_) dial_again_ = now_() + pause;
  });
}

}  // namespace hedgerow::app
