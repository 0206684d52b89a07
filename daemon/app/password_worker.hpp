// PasswordWorker checks passwords on a thread of its own: one check takes a tenth of a second and more on a small
// board. What was found right is remembered as a keyed hash, so that a thousand devices that come back after a power
// cut need not wait for a thousand checks; a wrong one is checked each time. Who waits does so fairly (WaitingChecks).
// Thread rule: the loop thread; answers come through `post`, also on the loop thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "daemon/app/waiting_checks.hpp"
#include "security/passwords_mbedtls/password_file.hpp"
#include "sync/base/bytes.hpp"
#include "sync/base/hasher.hpp"

namespace hedgerow::app {

class PasswordWorker {
 public:
  using Post = std::function<void(std::function<void()>)>;
  enum class Outcome : std::uint8_t { kRight, kWrong, kBusy };  // kBusy: too many wait, it was not checked
  using Answer = std::function<void(Outcome outcome)>;
  struct Asked {
    std::string user;
    std::string password;
    std::string address;              // who shares a turn
    std::weak_ptr<const void> asker;  // once it has expired nobody waits for the answer
  };

  PasswordWorker(security::PasswordFile users, Post post);
  ~PasswordWorker();
  PasswordWorker(const PasswordWorker&) = delete;
  PasswordWorker& operator=(const PasswordWorker&) = delete;

  // The file was read again: of users whose entry is another, or gone, what was remembered is forgotten.
  void replace(security::PasswordFile users);
  [[nodiscard]] bool knows(std::string_view user) const;

  // Calls `then` once, later or at once; never after the asker has expired.
  void check(Asked asked, Answer then);

 private:
  struct Request {
    std::shared_ptr<const security::PasswordFile> users;
    std::string user;
    std::string password;
    std::string address;
    std::weak_ptr<const void> asker;
    Hash256 fingerprint;
    Answer then;
    [[nodiscard]] bool is_wanted() const { return !asker.expired(); }
  };
  [[nodiscard]] Hash256 fingerprint(std::string_view user, std::string_view password) const;
  void run();
  void answer(Request request, bool right);
  void ask(Request request);

  Post post_;
  std::shared_ptr<const security::PasswordFile> users_;
  Bytes key_;                             // of fingerprints; never leaves this process
  std::map<Hash256, std::string> right_;  // fingerprints of what was right, and whose
  std::mutex mutex_;
  std::condition_variable wakes_;
  WaitingChecks<Request> waiting_;
  bool ends_ = false;
  std::thread thread_;  // started by the first check
};

}  // namespace hedgerow::app
