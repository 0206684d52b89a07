// Operator answers get, set, watch, history and gaps, which `hedgerow` asks over the control socket. Who reaches that
// is the board's operator: access rules do not hold for it. Everything is read on the reader thread, a page at a time,
// and only while the asker takes what it is given: a slow or vanished one stalls nobody. Pure but for the node and its
// store. Thread rule: the loop thread. Ownership: node and store must outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "daemon/control/answer.hpp"
#include "daemon/control/request.hpp"
#include "daemon/control/source.hpp"
#include "daemon/node/node.hpp"

namespace hedgerow::control {

class Operator {
 public:
  Operator(node::Node& node, node::StorePort& store, node::WallClock wall_clock);
  Operator(const Operator&) = delete;
  Operator& operator=(const Operator&) = delete;
  ~Operator();

  // False: the request is none of these verbs, and nothing has happened.
  bool take(const Question& question, const AnswerPtr& answer);

  [[nodiscard]] std::size_t streams() const { return streams_.size(); }

 private:
  class Stream;
  class PagedStream;
  class WatchStream;

  void set(Request request, std::string payload, const AnswerPtr& answer);
  void stream(Request request, const AnswerPtr& answer);
  void get(const std::string& filter, const AnswerPtr& answer);
  void read_pages(std::unique_ptr<Source> source, const AnswerPtr& answer);
  void watch(const Request& request, const AnswerPtr& answer);
  void keep(const std::shared_ptr<Stream>& stream, const AnswerPtr& answer);
  void forget(std::uint64_t stream) { streams_.erase(stream); }
  [[nodiscard]] Home home() const;

  node::Node& node_;
  node::StorePort& store_;
  node::WallClock wall_clock_;
  std::uint64_t last_stream_ = 0;
  std::map<std::uint64_t, std::shared_ptr<Stream>> streams_;
};

}  // namespace hedgerow::control
