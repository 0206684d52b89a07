// PasswordWorker checks passwords on a thread of its own: one check takes a tenth of a second and more on a small
// board. What was found right is remembered as a keyed hash, so that a thousand devices that come back after a power
// cut need not wait for a thousand checks; a wrong one is checked each time.
// Thread rule: the loop thread; answers come through `post`, also on the loop thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "security/passwords_mbedtls/password_file.hpp"
#include "sync/base/bytes.hpp"
#include "sync/base/hasher.hpp"

namespace hedgerow::app {

class PasswordWorker {
 public:
  using Post = std::function<void(std::function<void()>)>;
  using Answer = std::function<void(bool right)>;

  PasswordWorker(security::PasswordFile users, Post post);
  ~PasswordWorker();
  PasswordWorker(const PasswordWorker&) = delete;
  PasswordWorker& operator=(const PasswordWorker&) = delete;

  // The file was read again: what was remembered is forgotten.
  void replace(security::PasswordFile users);
  [[nodiscard]] bool knows(std::string_view user) const;

  // False: too many wait, `then` is never called. Otherwise it is, once, later or at once.
  [[nodiscard]] bool check(std::string user, std::string password, Answer then);

 private:
  struct Request {
    std::shared_ptr<const security::PasswordFile> users;
    std::string user;
    std::string password;
    Hash256 fingerprint;
    std::uint64_t generation = 0;
    Answer then;
  };
  [[nodiscard]] Hash256 fingerprint(std::string_view user, std::string_view password) const;
  void run();
  void answer(Request request, bool right);
  void ask(Request request);

  Post post_;
  std::shared_ptr<const security::PasswordFile> users_;
  std::uint64_t generation_ = 0;  // of users_
  Bytes key_;                     // of fingerprints; never leaves this process
  std::set<Hash256> right_;       // fingerprints of what was right
  std::mutex mutex_;
  std::condition_variable wakes_;
  std::deque<Request> waiting_;
  bool ends_ = false;
  std::thread thread_;  // started by the first check
};

}  // namespace hedgerow::app
