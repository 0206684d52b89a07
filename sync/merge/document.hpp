// merge: document. A retained JSON document that many nodes change at once. DESIGN 1 and 5.
//
// A publish with retain to such a topic is a merge patch (RFC 7396): an object merges member by member, also nested;
// null deletes a member; arrays, scalars and whatever is no object replace; an empty payload deletes the document.
// Bytes that are no JSON are refused, with the position: the endpoint answers 0x99 Payload format invalid.
//
// The rule is one sentence: a document is what the patches make of nothing when they are applied in the order of their
// writes (WriteOrder: stamp, replica, number), in whatever order they came. So changes of different members all
// survive; where a scalar meets an object, or a deletion a change, the later write decides about everything beneath.
//
// How that needs no log: each place of the document (the root, a member, a member of a member …) keeps two maxima,
//
//   replaced   the greatest write that put a scalar or an array here, or deleted what was here; with its value
//   opened     the greatest write that merged an object here
//
// and "opened > replaced" says whether an object is visible here. A write at or beneath an ancestor's `replaced` has
// been wiped, and is dropped: maxima only rise, so it could never be seen again. Every patch opens all objects on its
// way (RFC 7396 makes them even for a null), so `opened` is never beneath anything within. Maxima make a
// join-semilattice: join() is commutative, associative and idempotent, and states converge (G3, G4).
//
// Text is canonical (json_cursor.hpp), members stand in byte order, numbers keep their digits.
//
// Pure. Thread rule: plain value. Bounded: kDocumentBytesMax, kDocumentDepthMax.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "sync/base/bytes.hpp"
#include "sync/base/expected.hpp"
#include "sync/log/op.hpp"

namespace hedgerow::sync {

class Document {
 public:
  // Never written.
  Document() = default;

  // The state in which this was the only write. The quality of the stamp is not kept: it decides nothing.
  // kInvalidInput: no JSON, or JSON that JsonCursor refuses; kLimit: too large.
  [[nodiscard]] static Expected<Document> from_patch(ByteView patch, const WriteOrder& order);

  // Merges all of `other` into this. kLimit: the sum would exceed kDocumentBytesMax; then nothing has changed.
  // Returns true iff this state changed, be it visible or not.
  [[nodiscard]] Expected<bool> join(const Document& other);

  // join(from_patch(patch, order)).
  [[nodiscard]] Expected<bool> apply(ByteView patch, const WriteOrder& order);

  // The same for a publish on this node, which is also refused with kLimit where it lets the document grow beyond
  // kDocumentPublishBytesMax.
  [[nodiscard]] Expected<bool> publish(ByteView patch, const WriteOrder& order);

  // The document as canonical JSON; empty when it was deleted or never written. At most size_bytes() bytes.
  [[nodiscard]] Bytes render() const;

  // True iff there is something to see: render() is not empty.
  [[nodiscard]] bool is_visible() const;

  // True iff nothing is held, not even that something was deleted: a cell that is not there means the same.
  [[nodiscard]] bool is_empty() const { return root_.is_empty(); }

  // What counts against kDocumentBytesMax: for each place its key, its value and kDocumentPlaceBytes. An upper bound
  // for the sizes of render() and encode().
  [[nodiscard]] std::size_t size_bytes() const;

  // Forgets deletions at or beneath the floor.
  // REQUIRES: every member has merged every write at or beneath the floor, and can make no other one there: what was
  // deleted would come back (G4). A frontier is not enough: it knows nothing of older writes of other replicas.
  void prune(const Stamp& floor);

  // The writes of `from` beyond number `after` are those of `to` from now on: numbered from 1 (the database that wrote
  // them goes on under another name), or as before (they are a branch).
  struct Rename {
    ReplicaId from{};
    Seq after = 0;
    ReplicaId to{};
    bool from_one = true;
  };
  void rename(const Rename& rename);

  // The writes that this state still shows the effect of, in order. A receiver whose frontier has all of them lacks
  // nothing of this state. The last one is the order of the cell.
  [[nodiscard]] std::vector<WriteOrder> writes() const;

  // The state, in one canonical form: equal states have equal bytes. Grammar in document_codec.cpp. At most
  // size_bytes() bytes.
  [[nodiscard]] Bytes encode() const;

  // kCorrupt: not exactly what encode() writes for some state. Never trusts: allocates no more than a multiple of what
  // came.
  [[nodiscard]] static Expected<Document> decode(ByteView bytes);

  friend bool operator==(const Document&, const Document&) = default;

 private:
  friend class DocumentDecoder;
  friend class DocumentEncoder;
  friend class DocumentPatch;

  struct Member;

  // One place of the document.
  struct Place {
    struct Replaced {
      WriteOrder order;
      std::string value;  // canonical JSON; empty: a deletion, or a value that an object has taken the place of
      friend bool operator==(const Replaced&, const Replaced&) = default;
    };
    std::optional<Replaced> replaced;
    std::optional<WriteOrder> opened;  // if set: greater than every `replaced` here and above, and than nothing within
    std::vector<Member> members;       // by key, none empty; only where `opened` is set

    [[nodiscard]] bool is_empty() const { return !replaced && !opened; }
    friend bool operator==(const Place&, const Place&) = default;
  };

  static Place joined(const Place& a, const Place& b, const std::optional<WriteOrder>& wiped);
  static std::vector<Member> joined_members(const Place& a, const Place& b, const std::optional<WriteOrder>& wiped);
  // By key, as members always stand.
  static bool goes_before(const Member& a, const Member& b);
  static tl::unexpected<Error> too_large(std::size_t bytes_max);
  static void prune(Place& place, const Stamp& floor);
  static void rename(Place& place, const Rename& rename);
  static void render(const Place& place, std::string& out);
  static bool is_visible(const Place& place);
  static std::size_t size_of(const Place& place);
  static void collect(const Place& place, std::vector<WriteOrder>& out);

  Place root_;
};

struct Document::Member {
  std::string key;  // canonical: as it stands between the quotes
  Place place;
  friend bool operator==(const Member&, const Member&) = default;
};

}  // namespace hedgerow::sync
