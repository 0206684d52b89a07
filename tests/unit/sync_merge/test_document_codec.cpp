#include <catch2/catch_test_macros.hpp>
#include <string>

#include "sync/merge/document.hpp"
#include "sync/merge/limits.hpp"
#include "tests/unit/sync_merge/writes.hpp"

namespace hedgerow::sync {
namespace {

constexpr std::string_view kReplica1 = "0000000000000001";
constexpr std::string_view kReplica2 = "0000000000000002";

std::string document(std::string_view replicas, std::string_view writes, std::string_view place) {
  return "01" + std::string{replicas} + std::string{writes} + std::string{place};
}

TEST_CASE("a document's bytes are as the grammar says", "[sync][document]") {
  CHECK(to_hex(Document{}.encode()) == "01000000");
  CHECK(to_hex(patched("", {.stamp = {.wall_ms = 5, .counter = 6}, .replica = ReplicaId{1}, .seq = 7}).encode()) ==
        document("01" + std::string{kReplica1},
                 "01"
                 "05060007",
                 "0100"));
  const Document some = after({{R"({"a":{"b":12},"c":null})", at(300, 2)}, {R"({"a":{"d":"x"}})", at(301, 1)}});
  CHECK(to_hex(some.encode()) == document("02" + std::string{kReplica1} + std::string{kReplica2},
                                          "02"
                                          "ac020001ac02"
                                          "010000ad02",
                                          "04"
                                          "01"
                                          "02"  // the root, opened by the later write; two members:
                                          "0161"
                                          "04"
                                          "01"
                                          "02"  // "a", likewise
                                          "0162"
                                          "03"
                                          "00"
                                          "02"
                                          "3132"  // "b": the earlier write, 12
                                          "0164"
                                          "03"
                                          "01"
                                          "03"
                                          "227822"  // "d": the later write, "x"
                                          "0163"
                                          "01"
                                          "00"));  // "c": deleted by the earlier write
}

TEST_CASE("what was encoded is decoded", "[sync][document]") {
  for (const Document& some : {Document{}, patched("", at(1)), patched("null", at(1)),
                               patched("[1,{\"a\":null}]", at(1)), patched("{}", at(1)),
                               after({{R"({"a":{"b":{"c":1}},"":{"\u0000":2}})", at(3, 9)},
                                      {R"({"a":4})", at(4, 2)},
                                      {R"({"a":{}})", at(5)}})}) {
    INFO(shown(some));
    const Expected<Document> decoded = Document::decode(some.encode());
    REQUIRE(decoded);
    CHECK(*decoded == some);
  }
}

TEST_CASE("the quality of a clock decides nothing and is not kept", "[sync][document]") {
  WriteOrder trusted = at(1);
  trusted.stamp.quality = ClockQuality::kSynchronised;
  CHECK(patched("{}", trusted).writes().front().stamp.quality == ClockQuality::kUnsynchronised);
}

TEST_CASE("what no document encodes is refused", "[sync][document][G6]") {
  const std::string one = "01" + std::string{kReplica1};
  const std::string two = "02" + std::string{kReplica1} + std::string{kReplica2};
  const std::string write =
      "01"
      "01000001";
  const std::string writes =
      "02"
      "01000001"
      "01000002";
  for (const auto& [name, digits] : std::initializer_list<std::pair<const char*, std::string>>{
           {"nothing", ""},
           {"another version", "02000000"},
           {"a byte too many", "0100000000"},
           {"an unknown flag", document(one, write, "0900")},
           {"a value without a write", document(one, write, "0200013100")},
           {"a write that is not used", document(one, writes, "0100")},
           {"a replica that is not used", document(two, write, "0100")},
           {"no replica", document("010000000000000000", write, "0100")},
           {"replicas out of order", document("02" + std::string{kReplica2} + std::string{kReplica1},
                                              "02"
                                              "01000001"
                                              "01010001",
                                              "050001"
                                              "00")},
           {"a replica that is not there", document(one,
                                                    "01"
                                                    "01000101",
                                                    "0100")},
           {"writes out of order", document(one,
                                            "02"
                                            "01000002"
                                            "00000001",
                                            "05000100")},
           {"a number 0", document(one,
                                   "01"
                                   "01000000",
                                   "0100")},
           {"a write that is not there", document(one, write, "0101")},
           {"an empty value", document(one, write, "030000")},
           {"a value that is no JSON", document(one, write,
                                                "0300"
                                                "0161")},
           {"a value with white space", document(one, write,
                                                 "0300"
                                                 "0231"
                                                 "20")},
           {"an object as a value", document(one, write,
                                             "0300"
                                             "027b7d")},
           {"a value where an object is", document(one, writes,
                                                   "0700"
                                                   "0131"
                                                   "0100")},
           {"an object that its replacement wiped", document(one, writes,
                                                             "0501"
                                                             "0000")},
           {"a key without its escape", document(one, write,
                                                 "0400"
                                                 "01"
                                                 "0122"
                                                 "0100")},
           {"a key in a longer spelling", document(one, write,
                                                   "0400"
                                                   "01"
                                                   "065c7530303631"
                                                   "0100")},
           {"keys out of order", document(one, write,
                                          "0400"
                                          "02"
                                          "0162"
                                          "0100"
                                          "0161"
                                          "0100")},
           {"a key twice", document(one, write,
                                    "0400"
                                    "02"
                                    "0161"
                                    "0100"
                                    "0161"
                                    "0100")},
           {"an empty member", document(one, write,
                                        "0400"
                                        "01"
                                        "0161"
                                        "00")},
           {"null as a member", document(one, write,
                                         "0400"
                                         "01"
                                         "0161"
                                         "0300"
                                         "046e756c6c")},
           {"a member later than its object", document(one, writes,
                                                       "0400"
                                                       "01"
                                                       "0161"
                                                       "0101")},
           {"an object later than the one around it", document(one, writes,
                                                               "0400"
                                                               "01"
                                                               "0161"
                                                               "040100")},
           {"a member that a write above wiped", document(one, writes,
                                                          "0500"
                                                          "01"
                                                          "01"
                                                          "0161"
                                                          "0100")},
       }) {
    INFO(name);
    const Expected<Document> refused = Document::decode(from_hex(digits));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().category == Category::kCorrupt);
  }
}

TEST_CASE("a document that nests too deep is refused", "[sync][document][G6]") {
  const auto nested = [](std::size_t depth) {
    std::string place;
    for (std::size_t i = 0; i + 1 < depth; ++i)
      place +=
          "0400"
          "01"
          "0161";
    return from_hex(document("01" + std::string{kReplica1},
                             "01"
                             "01000001",
                             place + "040000"));
  };
  CHECK(Document::decode(nested(kDocumentDepthMax)));
  CHECK_FALSE(Document::decode(nested(kDocumentDepthMax + 1)));
}

TEST_CASE("neither form of a document is longer than its size", "[sync][document][G6]") {
  std::string text = "{";
  for (int i = 0; i < 600; ++i) text += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":null";
  Document full = patched(text + "}", {.stamp = {.wall_ms = kStampWallMsMax, .counter = 65535},
                                       .replica = ReplicaId{~std::uint64_t{0}},
                                       .seq = kSeqMax});
  for (std::uint64_t i = 0; i < 40; ++i) {
    REQUIRE(full.apply(as_bytes("{\"" + std::to_string(i) + "\":{\"\":1}}"),
                       {.stamp = {.wall_ms = kStampWallMsMax, .counter = static_cast<std::uint16_t>(i)},
                        .replica = ReplicaId{~i},
                        .seq = kSeqMax - i}));
  }
  CHECK(full.encode().size() <= full.size_bytes());
  CHECK(full.render().size() <= full.size_bytes());
  CHECK(Document::decode(full.encode()) == full);
}

}  // namespace
}  // namespace hedgerow::sync
