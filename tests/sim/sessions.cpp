#include "tests/sim/sessions.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/client_board.hpp"
#include "tests/sim/network.hpp"
#include "tests/sim/sim_client.hpp"

namespace hedgerow::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kClientsPerBoard = 2;
constexpr std::size_t kMembersPerBoard = 2;  // of a group
constexpr unsigned kReceiveMaximum = 8;
constexpr Duration kHealingMax = 10min;
constexpr Duration kQuiet = 2min;  // in which nothing more may come

class Sessions {
 public:
  explicit Sessions(const Options& options)
      : options_(options), random_(options.seed ^ 0x7365'7373'696F'6E73U), network_(options_, scheduler_) {
    std::vector<LinkEnd*> ends;
    for (std::size_t i = 0; i < options_.nodes; ++i) {
      boards_.push_back(std::make_unique<ClientBoard>(i, options_, scheduler_, network_, [this, i] {
        ++power_cuts_;
        crash(i);
      }));
      ends.push_back(boards_.back().get());
      for (std::size_t each = 0; each < kClientsPerBoard; ++each) add_client(i, some_qos(), "");
      for (std::size_t each = 0; each < kMembersPerBoard; ++each) add_client(i, some_qos(), "g" + std::to_string(i));
    }
    network_.attach(std::move(ends));
  }

  Outcome run() {
    Outcome out;
    try {
      boot();
      for (std::size_t step = 0; step < options_.steps; ++step) {
        run_for(draw_between(random_, 1ms, 60ms));
        work();
        make_trouble();
      }
      out.healing = heal();
      check();
    } catch (const Violation& violation) {
      out.violation = violation.what();
    }
    for (const auto& client : clients_) {
      out.ops += client->published().size();
      out.acknowledged += client->acknowledged();
      out.deliveries += client->got().size();
    }
    out.crashes = crashes_;
    out.power_cuts = power_cuts_;
    out.messages = network_.sent();
    out.bytes = network_.sent_bytes();
    out.control_bytes = out.bytes - network_.data_bytes();
    out.events = scheduler_.done();
    return out;
  }

 private:
  void run_for(Duration duration) { scheduler_.run_until(scheduler_.now() + duration); }
  bool happens(unsigned per_mille) { return random_.below(1000) < per_mille; }
  unsigned some_qos() { return 1 + static_cast<unsigned>(random_.below(2)); }
  void add_client(std::size_t board, unsigned subscribes_at, const std::string& share) {
    clients_.push_back(std::make_unique<SimClient>(
        ClientHabits{.name = "c" + std::to_string(clients_.size()),
                     .publishes_at = some_qos(),
                     .subscribes_at = subscribes_at,
                     .receive_maximum = 1 + static_cast<unsigned>(random_.below(kReceiveMaximum)),
                     .share = share},
        scheduler_, random_, *boards_[board]));
  }
  SimClient& some_client() { return *clients_[random_.below(clients_.size())]; }

  // Every session hears everything that is published from then on.
  void boot() {
    for (std::size_t i = 0; i < boards_.size(); ++i) {
      boards_[i]->clock().set(draw_between(random_, -options_.clocks.skew_max, options_.clocks.skew_max),
                              random_.one_in(4) ? ClockQuality::kUnsynchronised : ClockQuality::kSynchronised);
      start(i);
    }
    for (const auto& client : clients_) client->connect();
    const auto ready = [](const auto& client) { return client->is_subscribed(); };
    for (int i = 0; i < 1000 && !std::all_of(clients_.begin(), clients_.end(), ready); ++i) {
      run_for(100ms);
      for (const auto& client : clients_) client->connect();
    }
    if (!std::all_of(clients_.begin(), clients_.end(), ready)) throw Violation("a client waits for its SUBACK");
  }

  void work() {
    SimClient& client = some_client();
    for (std::size_t left = random_.below(4); left > 0; --left) {
      if (client.publish(last_number_ + 1, random_.one_in(4))) ++last_number_;
    }
    some_client().connect();
  }

  void make_trouble() {
    const FaultOptions& faults = options_.faults;
    if (happens(faults.break_per_mille)) network_.break_some_link();
    if (happens(faults.clog_per_mille)) network_.clog_some_link(draw_between(random_, 10ms, faults.clog_max));
    if (happens(faults.deaf_per_mille)) network_.deafen_some_link(draw_between(random_, 10ms, faults.deaf_max));
    if (happens(faults.client_per_mille)) some_client().drop();
    if (happens(faults.partition_per_mille)) {
      network_.partition(random_.next());
      scheduler_.after(draw_between(random_, 100ms, faults.partition_max), [this] { network_.heal(); });
    }
    ClientBoard& full = *boards_[random_.below(boards_.size())];
    if (happens(faults.disk_full_per_mille) && full.is_up()) full.fill_disk();
    if (happens(faults.crash_per_mille)) crash(random_.below(boards_.size()));
  }

  void crash(std::size_t board) {
    if (!boards_[board]->is_up()) return;
    ++crashes_;
    boards_[board]->crash();
    network_.node_crashed(board);
    start_later(board);
  }
  void start_later(std::size_t board) {
    scheduler_.after(draw_between(random_, 1ms, options_.faults.down_max + 1ms), [this, board] { start(board); });
  }
  void start(std::size_t board) {
    if (boards_[board]->is_up()) return;
    if (!boards_[board]->start()) return start_later(board);
    network_.node_started(board);
  }

