#include "sync/link/wire.hpp"

#include <array>
#include <gsl/assert>
#include <string_view>
#include <utility>

#include "sync/limits.hpp"
#include "sync/link/wire_parts.hpp"
#include "sync/log/codec.hpp"

namespace hedgerow::sync::wire {
namespace {

constexpr std::uint8_t kFlagAnswerWanted = 1;
constexpr std::uint8_t kFlagChecks = 2;
constexpr std::uint8_t kFlagRetain = 1;
constexpr std::uint8_t kFlagExpiry = 2;

std::string read_name(Reader& in, std::size_t bytes_max) { return std::string(as_text(in.sized(bytes_max))); }

ChannelIndex read_channel(Reader& in) { return static_cast<ChannelIndex>(in.varint_up_to(kChannelsPerLinkMax - 1)); }

// One pair of overloads for each message, in the order of Type.

void put_body(Writer& out, const Hello& hello) {
  out.sized(hello.mesh);
  out.sized(hello.node);
  out.u64(static_cast<std::uint64_t>(hello.replica));
  out.u64(hello.incarnation);
  out.sized(hello.software);
  out.varint(hello.channels.size());
  for (const Hello::Channel& channel : hello.channels) {
    out.sized(channel.name);
    out.u8(static_cast<std::uint8_t>(channel.merge));
    out.sized(channel.filter);
  }
}

Hello read_hello(Reader& in) {
  Hello hello;
  hello.mesh = read_name(in, kPeerNameBytesMax);
  hello.node = read_name(in, kPeerNameBytesMax);
  hello.replica = static_cast<ReplicaId>(in.u64());
  hello.incarnation = in.u64();
  hello.software = read_name(in, kPeerNameBytesMax);
  const std::size_t count = read_count(in, {.max = kChannelsPerLinkMax, .item_bytes = 1 + 1 + 1});
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    Hello::Channel channel;
    channel.name = read_name(in, kChannelNameBytesMax);
    const std::uint8_t merge = in.u8();
    if (merge > static_cast<std::uint8_t>(MergeKind::kCounter)) in.reject();
    channel.merge = MergeKind{merge};
    channel.filter = read_name(in, kChannelFilterBytesMax);
    hello.channels.push_back(std::move(channel));
  }
  if (hello.node.empty() || hello.replica == ReplicaId{}) in.reject();
  return hello;
}

void put_body(Writer& out, const Announcement& announcement) {
  out.varint(announcement.channel);
  const bool has_checks = !announcement.checks.empty();
  Expects(!has_checks || announcement.checks.size() == announcement.marks.size());
  const unsigned flags = (announcement.answer_wanted ? kFlagAnswerWanted : 0U) | (has_checks ? kFlagChecks : 0U);
  out.u8(static_cast<std::uint8_t>(flags));
  put_marks(out, announcement.marks);
  for (const std::uint16_t check : announcement.checks) out.u16(check);
}

Announcement read_announcement(Reader& in) {
  Announcement announcement;
  announcement.channel = read_channel(in);
  const std::uint8_t flags = in.u8();
  if ((flags & ~(kFlagAnswerWanted | kFlagChecks)) != 0) in.reject();
  announcement.answer_wanted = (flags & kFlagAnswerWanted) != 0;
  announcement.marks = read_marks(in);
  const bool has_checks = (flags & kFlagChecks) != 0;
  if (has_checks && announcement.marks.empty()) in.reject();
  const std::size_t checks = has_checks ? announcement.marks.size() : 0;
  for (std::size_t i = 0; i < checks && in.ok(); ++i) announcement.checks.push_back(in.u16());
  return announcement;
}

void put_body(Writer& out, const Push& push) {
  out.varint(push.channel);
  out.raw(push.segment);
}

Push read_push(Reader& in) {
  Push push;
  push.channel = read_channel(in);
  if (in.left() > kSegmentBytesMax) in.reject();
  push.segment = in.raw(in.left());
  return push;
}

void put_body(Writer& out, const Pull& pull) {
  out.varint(pull.channel);
  out.varint(pull.id);
  out.varint(pull.request.window_bytes);
  out.sized(pull.request.token);
  put_marks(out, pull.request.frontier);
}

Pull read_pull(Reader& in) {
  Pull pull;
  pull.channel = read_channel(in);
  pull.id = in.varint();
  pull.request.window_bytes = static_cast<std::uint32_t>(in.varint_up_to(std::uint32_t{0xFFFFFFFFU}));
  pull.request.token = to_bytes(in.sized(kResumeTokenBytesMax));
  pull.request.frontier = read_marks(in);
  return pull;
}

std::size_t read_unpacked(Reader& in, std::size_t bytes_max) {
  return static_cast<std::size_t>(in.varint_up_to(bytes_max));
}

void put_body(Writer& out, const Range& range) {
  out.varint(range.channel);
  out.varint(range.id);
  out.u8(range.more ? 1 : 0);
  out.varint(range.packed.unpacked_bytes);
  if (range.packed.is_empty()) {
    put_segments(out, range.segments);
  } else {
    out.sized(range.packed.bytes);
  }
}

Range read_range(Reader& in) {
  Range range;
  range.channel = read_channel(in);
  range.id = in.varint();
  const std::uint8_t more = in.u8();
  if (more > 1) in.reject();
  range.more = more == 1;
  range.packed.unpacked_bytes = read_unpacked(in, kRangeBytesMax);
  if (range.packed.is_empty()) {
    range.segments = read_segments(in);
  } else {
    range.packed.bytes = in.sized(kRangeBytesMax);
  }
  return range;
}

void put_body(Writer& out, const Page& page) {
  out.varint(page.channel);
  out.varint(page.id);
  out.varint(page.page_no);
  out.varint(page.packed.unpacked_bytes);
  out.sized(page.packed.is_empty() ? page.page : page.packed.bytes);
  out.sized(page.next_token);
  put_states(out, page.frontier);
}

Page read_page(Reader& in) {
  Page page;
  page.channel = read_channel(in);
  page.id = in.varint();
  page.page_no = in.varint_up_to(kPagesMax - 1);
  page.packed.unpacked_bytes = read_unpacked(in, kPageBytesMax);
  (page.packed.is_empty() ? page.page : page.packed.bytes) = in.sized(kPageBytesMax);
  page.next_token = to_bytes(in.sized(kResumeTokenBytesMax));
  page.frontier = read_states(in);
  if (page.next_token.empty() == page.frontier.empty()) in.reject();
  return page;
}

void put_body(Writer& out, const Restart& restart) {
  out.varint(restart.channel);
  out.varint(restart.id);
}

Restart read_restart(Reader& in) {
  Restart restart;
  restart.channel = read_channel(in);
  restart.id = in.varint();
  return restart;
}

void put_body(Writer& out, const Live& live) {
  const Message& message = *live.message;
  out.u64(live.origin);
  out.varint(live.counter);
  out.u8(static_cast<std::uint8_t>((live.retain ? kFlagRetain : 0U) | (message.expiry_s ? kFlagExpiry : 0U)));
  if (message.expiry_s) out.varint(*message.expiry_s);
  out.sized(message.topic);
  out.sized(message.properties);
  out.raw(message.payload);
}

Live read_live(Reader& in) {
  Live live;
  live.origin = in.u64();
  live.counter = in.varint();
  const std::uint8_t flags = in.u8();
  if (live.counter == 0 || flags > (kFlagRetain | kFlagExpiry)) in.reject();
  live.retain = (flags & kFlagRetain) != 0;
  Message message;
  if ((flags & kFlagExpiry) != 0)
    message.expiry_s = static_cast<std::uint32_t>(in.varint_up_to(std::uint32_t{0xFFFFFFFFU}));
  message.topic = std::string(as_text(in.sized(kTopicBytesMax)));
  message.properties = to_bytes(in.sized(kPropertiesBytesMax));
  if (in.left() > kPayloadBytesMax) in.reject();
  message.payload = to_bytes(in.raw(in.left()));
  live.message = std::make_shared<const Message>(std::move(message));
  return live;
}

void put_body(Writer& out, const Describe& describe) {
  out.varint(describe.channel);
  out.varint(describe.id);
  put_states(out, describe.states);
}

Describe read_describe(Reader& in) {
  Describe describe;
  describe.channel = read_channel(in);
  describe.id = in.varint();
  describe.states = read_states(in);
  return describe;
}

void put_body(Writer& out, const Compare& compare) {
  out.varint(compare.channel);
  out.varint(compare.claims.size());
  for (const RangeClaim& claim : compare.claims) {
    out.u8(static_cast<std::uint8_t>(claim.kind));
    out.u64(claim.range.first);
    out.u64(claim.range.last);
    if (claim.kind != RangeClaim::Kind::kTell) out.u64(claim.digest);
  }
}

Compare read_compare(Reader& in) {
  Compare compare;
  compare.channel = read_channel(in);
  const std::size_t count = read_count(in, {.max = kRangeClaimsMax, .item_bytes = 1 + 8 + 8});
  compare.claims.reserve(count);
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    const std::uint8_t kind = in.u8();
    if (kind > static_cast<std::uint8_t>(RangeClaim::Kind::kTell)) in.reject();
    RangeClaim claim{.kind = RangeClaim::Kind{kind}, .range = {}};
    claim.range.first = in.u64();
    claim.range.last = in.u64();
    if (claim.kind != RangeClaim::Kind::kTell) claim.digest = in.u64();
    const bool is_behind = compare.claims.empty() || compare.claims.back().range.last < claim.range.first;
    if (claim.range.last < claim.range.first || !is_behind) in.reject();
    compare.claims.push_back(claim);
  }
  if (compare.claims.empty()) in.reject();
  return compare;
}

