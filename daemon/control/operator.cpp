#include "daemon/control/operator.hpp"

#include <set>
#include <utility>

#include "daemon/control/document.hpp"
#include "daemon/control/limits.hpp"
#include "daemon/control/node_names.hpp"
#include "daemon/monitor/status.hpp"
#include "daemon/node/replay_since.hpp"

namespace hedgerow::control {

// One answer of several documents. Kept by the Operator until it is finished or its asker has gone; what happens later
// finds it by a weak pointer, or not at all.
class Operator::Stream {
 public:
  Stream(Operator& owner, AnswerPtr answer) : owner_(owner), answer_(std::move(answer)), id_(++owner.last_stream_) {}
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  virtual ~Stream() = default;

  [[nodiscard]] std::uint64_t id() const { return id_; }
  // There may be room.
  virtual void pump() = 0;
  // The asker has gone.
  virtual void on_gone() {}

 protected:
  // The last thing that it does.
  void finish(std::string document) {
    answer_->finish(std::move(document));
    owner_.forget(id_);
  }
  [[nodiscard]] Operator& owner() const { return owner_; }
  [[nodiscard]] Answer& answer() const { return *answer_; }

 private:
  Operator& owner_;
  AnswerPtr answer_;
  std::uint64_t id_;
};

// Reads a source to its end, the next page when the one before has left.
class Operator::PagedStream final : public Stream, public std::enable_shared_from_this<PagedStream> {
 public:
  // `held`: nothing is read before release().
  PagedStream(Operator& owner, AnswerPtr answer, std::unique_ptr<Source> source, bool held)
      : Stream(owner, std::move(answer)), source_(std::move(source)), held_(held) {}

  void release() {
    held_ = false;
    pump();
  }
  void pump() override {
    if (held_ || reading_ || !answer().has_room()) return;
    reading_ = true;
    const std::weak_ptr<PagedStream> self = weak_from_this();
    owner().store_.read(
        [self, source = source_](sync::ReadView& view) -> node::Continuation {
          auto page = std::make_shared<Expected<Page>>(source->next(view));
          return [self, page](Instant) {
            if (const auto stream = self.lock()) stream->take(std::move(*page));
          };
        },
        [self](Instant, const Error& error) {
          if (const auto stream = self.lock()) stream->take(tl::unexpected<Error>(error));
        });
  }

 private:
  void take(Expected<Page> page) {
    reading_ = false;
    if (!page) return finish(monitor::error_json(page.error().what));
    for (std::string& document : page->documents) answer().add(std::move(document));
    if (page->last) return finish(end_json());
    pump();
  }

