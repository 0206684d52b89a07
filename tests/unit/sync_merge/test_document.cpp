#include <catch2/catch_test_macros.hpp>
#include <string>

#include "sync/merge/document.hpp"
#include "sync/merge/limits.hpp"
#include "tests/unit/sync_merge/writes.hpp"

namespace hedgerow::sync {
namespace {

TEST_CASE("the examples of RFC 7396, appendix A", "[sync][document]") {
  struct Example {
    std::string_view original, patch, result;
  };
  for (const auto& [original, patch, result] : {
           Example{R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
           Example{R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
           Example{R"({"a":"b"})", R"({"a":null})", R"({})"},
           Example{R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"},
           Example{R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
           Example{R"({"a":"c"})", R"({"a":["b"]})", R"({"a":["b"]})"},
           Example{R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
           Example{R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
           Example{R"(["a","b"])", R"(["c","d"])", R"(["c","d"])"},
           Example{R"({"a":"b"})", R"(["c"])", R"(["c"])"},
           Example{R"({"a":"foo"})", R"(null)", R"(null)"},
           Example{R"({"a":"foo"})", R"("bar")", R"("bar")"},
           // The original has a null member, which no patch can make: the first write is a patch already.
           Example{R"({"e":null})", R"({"a":1})", R"({"a":1})"},
           Example{R"([1,2])", R"({"a":"b","c":null})", R"({"a":"b"})"},
           Example{R"({})", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"},
       }) {
    INFO(original << " patched with " << patch);
    CHECK(shown(after({{original, at(1)}, {patch, at(2)}})) == result);
    CHECK(shown(after({{patch, at(2)}, {original, at(1)}})) == result);
  }
}

TEST_CASE("concurrent changes of different members both survive, also nested", "[sync][document][G3]") {
  const Document base = patched(R"({"pump":{"speed":1,"on":true},"valve":0})", at(1));
  const Document left = joined(base, patched(R"({"pump":{"speed":2}})", at(5, 1)));
  const Document right = joined(base, patched(R"({"pump":{"on":false},"light":{"hall":9}})", at(5, 2)));
  CHECK(shown(joined(left, right)) == R"({"light":{"hall":9},"pump":{"on":false,"speed":2},"valve":0})");
  CHECK(joined(left, right) == joined(right, left));
}

TEST_CASE("of two changes of one member the later wins, and a tie falls to the replica", "[sync][document][G3]") {
  CHECK(shown(after({{R"({"a":"late"})", at(3)}, {R"({"a":"early"})", at(2)}})) == R"({"a":"late"})");
  CHECK(shown(after({{R"({"a":"two"})", at(3, 2)}, {R"({"a":"one"})", at(3, 1)}})) == R"({"a":"two"})");
}

TEST_CASE("a scalar against an object is decided by the stamp", "[sync][document][G3]") {
  CHECK(shown(after({{R"({"a":{"b":1}})", at(2)}, {R"({"a":5})", at(3)}})) == R"({"a":5})");
  CHECK(shown(after({{R"({"a":{"b":1}})", at(3)}, {R"({"a":5})", at(2)}})) == R"({"a":{"b":1}})");
  // What the scalar replaced is gone, what came after it is not.
  CHECK(shown(after({{R"({"a":{"b":1}})", at(1)}, {R"({"a":{"c":3}})", at(3)}, {R"({"a":5})", at(2)}})) ==
        R"({"a":{"c":3}})");
}

TEST_CASE("one write with two values, as only a forger makes it, leaves all nodes alike", "[sync][document][G3]") {
  const Document one = patched(R"({"a":1})", at(3));
  const Document two = patched(R"({"a":2})", at(3));
  const Document object = patched(R"({"a":{"b":3}})", at(3));
  CHECK(joined(one, two) == joined(two, one));
  CHECK(shown(joined(one, object)) == R"({"a":1})");
  CHECK(joined(one, object) == joined(object, one));
  CHECK(Document::decode(joined(one, object).encode()) == joined(one, object));
}

TEST_CASE("what was deleted does not come back with an older write", "[sync][document][G4]") {
  CHECK(shown(after({{R"({"a":null})", at(3)}, {R"({"a":1})", at(2)}})) == R"({})");
  CHECK(shown(after({{R"({"a":null})", at(3)}, {R"({"a":{"b":{"c":1}}})", at(2)}})) == R"({})");
  CHECK(shown(after({{R"({"a":null})", at(3)}, {R"({"a":{"b":1}})", at(4)}})) == R"({"a":{"b":1}})");
}

TEST_CASE("an empty payload deletes the document", "[sync][document][G4]") {
  Document document = after({{R"({"a":1})", at(2)}, {"", at(3)}});
  CHECK_FALSE(document.is_visible());
  CHECK(document.render().empty());
  CHECK_FALSE(document.is_empty());
  REQUIRE(document.apply(as_bytes(R"({"b":2})"), at(1)));
  CHECK_FALSE(document.is_visible());
  REQUIRE(document.apply(as_bytes(R"({"c":3})"), at(4)));
  CHECK(shown(document) == R"({"c":3})");
}

TEST_CASE("numbers keep their digits, strings and arrays their meaning", "[sync][document]") {
  CHECK(shown(patched(R"({"n":18446744073709551615,"m":0.10,"s":"\u00e4","l":[null,{"x":null},[1.0]]})", at(1))) ==
        "{\"l\":[null,{\"x\":null},[1.0]],\"m\":0.10,\"n\":18446744073709551615,\"s\":\"\xC3\xA4\"}");
}

TEST_CASE("members stand in byte order, and a key has one spelling", "[sync][document]") {
  CHECK(shown(after({{R"({"b":1,"a":2,"":3})", at(1)}, {R"({"\u0062":4})", at(2)}})) == R"({"":3,"a":2,"b":4})");
}

TEST_CASE("a patch that is no JSON changes nothing and is named", "[sync][document]") {
  Document document = patched(R"({"a":1})", at(1));
  const Document before = document;
  const Expected<bool> refused = document.apply(as_bytes(R"({"a":2,"b":on})"), at(2));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().category == Category::kInvalidInput);
  CHECK(refused.error().what == "at byte 11: found \"on\", expected a JSON value");
  CHECK_FALSE(document.apply(as_bytes(R"({"a":2,"a":3})"), at(2)));
  CHECK_FALSE(document.apply(as_bytes("{} {}"), at(2)));
  CHECK(document == before);
}

TEST_CASE("a join tells whether it brought anything", "[sync][document]") {
  Document document = patched(R"({"a":1})", at(2));
  CHECK(document.apply(as_bytes(R"({"b":1})"), at(3)).value());
  CHECK_FALSE(document.apply(as_bytes(R"({"b":1})"), at(3)).value());
  CHECK_FALSE(document.apply(as_bytes(R"({"a":9})"), at(1)).value());
}

TEST_CASE("pruning forgets deletions up to the floor, and changes nothing that is seen", "[sync][document][G4]") {
  Document document = after({{R"({"a":1,"b":{"x":1,"y":2},"c":3})", at(1)},
                             {R"({"a":null})", at(2)},
                             {R"({"b":{"x":null}})", at(5)},
                             {R"({"c":{"z":1}})", at(3)}});
  const std::string before = shown(document);
  document.prune({.wall_ms = 3});
  CHECK(shown(document) == before);
  CHECK(document == joined(patched(R"({"b":{"y":2}})", at(1)),
                           joined(patched(R"({"c":{"z":1}})", at(3)), patched(R"({"b":{"x":null}})", at(5)))));
  document.prune({.wall_ms = 5});
  CHECK(shown(document) == before);
  CHECK(document.writes() == std::vector{at(1), at(3), at(5)});
}

TEST_CASE("a deleted document is forgotten as a whole", "[sync][document]") {
  Document document = after({{R"({"a":{"b":1}})", at(2)}, {"", at(3)}});
  document.prune({.wall_ms = 2});
  CHECK_FALSE(document.is_empty());
  document.prune({.wall_ms = 3});
  CHECK(document.is_empty());
  CHECK(document == Document{});
}

TEST_CASE("the writes are those that the state shows the effect of", "[sync][document]") {
  CHECK(Document{}.writes().empty());
  const Document document = after({{R"({"a":1,"b":1})", at(1, 7)}, {R"({"a":2})", at(2, 8)}, {R"({"b":2})", at(3, 7)}});
  CHECK(document.writes() == std::vector{at(2, 8), at(3, 7)});
}

std::string members(std::size_t count, std::string_view prefix) {
  std::string text = "{";
  for (std::size_t i = 0; i < count; ++i) {
    text += (i == 0 ? "\"" : ",\"") + std::string{prefix} + std::to_string(i) + "\":1";
  }
  return text + "}";
}

TEST_CASE("a publish may fill a quarter of a document, and what meets may fill it", "[sync][document][G6]") {
  constexpr std::size_t kMany = kDocumentPublishBytesMax / (kDocumentPlaceBytes + 16);
  Document document;
  REQUIRE(document.publish(as_bytes(members(kMany, "a")), at(1)));
  const Document before = document;
  const Expected<bool> refused = document.publish(as_bytes(members(kMany, "b")), at(2));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().category == Category::kLimit);
  CHECK(document == before);
  for (const std::string_view prefix : {"c", "d", "e"}) {
    REQUIRE(document.join(patched(members(kMany, prefix), at(3))));
  }
  CHECK_FALSE(document.publish(as_bytes(R"({"one more":1})"), at(4)));
  REQUIRE(document.publish(as_bytes(R"({"c0":2})"), at(4)));  // grows nothing
  const Document full = document;
  for (const std::string_view prefix : {"f", "g"}) {
    const Expected<bool> joined = document.join(patched(members(kMany, prefix), at(5)));
    if (!joined) CHECK(joined.error().category == Category::kLimit);
  }
  CHECK(document.size_bytes() <= kDocumentBytesMax);
  CHECK(document.size_bytes() >= full.size_bytes());
  REQUIRE(document.publish({}, at(6)));
  CHECK(document.size_bytes() == kDocumentPlaceBytes);
}

TEST_CASE("a patch beyond the bound is refused before it takes memory", "[sync][document][G6]") {
  const Expected<Document> refused = Document::from_patch(as_bytes(members(kDocumentBytesMax / 8, "")), at(1));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().category == Category::kLimit);
  const std::string long_value = "\"" + std::string(kDocumentBytesMax, 'x') + "\"";
  CHECK_FALSE(Document::from_patch(as_bytes(long_value), at(1)));
}

}  // namespace
}  // namespace hedgerow::sync