void put_body(Writer& out, const Tree& tree) {
  out.varint(tree.channel);
  out.u8(static_cast<std::uint8_t>(tree.what));
  put_marks(out, tree.marks);
}

Tree read_tree(Reader& in) {
  Tree tree;
  tree.channel = read_channel(in);
  const std::uint8_t what = in.u8();
  if (what > static_cast<std::uint8_t>(Tree::What::kGraft)) in.reject();
  tree.what = Tree::What{what};
  tree.marks = read_marks(in);
  if (tree.marks.empty()) in.reject();
  return tree;
}

constexpr std::array<std::string_view, 12> kTypeNames = {"",     "hello",   "frontier", "push",     "pull",    "range",
                                                         "page", "restart", "live",     "describe", "compare", "tree"};

tl::unexpected<Error> broken(std::string_view type) {
  return fail(Category::kInvalidInput,
              "the peer sent a broken \"" + std::string(type) + "\" message: it breaks the link grammar or a limit");
}

AnyMessage read_body(Type type, Reader& in) {
  switch (type) {
    case Type::kHello: return read_hello(in);
    case Type::kFrontier: return read_announcement(in);
    case Type::kPush: return read_push(in);
    case Type::kPull: return read_pull(in);
    case Type::kRange: return read_range(in);
    case Type::kPage: return read_page(in);
    case Type::kRestart: return read_restart(in);
    case Type::kLive: return read_live(in);
    case Type::kDescribe: return read_describe(in);
    case Type::kCompare: return read_compare(in);
    case Type::kTree: return read_tree(in);
  }
  in.reject();
  return Restart{};
}

}  // namespace

