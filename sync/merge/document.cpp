#include "sync/merge/document.hpp"

#include <algorithm>
#include <string_view>
#include <tuple>
#include <utility>

#include "sync/merge/json_cursor.hpp"
#include "sync/merge/limits.hpp"

namespace hedgerow::sync {

namespace {

// The order of a write without what does not decide.
WriteOrder bare(WriteOrder order) {
  order.stamp.quality = ClockQuality::kUnsynchronised;
  return order;
}

template <class T>
const T& greater_of(const T& a, const T& b) {
  return a < b ? b : a;
}

}  // namespace

// Reads one patch into the places that it writes.
class DocumentPatch {
 public:
  DocumentPatch(std::string_view text, const WriteOrder& order) : json_(text), order_(order) {}

  Expected<Document::Place> read() {
    Document::Place root;
    if (!place(root) || !json_.finish()) return tl::make_unexpected(error());
    // Only members are deleted by null; the whole becomes what it is replaced with.
    if (root.replaced && root.replaced->value.empty()) root.replaced->value = "null";
    return root;
  }

 private:
  bool place(Document::Place& out) {
    if (!count(kDocumentPlaceBytes)) return false;
    if (json_.peek() == '{') {
      out.opened = order_;
      return members(out.members);
    }
    std::string value;
    if (!json_.value(value)) return false;
    if (value == "null") value.clear();
    const std::size_t bytes = value.size();
    out.replaced = Document::Place::Replaced{.order = order_, .value = std::move(value)};
    return count(bytes);
  }

  bool members(std::vector<Document::Member>& out) {
    if (!json_.enter_object()) return false;
    while (std::optional<std::string> key = json_.next_key()) {
      if (!count(key->size())) return false;
      out.push_back({.key = *std::move(key), .place = {}});
      if (!place(out.back().place)) return false;
    }
    std::sort(out.begin(), out.end(), Document::goes_before);
    return !json_.failed();
  }

  bool count(std::size_t bytes) {
    is_too_large_ = is_too_large_ || bytes > left_bytes_;
    if (!is_too_large_) left_bytes_ -= bytes;
    return !is_too_large_;
  }

  [[nodiscard]] Error error() const {
    return is_too_large_ ? Document::too_large(kDocumentBytesMax).value() : json_.error();
  }