  std::shared_ptr<Source> source_;  // the reader thread's while reading_
  bool held_;
  bool reading_ = false;
};

// A watcher of the node. It begins once the names of the nodes are read.
class Operator::WatchStream final : public Stream,
                                    public node::WatchOutput,
                                    public std::enable_shared_from_this<WatchStream> {
 public:
  WatchStream(Operator& owner, AnswerPtr answer, std::string filter, std::optional<std::uint64_t> most)
      : Stream(owner, std::move(answer)),
        filter_(std::move(filter)),
        most_(most),
        names_(owner.node_.links().replica(), owner.node_.settings().name) {}

  void pump() override {
    if (watcher_) return owner().node_.on_watch_room(*watcher_);
    if (!reading_names_) read_names();
  }
  void on_gone() override {
    if (watcher_) owner().node_.unwatch(*watcher_);
  }

  // WatchOutput
  [[nodiscard]] bool has_room() const override { return !done_ && answer().has_room(); }
  [[nodiscard]] bool is_done() const override { return done_; }
  void show(const node::Seen& seen) override {
    const node::ChannelTable::Entry* const channel = owner().node_.channels().owner_of(seen.message.topic);
    const WallTime time = seen.stamp ? seen.stamp->written() : owner().wall_clock_();
    const std::string_view node = seen.replica ? names_.find(*seen.replica) : std::string_view{};
    answer().add(message_json({.message = seen.message,
                               .qos = seen.qos,
                               .retain = seen.retain,
                               .time = time,
                               .node = node,
                               .replica = seen.replica,
                               .channel = channel == nullptr ? std::string_view{} : channel->channel.name,
                               .expiry = seen.expiry}));
    if (most_ && ++shown_ == *most_) {
      done_ = true;
      return finish(end_json());
    }
    if (seen.replica && node.empty()) look_up(*seen.replica);
  }
  void lost(std::uint64_t dropped, std::uint64_t trimmed) override {
    if (dropped > 0) answer().add(lost_json(dropped, "nobody took them in time, and QoS 0 messages do not wait"));
    if (trimmed > 0)
      answer().add(lost_json(trimmed, "nobody took them before this node had to drop them, of any topic"));
  }

 private:
  // A node that has come to the mesh since; looked for once.
  void look_up(sync::ReplicaId replica) {
    if (asked_.size() == kNodeNamesMax || !asked_.insert(replica).second || reading_names_) return;
    read_names();
  }

  void read_names() {
    reading_names_ = true;
    const std::weak_ptr<WatchStream> self = weak_from_this();
    owner().store_.read(
        [self, home = owner().home()](sync::ReadView& view) -> node::Continuation {
          auto names = std::make_shared<NodeNames>(home.replica, home.node);
          const auto loaded = names->load(view, home.channels, home.mesh);
          return [self, names, loaded](Instant) {
            if (const auto stream = self.lock()) stream->take_names(loaded ? names.get() : nullptr);
          };
        },
        [self](Instant, const Error&) {
          if (const auto stream = self.lock()) stream->take_names(nullptr);
        });
  }

  // Null: they cannot be read now, and messages come without.
  void take_names(const NodeNames* names) {
    reading_names_ = false;
    if (names != nullptr) names_ = *names;
    if (watcher_) return;
    const std::uint64_t watcher = owner().node_.watch(filter_, shared_from_this());
    watcher_ = watcher;
  }

  std::string filter_;
  std::optional<std::uint64_t> most_;
  std::uint64_t shown_ = 0;
  bool done_ = false;
  std::optional<std::uint64_t> watcher_;
  NodeNames names_;
  bool reading_names_ = false;
  std::set<sync::ReplicaId> asked_;
};

namespace {

void refuse(const AnswerPtr& answer, const std::string& sentence) { answer->finish(monitor::error_json(sentence)); }

}  // namespace

Operator::Operator(node::Node& node, node::StorePort& store, node::WallClock wall_clock)
    : node_(node), store_(store), wall_clock_(std::move(wall_clock)) {}

Operator::~Operator() {
  for (const auto& [id, stream] : streams_) stream->on_gone();
}

Home Operator::home() const {
  return {.channels = node_.channels(),
          .mesh = node_.settings().mesh,
          .node = node_.settings().name,
          .replica = node_.links().replica(),
          .ages = node_.ages(),
          .moment = node_.moment()};
}

bool Operator::take(const Question& question, const AnswerPtr& answer) {
  Expected<std::optional<Request>> request = parse_request(question.document);
  if (!request) {
    refuse(answer, request.error().what);
    return true;
  }
  if (!*request) return false;
  if (const auto checked = check_request(**request); !checked) {
    refuse(answer, checked.error().what);
  } else if ((*request)->verb == Verb::kSet) {
    set(*std::move(*request), question.body, answer);
  } else {
    stream(*std::move(*request), answer);
  }
  return true;
}

void Operator::set(Request request, std::string payload, const AnswerPtr& answer) {
  node_.publish_for_operator(
      {.topic = std::move(request.filter), .payload = to_bytes(payload), .retain = request.retain},
      [answer](const std::optional<Error>& refusal) {
        answer->finish(refusal ? monitor::error_json(refusal->what) : stored_json());
      });
}

void Operator::stream(Request request, const AnswerPtr& answer) {
  if (streams_.size() == kStreamsMax) {
    return refuse(answer, std::to_string(kStreamsMax) +
                              " programs read from this daemon already, and no more may at once: end one of them");
  }
  switch (request.verb) {
    case Verb::kSet: return;
    case Verb::kGet: return get(request.filter, answer);
    case Verb::kWatch: return watch(request, answer);
    case Verb::kGaps: return read_pages(gaps_source(home(), request.filter), answer);
    case Verb::kHistory: break;
  }
  HistoryWish wish{.filter = std::move(request.filter), .most = request.most};
  if (!request.since.empty()) {
    const auto since = node::parse_since(request.since, wall_clock_());
    if (!since) return refuse(answer, since.error().what);
    wish.since_ms = *since;
  }
  read_pages(history_source(home(), std::move(wish)), answer);
}

// The node's $SYS values are stored nowhere, and come first.
void Operator::get(const std::string& filter, const AnswerPtr& answer) {
  for (const node::SystemValue& value : node_.system_values(filter)) {
    const sync::Message message{
        .topic = std::string(value.topic), .properties = {}, .payload = to_bytes(value.value), .expiry_s = {}};
    answer->add(message_json({.message = message,
                              .retain = true,
                              .time = wall_clock_(),
                              .node = node_.settings().name,
                              .replica = node_.links().replica()}));
  }
  const auto pages = std::make_shared<PagedStream>(*this, answer, retained_source(home(), filter), /*held=*/true);
  keep(pages, answer);
  node_.when_cells_stored([weak = std::weak_ptr<PagedStream>(pages)] {
    if (const auto found = weak.lock()) found->release();
  });
}

void Operator::read_pages(std::unique_ptr<Source> source, const AnswerPtr& answer) {
  keep(std::make_shared<PagedStream>(*this, answer, std::move(source), /*held=*/false), answer);
}

void Operator::watch(const Request& request, const AnswerPtr& answer) {
  keep(std::make_shared<WatchStream>(*this, answer, request.filter, request.most), answer);
}

void Operator::keep(const std::shared_ptr<Stream>& stream, const AnswerPtr& answer) {
  const std::uint64_t id = stream->id();
  streams_.emplace(id, stream);
  const std::weak_ptr<Stream> weak = stream;
  answer->on_room([weak] {
    if (const auto found = weak.lock()) found->pump();
  });
  answer->on_gone([this, id] {
    const auto found = streams_.extract(id);
    if (found) found.mapped()->on_gone();
  });
  stream->pump();
}

}  // namespace hedgerow::control