Bytes encode(const AnyMessage& message) {
  Bytes bytes;
  Writer out(bytes);
  out.u8(kVersion);
  out.u8(static_cast<std::uint8_t>(message.index() + 1));
  std::visit([&out](const auto& body) { put_body(out, body); }, message);
  return bytes;
}

Expected<AnyMessage> decode(ByteView bytes) {
  if (bytes.size() < 2) return fail(Category::kInvalidInput, "the peer sent a link message without version and type");
  if (bytes[0] != kVersion) {
    return fail(Category::kNotInVersion, "the peer speaks link protocol " + std::to_string(bytes[0]) +
                                             ", this node speaks " + std::to_string(kVersion) +
                                             ": update the older of the two");
  }
  const std::uint8_t type = bytes[1];
  if (type == 0 || type >= kTypeNames.size()) {
    return fail(Category::kInvalidInput, "the peer sent a link message of unknown type " + std::to_string(type));
  }
  if (bytes.size() > kLinkMessageBytesMax) return broken(kTypeNames[type]);
  Reader in(bytes.subspan(2));
  AnyMessage message = read_body(static_cast<Type>(type), in);
  if (!in.at_end()) return broken(kTypeNames[type]);
  return message;
}

Bytes encode_segments(const std::vector<ByteView>& segments) {
  Bytes bytes;
  Writer out(bytes);
  put_segments(out, segments);
  return bytes;
}

Expected<std::vector<ByteView>> decode_segments(ByteView bytes) {
  Reader in(bytes);
  std::vector<ByteView> segments = read_segments(in);
  if (!in.at_end()) return broken("range");
  return segments;
}

}  // namespace hedgerow::sync::wire
