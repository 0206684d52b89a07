// An operator who asks a real node in memory: for the tests of this folder.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/config/cjson_reader.hpp"
#include "daemon/control/operator.hpp"
#include "tests/unit/node/node_harness.hpp"

namespace hedgerow::test {

using Texts = std::vector<std::string>;

// Where an answer goes. The test says whether there is room, and when the asker goes.
class FakeAnswer final : public control::Answer {
 public:
  void add(std::string document) override {
    if (!gone) documents.push_back(std::move(document));
  }
  void finish(std::string document) override {
    if (gone) return;
    REQUIRE_FALSE(finished);
    documents.push_back(std::move(document));
    finished = true;
    room_ = nullptr;
    gone_ = nullptr;
  }
  [[nodiscard]] bool has_room() const override { return !gone && documents.size() < room; }
  void on_room(std::function<void()> then) override { room_ = std::move(then); }
  void on_gone(std::function<void()> then) override { gone_ = std::move(then); }

  // The asker took what there was, and takes so many more.
  Texts take(std::size_t more = 1'000'000) {
    Texts out = std::exchange(documents, {});
    room = more;
    if (const auto then = room_) then();
    return out;
  }
  void go() {
    gone = true;
    room_ = nullptr;
    if (const auto then = std::exchange(gone_, nullptr)) then();
  }

  Texts documents;
  std::size_t room = 1'000'000;
  bool finished = false;
  bool gone = false;

 private:
  std::function<void()> room_;
  std::function<void()> gone_;
};
using FakeAnswerPtr = std::shared_ptr<FakeAnswer>;

// "topic=payload" of messages, what else they say of themselves left out; other documents as they are.
inline Texts brief(const Texts& documents) {
  Texts out;
  for (const std::string& document : documents) {
    const auto json = config::read_json(document);
    REQUIRE(json);
    const config::JsonValue* const topic = json->find("topic");
    const config::JsonValue* const payload = json->find("payload");
    out.push_back(topic == nullptr || payload == nullptr ? document : topic->text + "=" + payload->text);
  }
  return out;
}

inline const std::string kEnd = R"({"end":true})";

struct AskerHarness : NodeHarness {
  // Nothing is read or committed before settle().
  FakeAnswerPtr ask(std::string document, std::string body = {}, std::size_t room = 1'000'000) {
    auto answer = std::make_shared<FakeAnswer>();
    answer->room = room;
    REQUIRE(asked.take({.document = std::move(document), .body = std::move(body)}, answer));
    return answer;
  }
  // What the answer was, once everything has settled.
  Texts answer_to(std::string document, std::string body = {}) {
    const FakeAnswerPtr answer = ask(std::move(document), std::move(body));
    settle();
    CHECK(answer->finished);
    return brief(answer->documents);
  }
  void publish(const PublishSent& publish) {
    TestClient client(*this, {.client_id = "publisher"});
    client.send(encode(publish));
    settle();
  }
  void store(const std::string& topic, const std::string& payload, bool retain = false) {
    publish({.topic = topic, .payload = payload, .qos = 1, .packet_id = 1, .retain = retain});
  }

  control::Operator asked{*node, *this, [this] { return wall; }};
};

}  // namespace hedgerow::test
