#include <catch2/catch_test_macros.hpp>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>

#include "daemon/app/password_worker.hpp"
#include "security/crypto_mbedtls/crypto.hpp"
#include "tests/support/temporary_directory.hpp"

namespace hedgerow::app {
namespace {

using Outcome = PasswordWorker::Outcome;

// A worker with a file of users, and the loop that it posts to.
struct Fixture {
  Fixture() {
    REQUIRE(security::init_crypto());
    set("alice", "a");
    set("bob", "b");
    worker.emplace(load(), [this](std::function<void()> call) {
      const std::lock_guard lock(mutex);
      posted.push_back(std::move(call));
      came.notify_one();
    });
  }

  void set(const std::string& user, const std::string& password) {
    REQUIRE(security::PasswordFile::change(directory.path(), [&](security::UserTable& table) {
      return table.put(user, security::hash_password(password, security::kIterationsMin).value());
    }));
  }
  security::PasswordFile load() {
    auto file = security::PasswordFile::load(directory.path());
    REQUIRE(file);
    return std::move(*file);
  }
  // What becomes of a check, once it is known; at once if it was remembered.
  void ask(const std::string& user, const std::string& password, std::optional<Outcome>& outcome,
           const std::shared_ptr<const void>& asker) {
    worker->check({.user = user, .password = password, .address = "192.0.2.7", .asker = asker},
                  [&outcome](Outcome is) { outcome = is; });
  }
  void run_one() {
    std::unique_lock lock(mutex);
    REQUIRE(came.wait_for(lock, std::chrono::seconds{60}, [&] { return !posted.empty(); }));
    const auto call = std::move(posted.front());
    posted.pop_front();
    lock.unlock();
    call();
  }
  Outcome check(const std::string& user, const std::string& password) {
    std::optional<Outcome> outcome;
    ask(user, password, outcome, client);
    while (!outcome) run_one();
    return *outcome;
  }
  bool is_remembered(const std::string& user, const std::string& password) {
    std::optional<Outcome> outcome;
    const auto asker = std::make_shared<int>();
    ask(user, password, outcome, asker);
    if (outcome) return true;
    run_one();
    return false;
  }

  test::TemporaryDirectory directory;
  std::shared_ptr<const void> client = std::make_shared<int>();
  std::mutex mutex;
  std::condition_variable came;
  std::deque<std::function<void()>> posted;
  std::optional<PasswordWorker> worker;
};

TEST_CASE_METHOD(Fixture, "a password is right or wrong, and a right one is remembered", "[app][passwords]") {
  CHECK(check("alice", "a") == Outcome::kRight);
  CHECK(check("alice", "b") == Outcome::kWrong);
  CHECK(is_remembered("alice", "a"));
  CHECK_FALSE(is_remembered("alice", "b"));
}

TEST_CASE_METHOD(Fixture, "a file that was read again forgets the users whose entry changed, and no others",
                 "[app][passwords]") {
  CHECK(check("alice", "a") == Outcome::kRight);
  CHECK(check("bob", "b") == Outcome::kRight);
  set("bob", "c");
  worker->replace(load());
  CHECK(is_remembered("alice", "a"));
  CHECK(check("bob", "b") == Outcome::kWrong);
  CHECK(check("bob", "c") == Outcome::kRight);
}

TEST_CASE_METHOD(Fixture, "what a changed entry says counts, also for a check that was under way", "[app][passwords]") {
  std::optional<Outcome> outcome;
  ask("bob", "b", outcome, client);
  set("bob", "c");
  worker->replace(load());
  while (!outcome) run_one();
  CHECK(outcome == Outcome::kWrong);
}

TEST_CASE_METHOD(Fixture, "nobody is told who has gone", "[app][passwords]") {
  std::optional<Outcome> gone;
  ask("alice", "a", gone, std::make_shared<int>());
  CHECK(check("bob", "b") == Outcome::kRight);
  CHECK_FALSE(gone);
}

TEST_CASE_METHOD(Fixture, "checks of clients that have gone lock nobody out", "[app][passwords][G6]") {
  std::optional<Outcome> gone;
  {
    const auto flood = std::make_shared<int>();
    for (int i = 0; i < 1'000; ++i) ask("alice", std::to_string(i), gone, flood);
  }
  gone.reset();
  CHECK(check("bob", "b") == Outcome::kRight);
  CHECK_FALSE(gone);
}

}  // namespace
}  // namespace hedgerow::app
