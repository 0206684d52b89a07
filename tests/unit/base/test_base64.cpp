#include <catch2/catch_test_macros.hpp>
#include <string>

#include "sync/base/base64.hpp"

using namespace hedgerow;

TEST_CASE("the examples of RFC 4648", "[base]") {
  const std::pair<std::string_view, std::string_view> examples[] = {{"", ""},
                                                                    {"f", "Zg=="},
                                                                    {"fo", "Zm8="},
                                                                    {"foo", "Zm9v"},
                                                                    {"foob", "Zm9vYg=="},
                                                                    {"fooba", "Zm9vYmE="},
                                                                    {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, coded] : examples) {
    CHECK(to_base64(as_bytes(plain)) == coded);
    CHECK(from_base64(coded) == to_bytes(plain));
  }
}

TEST_CASE("every byte comes through", "[base]") {
  Bytes bytes;
  for (unsigned value = 0; value < 256; ++value) bytes.push_back(static_cast<std::uint8_t>(value));
  CHECK(from_base64(to_base64(bytes)) == bytes);
}

TEST_CASE("what is no base64 is nothing", "[base]") {
  for (const std::string_view text : {"Z", "Zg=", "Zg", "Z===", "====", "Zm9\n", "Zm9v=", "Zh==", "Zm9=", "Zg==Zg=="}) {
    CAPTURE(text);
    CHECK_FALSE(from_base64(text));
  }
}
