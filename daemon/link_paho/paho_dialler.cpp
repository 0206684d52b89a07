#include "daemon/link_paho/paho_dialler.hpp"

#include <gsl/gsl>
#include <utility>

#include "daemon/link_paho/worker.hpp"

namespace hedgerow::link_paho {

namespace {

class PahoDialler final : public Dialler {
 public:
  PahoDialler(DialSettings settings, Post post, DialEvents& events)
      : worker_(std::make_shared<Worker>(std::move(settings), std::move(post), events)) {}
  ~PahoDialler() override { worker_->stop(); }

  void start() override { worker_->start(); }
  bool send(std::string topic, Bytes message) override { return worker_->send(std::move(topic), std::move(message)); }
  [[nodiscard]] std::size_t queued_bytes() const override { return worker_->queued_bytes(); }
  void stop() override { worker_->stop(); }

 private:
  std::shared_ptr<Worker> worker_;
};

}  // namespace

std::unique_ptr<Dialler> make_dialler(DialSettings settings, Post post, DialEvents& events) {
  Expects(settings.tls != nullptr);
  return std::make_unique<PahoDialler>(std::move(settings), std::move(post), events);
}

}  // namespace hedgerow::link_paho
