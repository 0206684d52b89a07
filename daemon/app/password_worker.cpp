#include "daemon/app/password_worker.hpp"

#include <algorithm>
#include <array>
#include <gsl/assert>
#include <utility>

#include "security/crypto_mbedtls/crypto.hpp"

namespace hedgerow::app {

namespace {

// Beyond it some client is told that the server is busy, and comes again.
constexpr std::size_t kChecksWaitingMax = 256;
constexpr std::size_t kRememberedMax = 16'384;

// Null: there is no such user.
const security::PasswordHash* entry_of(const security::PasswordFile& file, std::string_view name) {
  const auto& users = file.users();
  const auto found = std::lower_bound(users.begin(), users.end(), name,
                                      [](const security::User& user, std::string_view n) { return user.name < n; });
  return found == users.end() || found->name != name ? nullptr : &found->password;
}

bool is_same_entry(const security::PasswordFile& before, const security::PasswordFile& after, std::string_view name) {
  const security::PasswordHash* const was = entry_of(before, name);
  const security::PasswordHash* const is = entry_of(after, name);
  return was == nullptr || is == nullptr ? was == is : *was == *is;
}

}  // namespace

PasswordWorker::PasswordWorker(security::PasswordFile users, Post post)
    : post_(std::move(post)),
      users_(std::make_shared<const security::PasswordFile>(std::move(users))),
      key_(32),
      waiting_(kChecksWaitingMax) {
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
  const auto before = std::exchange(users_, std::make_shared<const security::PasswordFile>(std::move(users)));
  std::erase_if(right_, [&](const auto& right) { return !is_same_entry(*before, *users_, right.second); });
}

bool PasswordWorker::knows(std::string_view user) const { return entry_of(*users_, user) != nullptr; }

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

void PasswordWorker::check(Asked asked, Answer then) {
  const Hash256 print = fingerprint(asked.user, asked.password);
  if (right_.contains(print)) return then(Outcome::kRight);
  ask({.users = users_,
       .user = std::move(asked.user),
       .password = std::move(asked.password),
       .address = std::move(asked.address),
       .asker = std::move(asked.asker),
       .fingerprint = print,
       .then = std::move(then)});
}

void PasswordWorker::ask(Request request) {
  std::optional<Request> displaced;
  {
    const std::lock_guard lock(mutex_);
    displaced = waiting_.add(std::move(request));
  }
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  wakes_.notify_one();
  if (displaced && displaced->is_wanted()) displaced->then(Outcome::kBusy);
}

void PasswordWorker::run() {
  while (true) {
    std::optional<Request> request;
    {
      std::unique_lock lock(mutex_);
      wakes_.wait(lock, [&] { return ends_ || !waiting_.empty(); });
      if (ends_) return;
      request = waiting_.take();
    }
    if (!request) continue;
    const bool right = request->users->verify(request->user, request->password);
    post_([this, asked = std::make_shared<Request>(std::move(*request)), right] { answer(std::move(*asked), right); });
  }
}

void PasswordWorker::answer(Request request, bool right) {
  if (request.users != users_ && !is_same_entry(*request.users, *users_, request.user)) {
    // The file was read again while the check ran: what it says now counts.
    request.users = users_;
    return ask(std::move(request));
  }
  if (right) {
    if (right_.size() >= kRememberedMax) right_.clear();
    right_.emplace(request.fingerprint, request.user);
  }
  if (request.is_wanted()) request.then(right ? Outcome::kRight : Outcome::kWrong);
}

}  // namespace hedgerow::app
