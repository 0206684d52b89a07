#include "daemon/app/password_worker.hpp"

#include <algorithm>
#include <array>
#include <gsl/assert>
#include <utility>

#include "security/crypto_mbedtls/crypto.hpp"

namespace hedgerow::app {

namespace {

// Beyond it a client is told that the server is busy, and comes again.
constexpr std::size_t kChecksWaitingMax = 256;
constexpr std::size_t kRememberedMax = 16'384;

}  // namespace

PasswordWorker::PasswordWorker(security::PasswordFile users, Post post)
    : post_(std::move(post)), users_(std::make_shared<const security::PasswordFile>(std::move(users))), key_(32) {
  const auto drawn = security::random_bytes(key_);
  Expects(drawn.has_value());
}

PasswordWorker::~PasswordWorker() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  wakes_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void PasswordWorker::replace(security::PasswordFile users) {
  users_ = std::make_shared<const security::PasswordFile>(std::move(users));
  ++generation_;
  right_.clear();
}

bool PasswordWorker::knows(std::string_view user) const {
  const auto& users = users_->users();
  return std::any_of(users.begin(), users.end(), [&](const security::User& each) { return each.name == user; });
}

// Nobody outside can compute it, so what is remembered tells nobody a password.
Hash256 PasswordWorker::fingerprint(std::string_view user, std::string_view password) const {
  security::Sha256 hasher;
  hasher.update(key_);
  hasher.update(as_bytes(std::to_string(user.size()) + ":"));
  hasher.update(as_bytes(user));
  hasher.update(as_bytes(password));
  hasher.update(key_);
  return hasher.finish();
}

bool PasswordWorker::check(std::string user, std::string password, Answer then) {
  const Hash256 print = fingerprint(user, password);
  if (right_.contains(print)) {
    then(true);
    return true;
  }
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= kChecksWaitingMax) return false;
  }
  ask({.users = users_,
       .user = std::move(user),
       .password = std::move(password),
       .fingerprint = print,
       .generation = generation_,
       .then = std::move(then)});
  return true;
}

void PasswordWorker::ask(Request request) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(request));
  }
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  wakes_.notify_one();
}

void PasswordWorker::run() {
  while (true) {
    Request request;
    {
      std::unique_lock lock(mutex_);
      wakes_.wait(lock, [&] { return ends_ || !waiting_.empty(); });
      if (ends_) return;
      request = std::move(waiting_.front());
      waiting_.pop_front();
    }
    const bool right = request.users->verify(request.user, request.password);
    post_([this, asked = std::make_shared<Request>(std::move(request)), right] { answer(std::move(*asked), right); });
  }
}

void PasswordWorker::answer(Request request, bool right) {
  if (request.generation != generation_) {
    // The file was read again while the check ran: what it says now counts.
    request.users = users_;
    request.generation = generation_;
    return ask(std::move(request));
  }
  if (right) {
    if (right_.size() >= kRememberedMax) right_.clear();
    right_.insert(request.fingerprint);
  }
  request.then(right);
}

}  // namespace hedgerow::app
