#include "tests/sim/client_board.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "daemon/node/load_state.hpp"
#include "daemon/node/turn_share.hpp"

namespace hedgerow::sim {

using namespace std::chrono_literals;

class ClientBoard::Output final : public node::LinkOutput {
 public:
  Output(Wires& wires, sync::LinkId link) : wires_(wires), link_(link) {}
  void send(ByteView message) override { wires_.send(link_, to_bytes(message)); }
  [[nodiscard]] std::size_t queued_bytes() override { return wires_.queued_bytes(link_); }
  void close(const std::string& /*reason*/, node::DialAgain /*dial_again*/) override { wires_.close(link_); }

  sync::LinkId of_node{};

 private:
  Wires& wires_;
  sync::LinkId link_;
};

void ClientBoard::OpenAccess::authenticate(Instant now, const node::Arrived& arrived, Credentials credentials,
                                           Verdict then) {
  then(now, security::Principal{.kind = security::Principal::Kind::kAnonymous,
                                .name = "",
                                .role = {},
                                .listener = arrived.listener,
                                .client_id = credentials.client_id,
                                .loopback = true});
}

ClientBoard::ClientBoard(std::size_t index, const Options& options, Scheduler& scheduler, Wires& wires,
                         std::function<void()> end)
    : name_("n" + std::to_string(index)),
      options_(options),
      scheduler_(scheduler),
      wires_(wires),
      random_(options.seed * 1000 + index),
      end_(std::move(end)),
      disk_(options.mode.sqlite ? make_sqlite_disk(options, index) : make_memory_disk(options, index)),
      clock_(scheduler) {}

ClientBoard::~ClientBoard() {
  if (is_up()) crash();
}

// --- life ------------------------------------------------------------------------------------------------------------

bool ClientBoard::start() {
  ++life_;
  const auto fails = [this](const Error* error) {
    const bool ends = disk_->has_lost_power() || (error != nullptr && error->category == Category::kIo);
    if (!ends && error != nullptr) throw Violation(name_ + " does not start: " + error->what);
    if (!ends) return false;
    engine_.reset();
    turn_.reset();
    disk_->power_off();
    return true;
  };
  disk_->power_on();
  if (fails(nullptr)) return false;
  const std::vector<config::Channel> channels = {config::system_channel(), config::default_channel()};
  engine_ = std::make_unique<sync::Engine>(disk_->storage(), hasher_);
  std::vector<sync::ChannelSettings> settings;
  for (const config::Channel& channel : channels) {
    settings.push_back({.name = channel.name,
                        .keep = {.age_ms = in_ms(options_.keep_age), .size_bytes = options_.keep_bytes},
                        .merge = channel.merge});
  }
  const auto opened = engine_->open(settings, sync::ReplicaId{random_.next() | 1U});
  if (fails(opened ? nullptr : &opened.error())) return false;
  turn_.emplace(*engine_, disk_->sessions(), options_.remote_commit);
  auto state = node::load_state(*engine_, disk_->sessions(), clock_.now());
  if (fails(state ? nullptr : &state.error())) return false;
  node_ = std::make_unique<node::Node>(
      scheduler_.now(),
      node::NodeSettings{.mesh = "sim", .name = name_, .version = "sim", .connection_limits = {}, .limits = {}},
      node::NodePorts{.store = *this,
                      .access = access_,
                      .read_hasher = read_hasher_,
                      .compressor = compressor_,
                      .wall_clock = [this] { return clock_.now(); },
                      .random = [this] { return random_.next(); },
                      .log = [](const std::string&) {},
                      .on_deadline = [this] { arm_timer(); },
                      .on_fatal = [this](const Error&) { unless_crashed(scheduler_.now(), end_); }},
      node::ChannelTable(channels, engine_->channels()), std::move(*state));
  settle();
  return true;
}

void ClientBoard::crash() {
  for (auto& [number, served] : served_) {
    served.wire->lose_board();
    served.handler->on_closed(scheduler_.now(), "the power has gone");
  }
  served_.clear();
  node_.reset();
  outputs_.clear();
  intents_.clear();
  turn_.reset();
  engine_.reset();
  disk_->power_off();
  turn_under_way_ = false;
  disk_is_full_ = false;
  handing_back_ = 0;
  reading_ = 0;
  armed_ = Instant::max();
  ++life_;  // what the node asked for while it ended
}

void ClientBoard::unless_crashed(Instant when, std::function<void()> event) {
  scheduler_.at(when, [this, life = life_, event = std::move(event)] {
    if (life == life_) event();
  });
}

bool ClientBoard::is_idle() const {
  if (!intents_.empty() || turn_under_way_ || turn_->is_open() || handing_back_ > 0 || reading_ > 0) return false;
  const sync::Replicator& replicator = node_->links().replicator();
  return std::all_of(engine_->channels().begin(), engine_->channels().end(),
                     [&](const sync::ChannelState& channel) { return replicator.behind(channel.number) == 0; });
}

std::map<std::string, std::string> ClientBoard::retained() {
  std::map<std::string, std::string> out;
  const auto view = disk_->views().open_view();
  const node::ChannelTable::Entry* const channel = node_->channels().owner_of("retained");
  if (!view || channel == nullptr) throw Violation("no retained message can be read at " + name_);
  const auto cells = (*view)->cells(channel->number, "", "", std::numeric_limits<std::size_t>::max());
  if (!cells) throw Violation("cells: " + cells.error().what);
  for (const sync::Cell& cell : *cells) out[cell.message->topic] = std::string(as_text(cell.message->payload));
  return out;
}

// --- the store thread and the reader thread --------------------------------------------------------------------------

void ClientBoard::submit(node::Intent intent) {
  intents_.push_back(std::move(intent));
  start_turn();
}

void ClientBoard::start_turn() {
  if (turn_under_way_ || intents_.empty()) return;
  turn_under_way_ = true;
  unless_crashed(scheduler_.now() + draw_between(random_, 0ms, 10ms), [this] { run_turn(); });
}

bool ClientBoard::has_lost_power() {
  if (!disk_->has_lost_power()) return false;
  ++life_;
  scheduler_.at(scheduler_.now(), end_);
  return true;
}

void ClientBoard::run_turn() {
  std::vector<node::Intent> intents = node::take_turn(intents_);
  const WallTime now = clock_.now();
  if (std::exchange(disk_is_full_, false)) disk_->fill_up();
  if (turn_->must_commit_before(intents)) hand_back(turn_->commit(now));
  const bool was_open = turn_->is_open();
  node::TurnResult result = turn_->run(now, intents);
  // Between turns: where the transaction stays open, it is not touched.
  const auto after = turn_->is_open() ? Expected<void>{} : disk_->after_turn();
  if (has_lost_power()) return;
  hand_back(std::move(result));
  if (!after) unless_crashed(scheduler_.now(), end_);
  if (!was_open && turn_->is_open()) commit_when_due();
  turn_under_way_ = false;
  start_turn();
}

void ClientBoard::commit_when_due() {
  unless_crashed(scheduler_.now() + options_.remote_commit, [this, opened = ++turns_opened_] {
    if (opened != turns_opened_ || !turn_->is_open()) return;
    node::TurnResult result = turn_->commit(clock_.now());
    if (!has_lost_power()) hand_back(std::move(result));
  });
}

// The loop thread hears of the turns in their order.
void ClientBoard::hand_back(node::TurnResult result) {
  ++handing_back_;
  last_hand_back_ = std::max(last_hand_back_, scheduler_.now() + draw_between(random_, 0ms, 10ms));
  unless_crashed(last_hand_back_, [this, result = std::make_shared<node::TurnResult>(std::move(result))] {
    --handing_back_;
    node_->on_turn(scheduler_.now(), std::move(*result));
    settle();
  });
}

void ClientBoard::read(node::ReadJob job, std::function<void(Instant, const Error&)> failed) {
  ++reading_;
  last_read_ = std::max(last_read_, scheduler_.now() + draw_between(random_, 0ms, 10ms));
  unless_crashed(last_read_, [this, job = std::move(job), failed = std::move(failed)] {
    auto view = disk_->views().open_view();
    node::Continuation then;
    if (view) {
      then = job(**view);
      view->reset();
    } else {
      then = [failed, error = view.error()](Instant now) { failed(now, error); };
    }
    if (has_lost_power()) return;
    unless_crashed(scheduler_.now() + draw_between(random_, 0ms, 10ms), [this, then] {
      --reading_;
      if (then) then(scheduler_.now());
      settle();
    });
  });
}

// --- the loop thread -------------------------------------------------------------------------------------------------

void ClientBoard::settle() {
  node_->flush();
  arm_timer();
}

void ClientBoard::arm_timer() {
  if (node_ == nullptr) return;
  const Instant deadline = node_->next_deadline();
  if (deadline == armed_ || deadline == Instant::max()) return;
  armed_ = deadline;
  unless_crashed(deadline, [this, deadline] {
    if (armed_ != deadline) return;
    armed_ = Instant::max();
    node_->on_timer(scheduler_.now());
    settle();
    if (node_->next_deadline() <= scheduler_.now()) throw Violation("a timer spins at " + name_);
  });
}

void ClientBoard::accept(const std::shared_ptr<ClientWire>& wire) {
  const std::uint64_t number = ++last_connection_;
  const auto handler = [this, life = life_, number]() -> node::StreamHandler* {
    const auto found = life == life_ ? served_.find(number) : served_.end();
    return found == served_.end() ? nullptr : found->second.handler.get();
  };
  wire->to_board = [this, handler](ByteView bytes) {
    if (node::StreamHandler* const to = handler()) {
      to->on_bytes(scheduler_.now(), bytes);
      settle();
    }
  };
  wire->drained = [this, handler] {
    if (node::StreamHandler* const to = handler()) {
      to->on_drained(scheduler_.now());
      settle();
    }
  };
  wire->board_lost = [this, life = life_, number] {
    if (life == life_) gone(number);
  };
  auto made = node_->on_accept(scheduler_.now(), {.listener = "sim", .remote = "127.0.0.1:1", .identity = {}}, *wire);
  if (made == nullptr) throw Violation("a client was refused at " + name_);
  served_[number] = {.wire = wire, .handler = std::move(made)};
  settle();
}

void ClientBoard::gone(std::uint64_t connection) {
  auto served = served_.extract(connection);
  if (!served) return;
  served.mapped().handler->on_closed(scheduler_.now(), "the connection is gone");
  served.mapped().handler.reset();
  settle();
}

void ClientBoard::link_up(sync::LinkId link, bool dialled) {
  if (!is_up()) return;
  auto output = std::make_unique<Output>(wires_, link);
  Output& to = *output;
  outputs_[link] = std::move(output);
  to.of_node = node_->links().up(scheduler_.now(), "", dialled, to);
  settle();
}

void ClientBoard::link_down(sync::LinkId link) {
  const auto found = outputs_.find(link);
  if (found == outputs_.end()) return;
  node_->links().down(scheduler_.now(), found->second->of_node);
  outputs_.erase(found);
  settle();
}

void ClientBoard::message(sync::LinkId link, ByteView bytes) {
  const auto found = outputs_.find(link);
  if (found == outputs_.end()) return;
  node_->links().on_message(scheduler_.now(), found->second->of_node, bytes);
  settle();
}

void ClientBoard::drained(sync::LinkId link) {
  const auto found = outputs_.find(link);
  if (found == outputs_.end()) return;
  node_->links().on_drained(scheduler_.now(), found->second->of_node);
  settle();
}

}  // namespace hedgerow::sim
