// Port: where the answer to a request of the operator goes.
//
//   answer = *( document LF ) last-document LF
//
// Thread rule: the loop thread; but any thread may let go of it. Ownership: shared by whoever still answers. When the
// last one lets go of an answer that has not been finished, the asker's connection is closed; so nothing that the answer
// itself keeps (on_room, on_gone) may own it.
#pragma once

#include <functional>
#include <memory>
#include <string>

namespace hedgerow::control {

// One request, as it came: a JSON document without its newline, and the bytes that it announced.
struct Question {
  std::string document;
  std::string body = {};
};

class Answer {
 public:
  virtual ~Answer() = default;
  // One document of several, JSON without a newline. Always taken: look at has_room() first. Nothing happens once the
  // asker has gone.
  virtual void add(std::string document) = 0;
  // The last document, or the only one.
  virtual void finish(std::string document) = 0;
  [[nodiscard]] virtual bool has_room() const = 0;
  // Calls `then`, from the loop and never inside a call, each time that everything added has left.
  virtual void on_room(std::function<void()> then) = 0;
  // Calls `then` once, if the asker goes before the answer is finished.
  virtual void on_gone(std::function<void()> then) = 0;
};
using AnswerPtr = std::shared_ptr<Answer>;

// Called on the loop thread with each request.
using Handler = std::function<void(Question question, AnswerPtr answer)>;

}  // namespace hedgerow::control