  Duration heal() {
    const Instant begin = scheduler_.now();
    network_.become_reliable();
    for (std::size_t i = 0; i < boards_.size(); ++i) {
      boards_[i]->keep_power();
      start(i);
    }
    while (!is_settled()) {
      if (scheduler_.now() - begin > kHealingMax) throw Violation("the mesh does not settle: " + what_is_missing());
      for (const auto& client : clients_) client->connect();
      run_for(100ms);
    }
    const Duration took = scheduler_.now() - begin;
    run_for(kQuiet);
    return took;
  }

  [[nodiscard]] bool is_settled() {
    const bool idle =
        std::all_of(clients_.begin(), clients_.end(), [](const auto& client) { return client->is_idle(); }) &&
        std::all_of(boards_.begin(), boards_.end(),
                    [](const auto& board) { return board->is_up() && board->is_idle(); });
    return idle && what_is_missing().empty();
  }

  // A publish that some session or group did not get, in words.
  [[nodiscard]] std::string what_is_missing() {
    std::map<std::string, std::set<std::uint64_t>> of_groups;
    for (const auto& session : clients_) {
      const std::string& share = session->habits().share;
      std::set<std::uint64_t> got(session->got().begin(), session->got().end());
      if (!share.empty()) {
        of_groups[share].merge(got);
      } else if (std::string missing = missing_in(session->habits().name, got, /*retained=*/true); !missing.empty()) {
        return missing;
      }
    }
    for (const auto& [group, got] : of_groups) {
      if (std::string missing = missing_in(group, got, /*retained=*/false); !missing.empty()) return missing;
    }
    return {};
  }
  [[nodiscard]] std::string missing_in(const std::string& who, const std::set<std::uint64_t>& got, bool retained) {
    for (const auto& publisher : clients_) {
      for (const std::uint64_t number : publisher->published()) {
        const bool is_wanted = retained || !publisher->retained().contains(number);
        if (!is_wanted || got.contains(number) || publisher->refused().contains(number)) continue;
        return who + " lacks message " + std::to_string(number) + " of " + publisher->habits().name;
      }
    }
    return {};
  }

  // --- the checkers ---

  void check() {
    if (const std::string missing = what_is_missing(); !missing.empty()) throw Violation("G1: " + missing);
    for (const auto& session : clients_) {
      for (const auto& publisher : clients_) check_first_copies(*session, *publisher);
      check_copies(*session);
    }
    check_retained();
  }

  // Each publisher's messages come in its order, but to members of a group; what both ends gave QoS 2, once. (To a
  // group at least once: after a power cut another member may get it too.)
  void check_first_copies(const SimClient& session, const SimClient& publisher) const {
    const std::set<std::uint64_t> numbers(publisher.published().begin(), publisher.published().end());
    const bool exactly_once = publisher.habits().publishes_at == 2 && session.habits().subscribes_at == 2;
    const std::string where = " at " + session.habits().name + " from " + publisher.habits().name;
    std::set<std::uint64_t> seen;
    std::uint64_t last = 0;
    for (const std::uint64_t number : session.got()) {
      if (!numbers.contains(number)) continue;
      if (!seen.insert(number).second) {
        if (exactly_once) throw Violation("QoS 2: message " + std::to_string(number) + " came twice" + where);
        continue;
      }
      if (number < last && keeps_order() && session.habits().share.empty()) {
        throw Violation("order: message " + std::to_string(number) + " came behind " + std::to_string(last) + where);
      }
      last = number;
    }
  }

  // A publisher that missed a refusal sends the message again, behind others. After a failed sync a board is another
  // replica: what it wrote before may come to other boards behind what it writes then.
  [[nodiscard]] bool keeps_order() const {
    return options_.faults.disk_full_per_mille == 0 && options_.faults.failed_sync_per_mille == 0;
  }

  // QoS 1 copies: what a connection that broke had under way, and what its publisher sent again. Nobody's messages but
  // those that were published.
  void check_copies(const SimClient& session) const {
    std::uint64_t repeated = 0;
    for (const auto& publisher : clients_) repeated += publisher->repeated();
    const std::set<std::uint64_t> different(session.got().begin(), session.got().end());
    if (!different.empty() && *different.rbegin() > last_number_) {
      throw Violation(session.habits().name + " got a message that nobody published");
    }
    const std::uint64_t copies = session.got().size() - different.size();
    const std::uint64_t allowed = repeated + session.habits().receive_maximum * (session.connections() - 1);
    // A group's position is common to its members: what one had acknowledged behind it may come again.
    if (copies > allowed && session.habits().share.empty()) {
      throw Violation(session.habits().name + " got " + std::to_string(copies) + " copies, more than " +
                      std::to_string(allowed));
    }
  }

  // One retained message for each topic, the last that its publisher wrote, where order holds.
  void check_retained() {
    std::map<std::string, std::string> expected;
    for (const auto& publisher : clients_) {
      if (publisher->last_retained() == 0) continue;
      expected[SimClient::topic_of(publisher->habits().name, true)] = std::to_string(publisher->last_retained());
    }
    if (!keeps_order()) expected = boards_.front()->retained();
    for (const auto& board : boards_) {
      if (board->retained() != expected) throw Violation("G3: the retained messages at " + board->name() + " differ");
    }
  }

  Options options_;
  Random random_;
  Scheduler scheduler_;
  Network network_;
  std::vector<std::unique_ptr<ClientBoard>> boards_;
  std::vector<std::unique_ptr<SimClient>> clients_;
  std::uint64_t last_number_ = 0;
  std::uint64_t crashes_ = 0;
  std::uint64_t power_cuts_ = 0;  // of these, in the middle of what the store was doing
};

}  // namespace

Outcome simulate_sessions(const Options& options) { return Sessions(options).run(); }

}  // namespace hedgerow::sim
