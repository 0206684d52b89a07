// The write-ahead log of a run that was cut off: what a loss of power makes of it is no damage, and damage is not taken
// for a loss of power. G1, G5, G11.
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>

#include "daemon/store_sqlite/limits.hpp"
#include "daemon/store_sqlite/log_check.hpp"
#include "tests/contract/store/store_fixture.hpp"

namespace hedgerow::test {

namespace {

constexpr std::size_t kHeadBytes = 32;
constexpr std::size_t kFrameHeadBytes = 24;
constexpr std::size_t kSector = 512;

// After 30 turns, the cell "t" at "value 29" in the log, and "old" in the file. Cut off, it can be put back, with
// another log.
class CutOffStore : public StoreFixture {
 public:
  CutOffStore() {
    REQUIRE(put("old"));
    REQUIRE(database->checkpoint());
    for (int turn = 0; turn < 30; ++turn) REQUIRE(put("value " + std::to_string(turn)));
  }

  static std::string read(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // In place: the database keeps its inode.
  static void write(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }
  [[nodiscard]] std::string log_file() const { return file() + "-wal"; }

  void take_image() {
    image = read(file());
    log = read(log_file());
    REQUIRE(log.size() > 5'000);
    lose_power();
    next_replica = sync::ReplicaId{42};
  }
  void open_with(const std::string& other_log) {
    close();
    for (const auto& entry : std::filesystem::directory_iterator(dir())) {
      if (entry.path() != file()) std::filesystem::remove(entry.path());
    }
    write(file(), image);
    write(log_file(), other_log);
    open();
  }
  // The database is as it was, and stays so.
  void check_nothing_is_lost() {
    CHECK_FALSE(database->report().new_replica);
    CHECK(value() == "value 29");
    REQUIRE(put("after"));
    reopen();
    INFO(database->report().note);
    CHECK_FALSE(database->report().new_replica);
    CHECK(value() == "after");
  }

  std::string image;
  std::string log;
};

std::string with_flipped_bit(std::string bytes, std::size_t at, unsigned bit) {
  bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ (1U << bit));
  return bytes;
}

struct Frame {
  std::size_t at = 0;
  bool commits = false;  // the last one of its transaction
};

// Those of the log as it last began.
std::vector<Frame> frames_of(const std::string& log) {
  const auto at = [&](std::size_t offset) { return static_cast<unsigned char>(log.at(offset)); };
  const std::size_t frame_bytes = kFrameHeadBytes + std::size_t{at(10)} * 256 + at(11);
  std::vector<Frame> frames;
  for (std::size_t frame = kHeadBytes; frame + frame_bytes <= log.size() && log.compare(frame + 8, 8, log, 16, 8) == 0;
       frame += frame_bytes) {
    frames.push_back({.at = frame, .commits = log.compare(frame + 4, 4, std::string(4, '\0')) != 0});
  }
  return frames;
}

bool is_head_parted(const Frame& frame) { return frame.at % kSector > kSector - kFrameHeadBytes; }

// The last frame but one that ends a transaction: what is damaged there was acknowledged, and more after it.
Frame last_but_one(const std::vector<Frame>& frames) {
  std::vector<Frame> ends;
  for (const Frame& frame : frames) {
    if (frame.commits) ends.push_back(frame);
  }
  return ends.at(ends.size() - 2);
}

}  // namespace

TEST_CASE_METHOD(CutOffStore, "a flipped bit in the log's head loses nothing", "[store][G1][G5][G11]") {
  take_image();
  for (std::size_t at = 0; at < kHeadBytes; ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      INFO("bit " << bit << " of byte " << at);
      open_with(with_flipped_bit(log, at, bit));
      CHECK(value() == "value 29");
      if (bit == at % 8) check_nothing_is_lost();
    }
  }
}

TEST_CASE_METHOD(CutOffStore, "a run without syncs that begins beside a damaged log is marked as one", "[store][G5]") {
  take_image();
  syncs_commits = false;
  open_with(with_flipped_bit(log, last_but_one(frames_of(log)).at + kFrameHeadBytes + 100, 0));
  REQUIRE(database->report().fresh);
  CHECK(std::filesystem::exists(file() + ".unsynced"));
  REQUIRE(put("unsynced"));
  lose_power();
  next_replica = sync::ReplicaId{77};
  syncs_commits = true;
  open();
  CHECK(database->report().new_replica);
}

TEST_CASE_METHOD(CutOffStore, "a log that lost its first sector is not taken for none", "[store][G1][G5][G11]") {
  take_image();
  open_with(std::string(kSector, '\0') + log.substr(kSector));
  CHECK(database->report().fresh);
  CHECK(database->report().note.find("hedgerow.db-wal") != std::string::npos);
}

TEST_CASE_METHOD(CutOffStore, "a log's head that was torn as it began anew is no damage, wherever it is torn",
                 "[store][G1]") {
  REQUIRE(database->checkpoint());
  const std::string before = read(log_file());
  REQUIRE(put("lost"));
  const std::string anew = read(log_file());
  REQUIRE(before.substr(0, kHeadBytes) != anew.substr(0, kHeadBytes));
  take_image();
  for (std::size_t at = 1; at < kHeadBytes; ++at) {
    INFO("at byte " << at);
    open_with(anew.substr(0, at) + before.substr(at));
    check_nothing_is_lost();
    open_with(before.substr(0, at) + anew.substr(at, kHeadBytes - at) + before.substr(kHeadBytes));
    check_nothing_is_lost();
  }
}

TEST_CASE_METHOD(StoreFixture, "what a log leaves behind that began anew in vain is taken for no damage",
                 "[store][G1]") {
  for (int turn = 0; turn < 30; ++turn) REQUIRE(put("value " + std::to_string(turn)));
  REQUIRE(database->checkpoint());
  lose_power();
  const std::string path = file() + "-wal";
  REQUIRE(std::filesystem::file_size(path) > 5'000);
  {
    // Of the new head the first 16 bytes reached the disk: it counts one checkpoint more, and has the old salts.
    std::fstream log(path, std::ios::binary | std::ios::in | std::ios::out);
    log.seekp(15);
    log.put(1);
  }
  open();
  CHECK(value() == "value 29");
  REQUIRE(put("after"));
  reopen();
  INFO(database->report().note);
  CHECK_FALSE(database->report().new_replica);
  CHECK(value() == "after");
}

TEST_CASE_METHOD(CutOffStore, "a frame whose first sector did not reach the disk is no damage", "[store][G1]") {
  // Until the last turn has a frame, not its last one, whose head lies in two sectors, the mark of a commit in the
  // first.
  std::size_t parted = 0;
  std::string before;
  for (int turn = 0;; ++turn) {
    REQUIRE(turn < 200);
    before = value();
    REQUIRE(put(std::string(2'000, static_cast<char>('a' + turn % 26))));
    std::vector<Frame> frames = frames_of(read(log_file()));
    frames.pop_back();
    for (; !frames.back().commits; frames.pop_back()) {
      if (is_head_parted(frames.back()) && frames.back().at % kSector <= kSector - 8) parted = frames.back().at;
    }
    if (parted != 0) break;
  }
  take_image();
  // The first eight bytes are those of an earlier log: page 1, and a commit of 37 pages.
  std::string torn = log;
  torn.replace(parted, 8, std::string("\0\0\0\1\0\0\0\x25", 8));
  open_with(torn);
  INFO(database->report().note);
  CHECK_FALSE(database->report().new_replica);
  CHECK(value() == before);
}

TEST_CASE_METHOD(CutOffStore, "damage of a frame that ends a transaction shows, wherever it lies", "[store][G1][G5]") {
  // Once with its head in one sector and once in two.
  for (const bool is_parted : {false, true}) {
    for (std::size_t turn = 0; is_head_parted(last_but_one(frames_of(read(log_file())))) != is_parted; ++turn) {
      REQUIRE(turn < 200);
      REQUIRE(put(std::string(turn % 7 * 300, 'v')));
    }
    take_image();
    const std::size_t at = last_but_one(frames_of(log)).at;
    std::size_t unnoticed = 0;
    write(log_file(), log);
    const auto put_byte = [this](std::size_t byte, const std::string& from) {
      std::fstream file(log_file(), std::ios::binary | std::ios::in | std::ios::out);
      file.seekp(static_cast<std::streamoff>(byte));
      file.put(from[byte]);
    };
    for (std::size_t byte = at; byte < at + kFrameHeadBytes + std::size_t{store_sqlite::kPageBytes}; ++byte) {
      for (unsigned bit = 0; bit < 8; ++bit) {
        put_byte(byte, with_flipped_bit(log, byte, bit));
        if (store_sqlite::damaged_frame(log_file()) != at) ++unnoticed;
      }
      put_byte(byte, log);
    }
    // In two sectors, some bits of the page look like a first sector that did not reach the disk.
    CHECK(unnoticed <= (is_parted ? kSector * 8 / 50 : 0));
    open_with(with_flipped_bit(log, at + 4, 0));
    CHECK(database->report().fresh);
    open_with(log);
  }
}

TEST_CASE_METHOD(StoreFixture, "a log that is damaged where it was synced is not taken for a shorter one",
                 "[store][G1][G5][G11]") {
  SeededRandom bits(pick_seed("damaged log"));
  unsigned set_aside = 0;
  for (int round = 0; round < 40; ++round) {
    for (int turn = 0; turn < 10; ++turn) REQUIRE(put("value " + std::to_string(turn)));
    lose_power();
    std::string log;
    {
      std::ifstream in(file() + "-wal", std::ios::binary);
      log.assign(std::istreambuf_iterator<char>(in), {});
    }
    REQUIRE(log.size() > 5'000);
    const std::size_t at = 32 + bits.below(log.size() - 32);
    log[at] = static_cast<char>(static_cast<unsigned char>(log[at]) ^ (1U << bits.below(8)));
    std::ofstream(file() + "-wal", std::ios::binary) << log;
    next_replica = sync::ReplicaId{static_cast<std::uint64_t>(100 + round)};
    open();
    const std::string held = value();
    INFO("byte " << at << " of " << log.size() << ": " << held << "; " << database->report().note);
    if (database->report().fresh) {
      ++set_aside;
      CHECK(database->report().note.find("hedgerow.db-wal") != std::string::npos);
      CHECK(held == "none");
    } else {
      // The last transaction cannot be told from one that was being written.
      CHECK((held == "value 9" || held == "value 8"));
    }
    close();
    std::filesystem::remove_all(dir());
    std::filesystem::create_directory(dir());
    open();
  }
  CHECK(set_aside > 10);
}

}  // namespace hedgerow::test
