// Feeds a fuzz target what is committed for it, without a fuzzer: every file of a directory, and every beginning of
// every file, since a stranger may stop anywhere. Long files: as many beginnings as kBeginningsMax, evenly.
//
//   fuzz_NAME DIRECTORY        exit status: 0 survived, 1 nothing to replay, 2 usage; else the target's own end
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz.hpp"

namespace {

constexpr std::size_t kBeginningsMax = 1024;

std::vector<std::uint8_t> read(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  return {text.begin(), text.end()};
}

// A copy of exactly that size, so that a sanitizer sees one byte read too many.
void feed(const std::vector<std::uint8_t>& bytes, std::size_t size) {
  const std::vector<std::uint8_t> exact(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
  static_cast<void>(LLVMFuzzerTestOneInput(exact.data(), exact.size()));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s DIRECTORY\n", argc > 0 ? argv[0] : "fuzz");
    return 2;
  }
  std::set<std::filesystem::path> files;  // in one order everywhere
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1], error)) {
    if (entry.is_regular_file()) files.insert(entry.path());
  }
  if (files.empty()) {
    std::fprintf(stderr, "%s: no corpus there: run tests/fuzz/run.sh --keep for this target\n", argv[1]);
    return 1;
  }
  std::size_t inputs = 0;
  for (const std::filesystem::path& file : files) {
    std::fprintf(stderr, "%s\n", file.filename().c_str());  // the last one named is the one that broke
    const std::vector<std::uint8_t> bytes = read(file);
    const std::size_t step = std::max<std::size_t>(1, bytes.size() / kBeginningsMax);
    for (std::size_t size = 0; size < bytes.size(); size += step, ++inputs) feed(bytes, size);
    feed(bytes, bytes.size());
    ++inputs;
  }
  std::printf("%zu files, %zu inputs\n", files.size(), inputs);
  return 0;
}
