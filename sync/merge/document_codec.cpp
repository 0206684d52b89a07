// The state of a document as bytes, on disk and on the wire:
//
//   document = version:u8=1 replicas writes place
//   replicas = count:varint replica:u64{count}      ascending
//   writes   = count:varint write{count}            ascending: by stamp, then replica, then number
//   write    = wall_ms:varint counter:varint replica:varint seq:varint
//                wall_ms counts from the write before; replica is an index into replicas
//   place    = flags:u8 [replaced] [opened]         the root first
//                flags: bit 0 replaced follows, 1 a value follows, 2 opened follows
//   replaced = write:varint [length:varint value]   write is an index into writes; without a value: a deletion
//   opened   = write:varint count:varint member{count}
//   member   = length:varint key place              ascending by the bytes of the key
//
// Value and key are canonical JSON as JsonCursor writes it, the key without its quotes. All that document.hpp says of a
// state holds: nothing is wiped by a write above, nothing within an object is later than the object, no member is
// empty. Every write and replica of the tables is used. Integers as in sync/log/codec.hpp.
#include <algorithm>
#include <cstdint>
#include <gsl/assert>
#include <string_view>
#include <utility>

#include "sync/log/codec.hpp"
#include "sync/merge/document.hpp"
#include "sync/merge/json_cursor.hpp"
#include "sync/merge/limits.hpp"

namespace hedgerow::sync {

namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kReplaced = 1;
constexpr std::uint8_t kValue = 2;
constexpr std::uint8_t kOpened = 4;
constexpr std::size_t kPlacesMax = kDocumentBytesMax / kDocumentPlaceBytes;
constexpr std::size_t kWritesMax = 2 * kPlacesMax;
constexpr std::size_t kWriteBytesMin = 4;
constexpr std::size_t kMemberBytesMin = 3;

template <class T>
std::uint64_t index_in(const std::vector<T>& sorted, const T& item) {
  const auto found = std::lower_bound(sorted.begin(), sorted.end(), item);
  Expects(found != sorted.end() && *found == item);
  return static_cast<std::uint64_t>(found - sorted.begin());
}

// Exactly one value, spelled as JsonCursor spells it, within `depth` objects.
bool is_canonical_value(std::string_view value, std::size_t depth) {
  if (value.starts_with('{')) return false;  // an object has places of its own
  JsonCursor json{value, depth};
  std::string spelled;
  return json.value(spelled) && json.finish() && spelled == value;
}

bool is_canonical_key(std::string_view key) {
  const std::string quoted = '"' + std::string{key} + '"';
  return is_canonical_value(quoted, 0);
}

}  // namespace

class DocumentEncoder {
 public:
  explicit DocumentEncoder(const Document& document) : writes_(document.writes()) {
    for (const WriteOrder& write : writes_) replicas_.push_back(write.replica);
    std::sort(replicas_.begin(), replicas_.end());
    replicas_.erase(std::unique(replicas_.begin(), replicas_.end()), replicas_.end());
    out_.u8(kVersion);
    out_.varint(replicas_.size());
    for (const ReplicaId replica : replicas_) out_.u64(static_cast<std::uint64_t>(replica));
    out_.varint(writes_.size());
    std::uint64_t last_wall_ms = 0;
    for (const WriteOrder& write : writes_) {
      out_.varint(write.stamp.wall_ms - last_wall_ms);
      out_.varint(write.stamp.counter);
      out_.varint(index_in(replicas_, write.replica));
      out_.varint(write.seq);
      last_wall_ms = write.stamp.wall_ms;
    }
    place(document.root_);
  }

  Bytes take() { return std::move(bytes_); }

 private:
  void place(const Document::Place& place) {
    const bool has_value = place.replaced && !place.replaced->value.empty();
    unsigned flags = place.replaced ? kReplaced : 0U;
    if (has_value) flags |= kValue;
    if (place.opened) flags |= kOpened;
    out_.u8(static_cast<std::uint8_t>(flags));
    if (place.replaced) out_.varint(index_in(writes_, place.replaced->order));
    if (has_value) out_.sized(place.replaced->value);
    if (!place.opened) return;
    out_.varint(index_in(writes_, *place.opened));
    out_.varint(place.members.size());
    for (const Document::Member& member : place.members) {
      out_.sized(member.key);
      this->place(member.place);
    }
  }

  Bytes bytes_;
  Writer out_{bytes_};
  std::vector<WriteOrder> writes_;
  std::vector<ReplicaId> replicas_;
};

class DocumentDecoder {
 public:
  explicit DocumentDecoder(ByteView bytes) : in_(bytes) {}

  Expected<Document> decode() {
    if (in_.u8() != kVersion) return corrupt("an unknown version");
    if (!read_tables()) return corrupt("a broken table of writes");
    Document document;
    if (!read_place(document.root_, {.wiped = nullptr, .opened = nullptr, .depth = 0}) || !in_.at_end()) {
      return corrupt("a broken place");
    }
    if (document.size_bytes() > kDocumentBytesMax) return corrupt("more than " + std::to_string(kDocumentBytesMax));
    if (document.writes().size() != writes_.size()) return corrupt("a write that is not used");
    return document;
  }

