#include "sync/log/segment.hpp"

#include <algorithm>
#include <gsl/assert>
#include <limits>

#include "sync/log/codec.hpp"

namespace hedgerow::sync {

namespace {

constexpr std::uint8_t kVersion = 1;

std::size_t varint_size(std::uint64_t value) {
  std::size_t size = 1;
  for (; value >= 0x80U; value >>= 7U) ++size;
  return size;
}

std::size_t shared_prefix(std::string_view a, std::string_view b) {
  const std::size_t bound = std::min(a.size(), b.size());
  std::size_t shared = 0;
  while (shared < bound && a[shared] == b[shared]) ++shared;
  return shared;
}

tl::unexpected<Error> corrupt(std::string what) { return fail(Category::kCorrupt, "segment: " + std::move(what)); }

bool is_topic_name(std::string_view topic) {
  return !topic.empty() && topic.find_first_of(std::string_view("\0+#", 3)) == std::string_view::npos;
}

// What one op hands on to the next.
struct Before {
  Stamp stamp;
  std::uint64_t publisher = 0;
  std::string topic;
  std::size_t topic_bytes = 0;  // of all ops so far
};

// Returns what is wrong, or nullptr.
const char* read_stamp(Reader& in, bool first, std::uint8_t flags, Stamp& stamp) {
  const std::uint64_t delta = in.varint_up_to(kStampWallMsMax);
  const std::uint64_t counter = in.varint_up_to(std::numeric_limits<std::uint16_t>::max());
  if (!in.ok() || stamp.wall_ms + delta > kStampWallMsMax) return "the time";
  const std::uint64_t base = !first && delta == 0 ? std::uint64_t{stamp.counter} + 1 : 0;
  if (base + counter > std::numeric_limits<std::uint16_t>::max()) return "the time's counter";
  stamp.wall_ms += delta;
  stamp.counter = static_cast<std::uint16_t>(base + counter);
  stamp.quality = quality_of_flags(flags);
  return nullptr;
}

const char* read_topic(Reader& in, Before& before) {
  std::string& topic = before.topic;
  const std::uint64_t shared = in.varint_up_to(topic.size());
  const ByteView suffix = in.sized(kTopicBytesMax);
  if (!in.ok() || shared + suffix.size() > kTopicBytesMax) return "the topic's length";
  topic.resize(static_cast<std::size_t>(shared));
  topic.append(as_text(suffix));
  before.topic_bytes += topic.size();
  if (before.topic_bytes > kSegmentTopicBytesMax) return "the topics' size in all";
  return is_topic_name(topic) ? nullptr : "the topic (empty, or with NUL, + or #)";
}

const char* read_op(Reader& in, bool first, const std::vector<std::uint64_t>& publishers, Before& before, Op& op) {
  const std::uint8_t flags = in.u8();
  op.kind = kind_of_flags(flags);
  const bool has_more = op.kind.qos == kQosInMore;
  if (!in.ok() || !(op.kind.record || op.kind.cell)) return "the flags";
  if (const char* wrong = read_stamp(in, first, flags, before.stamp)) return wrong;
  op.stamp = before.stamp;
  if ((flags & kFlagPublisher) != 0U) {
    const auto index = static_cast<std::size_t>(in.varint_up_to(publishers.size() - 1));
    before.publisher = publishers[index];
  }
  op.publisher = before.publisher;
  if (const char* wrong = read_topic(in, before)) return wrong;
  auto message = std::make_shared<Message>();
  message->topic = before.topic;
  if ((flags & kFlagProperties) != 0U) {
    message->properties = to_bytes(in.sized(kPropertiesBytesMax));
    if (message->properties.empty()) return "the properties";
  }
  if ((flags & kFlagExpiry) != 0U) {
    message->expiry_s = static_cast<std::uint32_t>(in.varint_up_to(std::numeric_limits<std::uint32_t>::max()));
  }
  message->payload = to_bytes(in.sized(kPayloadBytesMax));
  if (!in.ok()) return "the payload, or what stands before it,";
  if (has_more) {
    const std::uint8_t more = in.u8();
    op.kind.qos = more & kMoreQos;
    const bool begins_run = (more & kMoreBeginsRun) != 0;
    if (begins_run) op.run = in.u64();
    const bool is_behind = (more & kMoreBehind) != 0;
    if (is_behind) op.stamp.behind_ms = in.varint_up_to(kStampWallMsMax);
    const bool has_change = (more & kMoreNoChange) == 0;
    if (has_change) op.change = to_bytes(in.sized(kPayloadBytesMax - message->payload.size()));
    constexpr unsigned kKnown = kMoreQos | kMoreBeginsRun | kMoreNoChange | kMoreBehind;
    const bool says_something = begins_run || is_behind || has_change;
    if (!in.ok() || op.kind.qos > 2 || (more & ~kKnown) != 0 || !says_something || (begins_run && op.run == 0) ||
        (is_behind && (op.stamp.behind_ms == 0 || !check_stamp(op.stamp))) ||
        (has_change && (op.change.empty() || !op.kind.cell))) {
      return "what follows the payload";
    }
  }
  op.message = std::move(message);
  return nullptr;
}

Expected<SegmentHeader> read_header(Reader& in, std::size_t size) {
  if (size > kSegmentBytesMax) {
    return corrupt(std::to_string(size) + " bytes are more than the bound of " + std::to_string(kSegmentBytesMax));
  }
  const std::uint8_t version = in.u8();
  if (in.ok() && version != kVersion) {
    return corrupt("version " + std::to_string(version) + " is not known here, " + std::to_string(kVersion) +
                   " is: one of the two nodes needs an update");
  }
  SegmentHeader header;
  header.replica = ReplicaId{in.u64()};
  if (in.ok() && header.replica == ReplicaId{}) return corrupt("replica 0");
  header.first_seq = in.varint();
  header.count = static_cast<std::uint32_t>(in.varint_up_to(kSegmentOpsMax));
  if (in.ok() && (header.first_seq == 0 || header.count == 0 || header.first_seq > kSeqMax - header.count)) {
    return corrupt("sequence numbers " + std::to_string(header.first_seq) + " and " + std::to_string(header.count) +
                   " more");
  }
  header.predecessor = in.hash();
  if (!in.ok()) return corrupt("the header is cut off, or counts too many ops");
  return header;
}

}  // namespace

unsigned op_flags(const OpKind& kind, ClockQuality quality) {
  return (kind.record ? kFlagRecord : 0U) | (kind.cell ? kFlagCell : 0U) | (unsigned{kind.qos} << kFlagQosShift) |
         (quality == ClockQuality::kSynchronised ? kFlagSynchronised : 0U);
}

OpKind kind_of_flags(std::uint8_t flags) {
  return {.record = (flags & kFlagRecord) != 0U,
          .cell = (flags & kFlagCell) != 0U,
          .qos = static_cast<std::uint8_t>((flags >> kFlagQosShift) & 0x03U)};
}

ClockQuality quality_of_flags(std::uint8_t flags) {
  return (flags & kFlagSynchronised) != 0U ? ClockQuality::kSynchronised : ClockQuality::kUnsynchronised;
}

Expected<void> check_op(const Op& op) {
  const Message& message = *op.message;
  if (!(op.kind.record || op.kind.cell) || op.kind.qos > 2 || (!op.change.empty() && !op.kind.cell)) {
    return fail(Category::kInvalidInput, "op: it must be a record or a cell write, of QoS 0 to 2");
  }
  if (message.topic.size() > kTopicBytesMax || message.properties.size() > kPropertiesBytesMax ||
      message.payload.size() + op.change.size() > kPayloadBytesMax) {
    return fail(Category::kLimit, "op: a message holds at most " + std::to_string(kPayloadBytesMax) +
                                      " bytes of payload, and " + std::to_string(kTopicBytesMax) +
                                      " each of topic and of properties");
  }
  if (!is_topic_name(message.topic)) {
    return fail(Category::kInvalidInput, "op: a topic must not be empty, nor hold NUL, + or #");
  }
  return check_stamp(op.stamp);
}

Expected<void> check_stamp(const Stamp& stamp) {
  if (stamp.wall_ms > kStampWallMsMax) {
    return fail(Category::kLimit, "op: the clock stands beyond the year 9999; set it");
  }
  if (stamp.behind_ms > stamp.wall_ms || (stamp.behind_ms > 0 && stamp.quality != ClockQuality::kSynchronised)) {
    return fail(Category::kInvalidInput, "op: its stamp is ahead of a clock by more than can be");
  }
  return {};
}

Expected<SegmentHeader> peek_segment(ByteView bytes) {
  Reader in(bytes);
  return read_header(in, bytes.size());
}

Expected<Segment> decode_segment(ByteView bytes) {
  Reader in(bytes);
  auto header = read_header(in, bytes.size());
  if (!header) return tl::make_unexpected(std::move(header.error()));
  Segment out{.header = *header, .ops = {}};

  const auto publisher_count = static_cast<std::size_t>(in.varint_up_to(kSegmentPublishersMax));
  if (!in.ok() || publisher_count == 0 || publisher_count > header->count) return corrupt("the number of publishers");
  std::vector<std::uint64_t> publishers(publisher_count);
  for (std::uint64_t& publisher : publishers) publisher = in.u64();

  // A count that the bytes cannot hold is found before it costs memory. The smallest op repeats the topic before.
  constexpr std::size_t kOpBytesMin = 6;
  if (!in.ok() || in.left() / kOpBytesMin < header->count) return corrupt("fewer bytes than its count of ops needs");
  out.ops.resize(header->count);
  Before before;
  before.publisher = publishers.front();
  for (std::size_t i = 0; i < out.ops.size(); ++i) {
    if (const char* wrong = read_op(in, i == 0, publishers, before, out.ops[i])) {
      return corrupt("op " + std::to_string(header->first_seq + i) + ": " + wrong + " breaks the grammar near byte " +
                     std::to_string(in.position()));
    }
  }
  if (!in.at_end()) return corrupt(std::to_string(in.left()) + " bytes follow the last op");
  return out;
}

void SegmentBuilder::start(ReplicaId replica, Seq first_seq, const Hash256& predecessor) {
  replica_ = replica;
  first_seq_ = first_seq;
  predecessor_ = predecessor;
  count_ = 0;
  last_stamp_ = {};
  last_publisher_ = 0;
  last_message_.reset();
  publishers_.clear();
  topic_bytes_ = 0;
  body_.clear();
}

std::size_t SegmentBuilder::publisher_index(std::uint64_t publisher) const {
  if (last_publisher_ < publishers_.size() && publishers_[last_publisher_] == publisher) return last_publisher_;
  return static_cast<std::size_t>(std::find(publishers_.begin(), publishers_.end(), publisher) - publishers_.begin());
}

namespace {

// At most.
std::size_t encoded_bytes(const Op& op) {
  constexpr std::size_t kOpOverheadMax = 64;  // flags, time, a new publisher, five lengths, expiry, more
  const Message& message = *op.message;
  return kOpOverheadMax + message.topic.size() + message.properties.size() + message.payload.size() + op.change.size();
}

}  // namespace

bool SegmentBuilder::fits(const Op& op, std::size_t bytes_max) const {
  if (count_ == 0) return true;
  if (count_ == kSegmentOpsMax || op.stamp <= last_stamp_) return false;
  if (publishers_.size() == kSegmentPublishersMax && publisher_index(op.publisher) == publishers_.size()) return false;
  if (topic_bytes_ + op.message->topic.size() > kSegmentTopicBytesMax) return false;
  return size_bytes() + encoded_bytes(op) <= bytes_max;
}

bool SegmentBuilder::fits_all(const std::vector<Op>& ops, std::size_t bytes_max) const {
  if (ops.empty()) return true;
  if (count_ + ops.size() > kSegmentOpsMax || (count_ > 0 && ops.front().stamp <= last_stamp_)) return false;
  std::size_t bytes = size_bytes();
  std::size_t topic_bytes = topic_bytes_;
  std::size_t publishers = publishers_.size();
  for (const Op& op : ops) {
    bytes += encoded_bytes(op);
    topic_bytes += op.message->topic.size();
    if (publisher_index(op.publisher) == publishers_.size()) ++publishers;
  }
  return bytes <= bytes_max && topic_bytes <= kSegmentTopicBytesMax && publishers <= kSegmentPublishersMax;
}

void SegmentBuilder::add(const Op& op) {
  const Message& message = *op.message;
  const bool first = count_ == 0;
  const std::size_t publisher = publisher_index(op.publisher);
  if (publisher == publishers_.size()) publishers_.push_back(op.publisher);
  const bool has_properties = !message.properties.empty();

  Writer out(body_);
  OpKind kind = op.kind;
  const bool is_behind = op.stamp.behind_ms != 0;
  const bool has_more = op.run != 0 || is_behind || !op.change.empty();
  if (has_more) kind.qos = kQosInMore;
  out.u8(static_cast<std::uint8_t>(op_flags(kind, op.stamp.quality) | (has_properties ? kFlagProperties : 0U) |
                                   (message.expiry_s ? kFlagExpiry : 0U) |
                                   (publisher != last_publisher_ ? kFlagPublisher : 0U)));
  const std::uint64_t wall_delta = op.stamp.wall_ms - last_stamp_.wall_ms;
  out.varint(wall_delta);
  const bool same_ms = !first && wall_delta == 0;
  out.varint(same_ms ? std::uint64_t{op.stamp.counter} - last_stamp_.counter - 1U : op.stamp.counter);
  if (publisher != last_publisher_) out.varint(publisher);
  const std::size_t shared = first ? 0 : shared_prefix(last_message_->topic, message.topic);
  out.varint(shared);
  out.sized(std::string_view(message.topic).substr(shared));
  if (has_properties) out.sized(message.properties);
  if (message.expiry_s) out.varint(*message.expiry_s);
  out.sized(message.payload);
  if (has_more) {
    out.u8(static_cast<std::uint8_t>(op.kind.qos | (op.run != 0 ? kMoreBeginsRun : 0U) |
                                     (is_behind ? kMoreBehind : 0U) | (op.change.empty() ? kMoreNoChange : 0U)));
    if (op.run != 0) out.u64(op.run);
    if (is_behind) out.varint(op.stamp.behind_ms);
    if (!op.change.empty()) out.sized(op.change);
  }

  ++count_;
  topic_bytes_ += message.topic.size();
  last_stamp_ = op.stamp;
  last_publisher_ = publisher;
  last_message_ = op.message;
}

std::size_t SegmentBuilder::size_bytes() const {
  return 1 + 8 + varint_size(first_seq_) + varint_size(count_) + predecessor_.size() + varint_size(publishers_.size()) +
         8 * publishers_.size() + body_.size();
}

Bytes SegmentBuilder::finish() {
  Expects(count_ > 0);
  Bytes bytes;
  bytes.reserve(size_bytes());
  Writer out(bytes);
  out.u8(kVersion);
  out.u64(static_cast<std::uint64_t>(replica_));
  out.varint(first_seq_);
  out.varint(count_);
  out.raw(predecessor_);
  out.varint(publishers_.size());
  for (const std::uint64_t publisher : publishers_) out.u64(publisher);
  out.raw(body_);
  Ensures(bytes.size() <= kSegmentBytesMax);
  return bytes;
}

CutSegment recut(Chain& chain, const ChainName& name, const Segment& segment, const Cut& cut) {
  const SegmentHeader& header = segment.header;
  Expects(cut.first >= header.first_seq && cut.first <= header.last_seq());
  const auto skipped = static_cast<std::size_t>(cut.first - header.first_seq);
  Hash256 predecessor = header.predecessor;
  for (std::size_t i = 0; i < skipped; ++i) {
    predecessor = chain.next(predecessor, name, header.first_seq + i, segment.ops[i]);
  }
  SegmentBuilder builder;
  builder.start(header.replica, cut.first, predecessor);
  for (std::size_t i = skipped; i < segment.ops.size() && builder.fits(segment.ops[i], cut.bytes_max); ++i) {
    builder.add(segment.ops[i]);
  }
  const Seq last_seq = cut.first + builder.count() - 1;
  return {.bytes = builder.finish(), .last_seq = last_seq};
}

Bytes rename_segment(Bytes segment, ReplicaId name) {
  Bytes head;
  Writer(head).u64(static_cast<std::uint64_t>(name));
  Expects(segment.size() > 1 + head.size());
  std::copy(head.begin(), head.end(), segment.begin() + 1);
  return segment;
}

}  // namespace hedgerow::sync