  JsonCursor json_;
  WriteOrder order_;
  std::size_t left_bytes_ = kDocumentBytesMax;
  bool is_too_large_ = false;
};

Expected<Document> Document::from_patch(ByteView patch, const WriteOrder& order) {
  Document document;
  if (patch.empty()) {
    document.root_.replaced = Place::Replaced{.order = bare(order), .value = {}};
    return document;
  }
  Expected<Place> root = DocumentPatch{as_text(patch), bare(order)}.read();
  if (!root) return tl::make_unexpected(std::move(root.error()));
  document.root_ = *std::move(root);
  return document;
}

// --- joining ---------------------------------------------------------------------------------------------------------

Expected<bool> Document::join(const Document& other) {
  Document both;
  both.root_ = joined(root_, other.root_, std::nullopt);
  if (both == *this) return false;
  if (both.size_bytes() > kDocumentBytesMax) return too_large(kDocumentBytesMax);
  *this = std::move(both);
  return true;
}

Expected<bool> Document::apply(ByteView patch, const WriteOrder& order) {
  const Expected<Document> one = from_patch(patch, order);
  if (!one) return tl::make_unexpected(one.error());
  return join(*one);
}

Expected<bool> Document::publish(ByteView patch, const WriteOrder& order) {
  Document next = *this;
  const Expected<bool> changed = next.apply(patch, order);
  if (!changed) return changed;
  const std::size_t size = next.size_bytes();
  if (size > kDocumentPublishBytesMax && size > size_bytes()) return too_large(kDocumentPublishBytesMax);
  *this = std::move(next);
  return changed;
}

// `wiped`: the greatest `replaced` above this place.
Document::Place Document::joined(const Place& a, const Place& b, const std::optional<WriteOrder>& wiped) {
  Place both;
  std::optional<WriteOrder> wiped_here = wiped;
  for (const Place* place : {&a, &b}) {
    if (!place->replaced || (wiped && place->replaced->order <= *wiped)) continue;
    // One write has one value here, unless somebody forges; then the greater value keeps all nodes alike.
    const auto rank = [](const Place::Replaced& write) { return std::tie(write.order, write.value); };
    if (!both.replaced || rank(*both.replaced) < rank(*place->replaced)) both.replaced = place->replaced;
  }
  if (both.replaced) wiped_here = both.replaced->order;
  both.opened = greater_of(a.opened, b.opened);
  if (both.opened && wiped_here && *both.opened <= *wiped_here) both.opened.reset();
  if (!both.opened) return both;
  if (both.replaced) both.replaced->value.clear();
  both.members = joined_members(a, b, wiped_here);
  return both;
}

std::vector<Document::Member> Document::joined_members(const Place& a, const Place& b,
                                                       const std::optional<WriteOrder>& wiped) {
  static const Place kNothing;
  std::vector<Member> both;
  both.reserve(std::max(a.members.size(), b.members.size()));
  auto left = a.members.begin();
  auto right = b.members.begin();
  while (left != a.members.end() || right != b.members.end()) {
    const bool has_left = right == b.members.end() || (left != a.members.end() && left->key <= right->key);
    const bool has_right = left == a.members.end() || (right != b.members.end() && right->key <= left->key);
    const std::string& key = has_left ? left->key : right->key;
    Place place = joined(has_left ? left->place : kNothing, has_right ? right->place : kNothing, wiped);
    if (!place.is_empty()) both.push_back({.key = key, .place = std::move(place)});
    if (has_left) ++left;
    if (has_right) ++right;
  }
  return both;
}

bool Document::goes_before(const Member& a, const Member& b) { return a.key < b.key; }

tl::unexpected<Error> Document::too_large(std::size_t bytes_max) {
  return fail(Category::kLimit, "the document would take more than " + std::to_string(bytes_max) + " bytes, counting " +
                                    std::to_string(kDocumentPlaceBytes) +
                                    " for each member, also a deleted one: divide it over several topics");
}

void Document::prune(const Stamp& floor) { prune(root_, floor); }

void Document::prune(Place& place, const Stamp& floor) {
  for (Member& member : place.members) prune(member.place, floor);
  std::erase_if(place.members, [](const Member& member) { return member.place.is_empty(); });
  if (place.replaced && place.replaced->value.empty() && place.replaced->order.stamp <= floor) place.replaced.reset();
}

void Document::rename(const Rename& rename) {
  Place renamed = std::move(root_);
  Document::rename(renamed, rename);
  root_ = joined(renamed, {}, std::nullopt);
}

// Of two writes with one stamp the replica decides, so what opened a place may be less than what is within now.
void Document::rename(Place& place, const Rename& rename) {
  const auto move = [&rename](WriteOrder& order) {
    if (order.replica != rename.from || order.seq <= rename.after) return;
    order.replica = rename.to;
    if (rename.from_one) order.seq -= rename.after;
  };
  if (place.replaced) move(place.replaced->order);
  if (place.opened) move(*place.opened);
  for (Member& member : place.members) {
    Document::rename(member.place, rename);
    if (member.place.opened) place.opened = greater_of(place.opened, member.place.opened);
    if (member.place.replaced) place.opened = greater_of(place.opened, std::optional(member.place.replaced->order));
  }
}

// --- showing ---------------------------------------------------------------------------------------------------------

bool Document::is_visible(const Place& place) {
  return place.opened || (place.replaced && !place.replaced->value.empty());
}

bool Document::is_visible() const { return is_visible(root_); }

Bytes Document::render() const {
  std::string out;
  render(root_, out);
  return to_bytes(out);
}

void Document::render(const Place& place, std::string& out) {
  if (!place.opened) {
    if (place.replaced) out += place.replaced->value;
    return;
  }
  out += '{';
  bool is_first = true;
  for (const Member& member : place.members) {
    if (!is_visible(member.place)) continue;
    if (!std::exchange(is_first, false)) out += ',';
    out += '"';
    out += member.key;
    out += "\":";
    render(member.place, out);
  }
  out += '}';
}

std::size_t Document::size_bytes() const { return size_of(root_); }

std::size_t Document::size_of(const Place& place) {
  std::size_t bytes = kDocumentPlaceBytes;
  if (place.replaced) bytes += place.replaced->value.size();
  for (const Member& member : place.members) bytes += member.key.size() + size_of(member.place);
  return bytes;
}

std::vector<WriteOrder> Document::writes() const {
  std::vector<WriteOrder> out;
  collect(root_, out);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

void Document::collect(const Place& place, std::vector<WriteOrder>& out) {
  if (place.replaced) out.push_back(place.replaced->order);
  if (place.opened) out.push_back(*place.opened);
  for (const Member& member : place.members) collect(member.place, out);
}

}  // namespace hedgerow::sync