 private:
  // What the places above say.
  struct Above {
    const WriteOrder* wiped;   // the greatest `replaced`, if any
    const WriteOrder* opened;  // of the object around this place
    std::size_t depth;
  };

  [[nodiscard]] tl::unexpected<Error> corrupt(const std::string& what) const {
    return fail(Category::kCorrupt,
                "document: " + what + " at byte " + std::to_string(in_.position()) + "; it is not what a node encodes");
  }

  bool read_tables() {
    std::vector<ReplicaId> replicas(static_cast<std::size_t>(count_of(sizeof(std::uint64_t))));
    for (ReplicaId& replica : replicas) replica = ReplicaId{in_.u64()};
    writes_.resize(static_cast<std::size_t>(count_of(kWriteBytesMin)));
    std::vector<bool> is_used(replicas.size(), false);
    Stamp stamp;
    for (WriteOrder& write : writes_) {
      stamp.wall_ms += in_.varint_up_to(kStampWallMsMax - stamp.wall_ms);
      stamp.counter = static_cast<std::uint16_t>(in_.varint_up_to(UINT16_MAX));
      const auto replica = static_cast<std::size_t>(in_.varint());
      write.stamp = stamp;
      write.seq = in_.varint_up_to(kSeqMax);
      if (!in_.ok() || replica >= replicas.size() || write.seq == 0) return false;
      write.replica = replicas[replica];
      is_used[replica] = true;
    }
    return in_.ok() && is_ascending(replicas) && is_ascending(writes_) &&
           (replicas.empty() || replicas.front() != ReplicaId{}) &&
           std::find(is_used.begin(), is_used.end(), false) == is_used.end();
  }

  template <class T>
  static bool is_ascending(const std::vector<T>& items) {
    return std::adjacent_find(items.begin(), items.end(), [](const T& a, const T& b) { return a >= b; }) == items.end();
  }

  // A count of items that take at least `item_bytes` each: no more than can follow.
  std::uint64_t count_of(std::size_t item_bytes) {
    return in_.varint_up_to(std::min(kWritesMax, in_.left() / item_bytes));
  }

  const WriteOrder* read_write() {
    const auto index = in_.varint();
    if (!in_.ok() || index >= writes_.size()) return nullptr;
    return &writes_[static_cast<std::size_t>(index)];
  }

  bool read_place(Document::Place& place, Above above) {
    const std::uint8_t flags = in_.u8();
    if (!in_.ok() || flags > (kReplaced | kValue | kOpened)) return false;
    if (++places_ > kPlacesMax) return false;
    const bool is_root = above.opened == nullptr;
    if ((flags & (kReplaced | kOpened)) == 0) return is_root && flags == 0;
    if ((flags & kReplaced) != 0) {
      const WriteOrder* const write = read_write();
      if (write == nullptr || (above.wiped != nullptr && *write <= *above.wiped)) return false;
      if (!is_root && *write > *above.opened) return false;
      place.replaced = Document::Place::Replaced{.order = *write, .value = {}};
      above.wiped = write;
    }
    if ((flags & kValue) != 0 && !read_value(place, flags, above)) return false;
    return (flags & kOpened) == 0 || read_opened(place, above);
  }

  bool read_value(Document::Place& place, std::uint8_t flags, const Above& above) {
    if (!place.replaced || (flags & kOpened) != 0) return false;
    const std::string_view value = as_text(in_.sized(kDocumentBytesMax));
    const bool is_root = above.opened == nullptr;
    if (!in_.ok() || (!is_root && value == "null") || !is_canonical_value(value, above.depth)) return false;
    place.replaced->value = value;
    return true;
  }

  bool read_opened(Document::Place& place, const Above& above) {
    const WriteOrder* const write = read_write();
    if (write == nullptr || (above.wiped != nullptr && *write <= *above.wiped)) return false;
    if (above.opened != nullptr && *write > *above.opened) return false;
    if (above.depth >= kDocumentDepthMax) return false;
    place.opened = *write;
    const std::uint64_t count = count_of(kMemberBytesMin);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::string_view key = as_text(in_.sized(kDocumentBytesMax));
      if (!in_.ok() || !is_canonical_key(key)) return false;
      if (!place.members.empty() && place.members.back().key >= key) return false;
      place.members.push_back({.key = std::string{key}, .place = {}});
      if (!read_place(place.members.back().place, {.wiped = above.wiped, .opened = write, .depth = above.depth + 1})) {
        return false;
      }
    }
    return in_.ok();
  }

  Reader in_;
  std::vector<WriteOrder> writes_;
  std::size_t places_ = 0;
};

Bytes Document::encode() const { return DocumentEncoder{*this}.take(); }

Expected<Document> Document::decode(ByteView bytes) {
  if (bytes.size() > kDocumentBytesMax)
    return fail(Category::kCorrupt, "document: longer than any that a node encodes");
  return DocumentDecoder{bytes}.decode();
}

}  // namespace hedgerow::sync
