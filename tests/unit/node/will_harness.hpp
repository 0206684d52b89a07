// What tests of wills need beyond exchange.hpp: a client that sees every will. Thread rule: one test, one thread.
#pragma once

#include <string>
#include <vector>

#include "tests/unit/node/exchange.hpp"

namespace hedgerow::test {

struct WillHarness : NodeHarness {
  // Sees every will.
  TestClient watcher{*this, {.client_id = "watcher"}};

  WillHarness() {
    watcher.send(encode_subscribe(1, {{"will", 1}}));
    settle();
    watcher.received();
  }
  void pass(Duration time) {
    advance(time);
    settle();
  }
  // The watcher's node goes too.
  void kill() {
    watcher.drop();
    restart();
  }
  // What is retained on the topic, after everything.
  std::vector<std::string> retained(const std::string& topic = "will") {
    settle();
    TestClient reader(*this, {.client_id = "reader"});
    reader.send(encode_subscribe(1, {{topic, 1}}));
    settle();
    return reader.messages();
  }
};

}  // namespace hedgerow::test
