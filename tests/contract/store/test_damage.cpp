// Damaged files: what is served is what was written, or refused; what can be saved is, and what a node says that it
// holds stays true. G3, G11.
#include <sqlite3.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <set>

#include "daemon/store_sqlite/crc32c.hpp"
#include "daemon/store_sqlite/gathering_vfs.hpp"
#include "daemon/store_sqlite/limits.hpp"
#include "daemon/store_sqlite/page_seal.hpp"
#include "daemon/store_sqlite/schema.hpp"
#include "tests/contract/store/store_fixture.hpp"

namespace hedgerow::test {

namespace {

using store_sqlite::kPageBytes;

constexpr std::size_t kMuch = std::size_t{64} << 20U;
constexpr sync::ReplicaId kX{0xFFFF'FFFF'FFFF'FF01};
constexpr sync::ChannelNo kFirst{1};
constexpr sync::ChannelNo kSecond{2};

// A closed database with something of each kind; its file can be damaged, and put back.
class FullStore : public StoreFixture {
 public:
  static constexpr std::uint32_t kSegments = 40;
  static constexpr std::uint32_t kCells = 60;

  FullStore() {
    for (const char* name : {"first", "second"}) fill(name);
    REQUIRE(storage().begin());
    node::StoredSession session{.id = 5, .owner = "pump", .client_id = "c", .subscriptions = {}};
    session.subscriptions.emplace_back().filter = "a/#";
    REQUIRE(sessions().put_session(session));
    node::StoredWill will{.session = 5, .principal = {}, .message = {}, .died = {}};
    will.message.topic = "will";
    REQUIRE(sessions().put_will(will));
    REQUIRE(sessions().put_group({.share = "g", .filter = "a/#", .position = 3}));
    REQUIRE(storage().put_clock(arrival, {.wall_ms = 1234}));
    REQUIRE(storage().commit());
    close();
    std::ifstream in(file(), std::ios::binary);
    image.assign(std::istreambuf_iterator<char>(in), {});
    next_replica = sync::ReplicaId{42};
  }

  static Bytes segment_bytes(sync::Seq seq) {
    // Some lie in one page, some in many.
    return Bytes(seq % 5 == 0 ? 9'000 : 150, static_cast<std::uint8_t>(seq));
  }
  static std::string topic(std::uint32_t number) { return "topic/" + std::to_string(number); }
  static std::string payload(std::uint32_t number) {
    return std::string(number % 7 == 0 ? 3'000 : 40, static_cast<char>('a' + number % 26));
  }

  void fill(const char* name) {
    REQUIRE(storage().begin());
    const sync::ChannelNo channel = storage().define_channel(name).value();
    for (sync::Seq seq = 1; seq <= kSegments; ++seq) {
      REQUIRE(storage().append(channel, {.replica = kX,
                                         .first_seq = seq,
                                         .count = 1,
                                         .first_arrival = ++arrival,
                                         .newest_wall_ms = 1000,
                                         .bytes = segment_bytes(seq)}));
    }
    for (std::uint32_t number = 0; number < kCells; ++number) {
      auto message = std::make_shared<sync::Message>();
      message->topic = topic(number);
      message->payload = to_bytes(payload(number));
      REQUIRE(storage().put_cell(channel, {.order = {.stamp = {.wall_ms = 7}, .replica = kX, .seq = number + 1},
                                           .message = std::move(message)}));
    }
    REQUIRE(storage().put_live_cells(channel, kCells));
    REQUIRE(storage().put_replica(channel, {.replica = kX, .seq = kSegments, .head = {}, .trimmed = 0}));
    REQUIRE(storage().add_gap(channel, {.replica = kX, .first = 1, .last = 1, .reason = sync::GapReason::kAge}));
    REQUIRE(storage().stage_page(channel, "peer", 0, Bytes(2'000, 1)));
    REQUIRE(storage().commit());
  }

  // The closed database as an older hedgerowd made it, in the same file.
  void remake_without_seals(int page_bytes, bool leaves_log) const {
    {
      std::ifstream in(file(), std::ios::binary);
      std::ofstream(dir() + "/sealed", std::ios::binary) << in.rdbuf();
      std::ofstream(file(), std::ios::trunc).close();
    }
    sqlite3* raw = nullptr;
    REQUIRE(sqlite3_open(file().c_str(), &raw) == SQLITE_OK);
    sqlite3_db_config(raw, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, leaves_log ? 1 : 0, nullptr);
    std::string sql = "PRAGMA page_size=" + std::to_string(page_bytes) +
                      "; PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; ATTACH '" + dir() +
                      "/sealed' AS sealed;";
    for (const store_sqlite::Migration& migration : store_sqlite::migrations()) sql += migration.sql;
    for (const std::string table : {"node", "channels", "replicas", "segments", "cells", "gaps", "sessions"}) {
      sql += "INSERT INTO main." + table + " SELECT * FROM sealed." + table + ";";
    }
    sql += "PRAGMA application_id=" + std::to_string(store_sqlite::kApplicationId) +
           "; PRAGMA user_version=" + std::to_string(store_sqlite::migrations().size());
    REQUIRE(sqlite3_exec(raw, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(raw);
    REQUIRE(std::filesystem::exists(file() + "-wal") == leaves_log);
  }

  // The directory with this file alone.
  void put_back(const std::string& bytes) {
    close();
    std::filesystem::remove_all(dir());
    std::filesystem::create_directory(dir());
    std::ofstream(file(), std::ios::binary) << bytes;
  }
  [[nodiscard]] std::size_t pages() const { return image.size() / kPageBytes; }

  // Pages, from 1, that hold rows of a table or index.
  [[nodiscard]] std::vector<std::size_t> pages_of(const std::string& name) const {
    const store_sqlite::GatheringVfs vfs("");
    sqlite3* raw = nullptr;
    REQUIRE(sqlite3_open_v2(file().c_str(), &raw, SQLITE_OPEN_READWRITE, vfs.name().c_str()) == SQLITE_OK);
    std::vector<std::size_t> found;
    const std::string sql = "SELECT rootpage FROM sqlite_schema WHERE name='" + name + "'";
    sqlite3_exec(
        raw, sql.c_str(),
        [](void* into, int, char** values, char**) {
          static_cast<std::vector<std::size_t>*>(into)->push_back(std::stoul(values[0]));
          return 0;
        },
        &found, nullptr);
    sqlite3_close(raw);
    REQUIRE(found.size() == 1);
    // From the root down: an interior page names its children; the leaves are what we want.
    std::vector<std::size_t> leaves;
    const auto at = [&](std::size_t page, std::size_t offset) {
      return static_cast<std::size_t>(static_cast<std::uint8_t>(image[(page - 1) * kPageBytes + offset]));
    };
    const auto number = [&](std::size_t page, std::size_t offset) {
      return (at(page, offset) << 24U) | (at(page, offset + 1) << 16U) | (at(page, offset + 2) << 8U) |
             at(page, offset + 3);
    };
    while (!found.empty()) {
      const std::size_t page = found.back();
      found.pop_back();
      const std::size_t type = at(page, 0);
      if (type == 0x0D || type == 0x0A) {
        leaves.push_back(page);
        continue;
      }
      found.push_back(number(page, 8));
      const std::size_t cells = (at(page, 3) << 8U) | at(page, 4);
      for (std::size_t cell = 0; cell < cells; ++cell) {
        const std::size_t begin = (at(page, 12 + 2 * cell) << 8U) | at(page, 13 + 2 * cell);
        found.push_back(number(page, begin));
      }
    }
    return leaves;
  }
  [[nodiscard]] std::string with_flipped_bit(std::size_t page, std::size_t byte, unsigned bit) const {
    std::string bytes = image;
    char& at = bytes[(page - 1) * kPageBytes + byte];
    at = static_cast<char>(static_cast<unsigned char>(at) ^ (1U << bit));
    return bytes;
  }

  // Reads everything that is served, and compares it. False: it was refused, as corrupt.
  bool read_all() {
    const auto view = views().open_view();
    if (!view) return refused(view.error());
    const auto all_cells = std::to_array({kFirst, kSecond});
    for (const sync::ChannelNo channel : all_cells) {
      const auto replicas = (*view)->replicas(channel);
      if (!replicas) return refused(replicas.error());
      const auto cells = (*view)->cells(channel, "", "", kMuch);
      if (!cells) return refused(cells.error());
      const auto segments = (*view)->segments_after(channel, 0, kMuch);
      if (!segments) return refused(segments.error());
      if (replicas->empty()) {  // it starts empty
        CHECK(cells->empty());
        CHECK(segments->empty());
        continue;
      }
      check_cells(*cells);
      check_log(*segments, replicas->at(0));
      for (std::uint32_t number = 0; number < kCells; ++number) {
        const auto cell = (*view)->cell(channel, topic(number));
        if (!cell) return refused(cell.error());
        CHECK((*cell && as_text((**cell).message->payload) == payload(number)));
      }
      const auto by_seq = (*view)->segments(channel, kX, 1, kMuch);
      if (!by_seq) return refused(by_seq.error());
      check_log(*by_seq, replicas->at(0));
      if (const auto gaps = (*view)->gaps(channel); !gaps) return refused(gaps.error());
    }
    return true;
  }
  static bool refused(const Error& error) {
    CHECK(error.category == Category::kCorrupt);
    CHECK(error.what.find("hedgerow.db") != std::string::npos);
    return false;
  }
  static void check_cells(const std::vector<sync::Cell>& cells) {
    CHECK(cells.size() == kCells);
    for (const sync::Cell& cell : cells) {
      const auto number = static_cast<std::uint32_t>(std::stoul(cell.message->topic.substr(6)));
      CHECK(as_text(cell.message->payload) == payload(number));
    }
  }
  // Every op that the frontier says is in the log is there, as it was written.
  static void check_log(const std::vector<sync::SegmentRow>& rows, const sync::ReplicaState& frontier) {
    std::set<sync::Seq> there;
    for (const sync::SegmentRow& row : rows) {
      CHECK(row.bytes == segment_bytes(row.first_seq));
      there.insert(row.first_seq);
    }
    CHECK(frontier.seq == kSegments);
    for (sync::Seq seq = frontier.trimmed + 1; seq <= frontier.seq; ++seq) CHECK(there.contains(seq));
  }
  // Opens what put_back() left. Twice where the first use finds damage: then it must be sound.
  void open_and_read() {
    for (int attempt = 0; attempt < 2; ++attempt) {
      const auto opened = try_open();
      if (!opened) FAIL(opened.error().what);
      const bool served = read_all();
      if (served && attempt > 0) CHECK(database->report().new_replica);
      if (served) return;
      // As the daemon would: nothing more is taken, and it ends.
      CHECK_FALSE(storage().begin());
      close();
      next_replica = sync::ReplicaId{43};
    }
    FAIL("damage was found again after it had been dealt with: " << database->report().note);
  }

  std::string image;
  sync::Arrival arrival = 0;
};

TEST_CASE_METHOD(StoreFixture, "a damaged head of a frame hides no transaction behind it", "[store][G1][G5][G11]") {
  for (int turn = 0; turn < 10; ++turn) REQUIRE(put("value " + std::to_string(turn)));
  lose_power();
  const auto contents_of = [](const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  const std::string database_image = contents_of(file());
  const std::string log_image = contents_of(file() + "-wal");
  constexpr std::size_t kHeadBytes = 24;
  const auto page_bytes = static_cast<std::size_t>(static_cast<unsigned char>(log_image.at(10))) * 256;
  for (std::size_t from_end = 2; from_end <= 4; ++from_end) {
    for (std::size_t byte = 0; byte < kHeadBytes; ++byte) {
      std::string log = log_image;
      const std::size_t at = log.size() - from_end * (kHeadBytes + page_bytes) + byte;
      log.at(at) = static_cast<char>(static_cast<unsigned char>(log.at(at)) ^ 0x10U);
      close();
      std::filesystem::remove_all(dir());
      std::filesystem::create_directory(dir());
      std::ofstream(file(), std::ios::binary) << database_image;
      std::ofstream(file() + "-wal", std::ios::binary) << log;
      next_replica = sync::ReplicaId{100 + at};
      open();
      INFO("byte " << byte << " of frame " << from_end << " from the end: " << value());
      if (!database->report().fresh) CHECK((value() == "value 9" || value() == "value 8"));
    }
  }
}

}  // namespace

TEST_CASE("CRC-32C is that of RFC 3720", "[store]") {
  CHECK(store_sqlite::crc32c(0, as_bytes("123456789")) == 0xE306'9283);
  CHECK(store_sqlite::crc32c(0, Bytes(32, 0)) == 0x8A91'36AA);
  CHECK(store_sqlite::crc32c(0, Bytes(32, 0xFF)) == 0x62A8'AB43);
}

TEST_CASE_METHOD(FullStore, "every page of a closed database has its seal", "[store][G11]") {
  store_sqlite::PageSeal seal;
  seal.learn(reinterpret_cast<const std::uint8_t*>(image.data()));
  REQUIRE(seal.page_bytes() == kPageBytes);
  std::size_t sealed = 0;
  for (std::size_t at = 0; at < image.size(); at += kPageBytes) {
    if (seal.holds(reinterpret_cast<const std::uint8_t*>(image.data()) + at, at)) ++sealed;
  }
  CHECK(sealed == pages());
}

TEST_CASE_METHOD(FullStore, "a flipped bit in any page is found, or in nobody's way", "[store][G11]") {
  SeededRandom bits(pick_seed("flipped bits"));
  for (std::size_t page = 1; page <= pages(); page += 1 + bits.below(6)) {
    const std::size_t byte = bits.below(kPageBytes);
    const auto bit = static_cast<unsigned>(bits.below(8));
    INFO("page " << page << " byte " << byte << " bit " << bit);
    put_back(with_flipped_bit(page, byte, bit));
    open_and_read();
  }
}

TEST_CASE_METHOD(FullStore, "a few bytes of rubbish anywhere are found", "[store][G11]") {
  SeededRandom bits(pick_seed("rubbish"));
  for (int round = 0; round < 30; ++round) {
    std::string bytes = image;
    for (std::size_t i = 0; i < 4; ++i) {
      const std::size_t at = bits.below(bytes.size() - 16);
      for (std::size_t k = 0; k < 16; ++k) bytes[at + k] = static_cast<char>(bits.below(256));
    }
    put_back(bytes);
    open_and_read();
  }
}

TEST_CASE_METHOD(FullStore, "a file that ends too early is never served in part without a word", "[store][G11]") {
  for (std::size_t length = 0; length < image.size(); length += 17 * kPageBytes + 100) {
    INFO("length " << length);
    put_back(image.substr(0, length));
    open_and_read();
  }
}

TEST_CASE_METHOD(FullStore, "files of others and of nobody are set aside", "[store][G11]") {
  for (const std::string& bytes :
       {std::string(image.size(), '\0'), std::string(image.size(), '\xFF'), std::string("not a database"),
        std::string(5'000, 'x'), image.substr(kPageBytes), image.substr(0, 16) + std::string(10'000, '\0')}) {
    put_back(bytes);
    open_and_read();
    CHECK(database->report().fresh);
    CHECK(std::filesystem::exists(file() + ".corrupt-1"));
  }
}

TEST_CASE_METHOD(FullStore, "a page in another's place is found", "[store][G11]") {
  const std::vector<std::size_t> cells = pages_of("cells");
  REQUIRE(cells.size() > 2);
  std::string bytes = image;
  bytes.replace((cells[0] - 1) * kPageBytes, kPageBytes, image, (cells[1] - 1) * kPageBytes, kPageBytes);
  put_back(bytes);
  open();
  CHECK_FALSE(read_all());
}

TEST_CASE_METHOD(FullStore, "damage is told with its place and the remedy", "[store][G11]") {
  const std::size_t page = pages_of("cells").at(3);
  put_back(with_flipped_bit(page, 300, 1));
  open();
  const auto view = views().open_view().value();
  const auto cells = view->cells(kFirst, "", "", kMuch);
  const auto others = view->cells(kSecond, "", "", kMuch);
  REQUIRE((!cells || !others));
  const std::string said = cells ? others.error().what : cells.error().what;
  CHECK(said.find("byte " + std::to_string((page - 1) * kPageBytes)) != std::string::npos);
  CHECK(said.find("restart hedgerowd") != std::string::npos);
}

TEST_CASE_METHOD(FullStore, "a damaged index loses nothing", "[store][G11]") {
  for (const char* name : {"segments_by_seq", "sqlite_autoindex_cells_1"}) {
    put_back(with_flipped_bit(pages_of(name).at(0), 200, 3));
    open_and_read();
    CHECK(database->report().new_replica);
    CHECK(database->report().note.find("lost") == std::string::npos);
    CHECK(views().open_view().value()->segments_after(0, kMuch).value().size() == 2 * kSegments);
    CHECK(sessions().load_sessions().value().size() == 1);
    put_back(image);
  }
}

TEST_CASE_METHOD(FullStore, "a damaged page of the log loses its segments alone, which become a gap", "[store][G11]") {
  put_back(with_flipped_bit(pages_of("segments").at(4), 400, 3));
  open_and_read();
  CHECK(database->report().new_replica);
  CHECK(database->report().note.find("messages of the log") != std::string::npos);
  CHECK(read_all());
  const auto view = views().open_view().value();
  const std::size_t held = view->segments_after(0, kMuch).value().size();
  CHECK(held < 2 * kSegments);
  CHECK(held > 2 * kSegments - 8);
  std::size_t lost = 0;
  for (const sync::ChannelNo channel : {kFirst, kSecond}) {
    const std::vector<sync::Gap> gaps = view->gaps(channel).value();
    for (const sync::Gap& gap : gaps) {
      if (gap.reason == sync::GapReason::kDamaged) lost += gap.last - gap.first + 1;
    }
    const auto rows = view->segments_after(channel, 0, kMuch).value();
    std::uint64_t bytes = 0;
    for (const sync::SegmentRow& row : rows) bytes += row.bytes.size();
    CHECK(storage().log_totals(channel).bytes == bytes);
    CHECK(storage().log_totals(channel).ops == rows.size());
  }
  CHECK(lost == 2 * kSegments - held);
  CHECK(sessions().load_sessions().value().size() == 1);
  CHECK(storage().load().value().last_arrival == arrival);
}

TEST_CASE_METHOD(FullStore, "a damaged cell empties its channel, and no other", "[store][G3][G11]") {
  put_back(with_flipped_bit(pages_of("cells").back(), 400, 3));
  open_and_read();
  const sync::StoredState state = storage().load().value();
  REQUIRE(state.channels.size() == 2);
  CHECK((state.channels[0].replicas.empty() != state.channels[1].replicas.empty()));
  for (const sync::ChannelState& channel : state.channels) {
    CHECK(channel.live_cells == (channel.replicas.empty() ? 0 : kCells));
  }
  CHECK(std::filesystem::exists(file() + ".corrupt-1"));
}

TEST_CASE_METHOD(FullStore, "a header that says the wrong thing of the pages is mended", "[store][G11]") {
  for (const std::size_t byte : {std::size_t{16}, std::size_t{17}, std::size_t{20}}) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      put_back(with_flipped_bit(1, byte, bit));
      open();
      CHECK(read_all());
      CHECK(views().open_view().value()->segments_after(0, kMuch).value().size() == 2 * kSegments);
    }
  }
}

TEST_CASE_METHOD(FullStore, "a log of rubbish is no log", "[store][G11]") {
  SeededRandom bits(pick_seed("rubbish log"));
  for (const std::size_t length : {1U, 31U, 32U, 5'000U, 300'000U}) {
    put_back(image);
    std::string rubbish;
    for (std::size_t i = 0; i < length; ++i) rubbish.push_back(static_cast<char>(bits.below(256)));
    std::ofstream(file() + "-wal", std::ios::binary) << rubbish;
    open_and_read();
  }
}

TEST_CASE_METHOD(FullStore, "a move to a new file can be cut short anywhere", "[store][G11]") {
  // Whole and synced under its next name; the old file is there still, with its log or without.
  for (const bool has_log : {true, false}) {
    put_back(image);
    std::filesystem::rename(file(), file() + ".next");
    std::ofstream(file()) << "what was there before";
    if (has_log) std::ofstream(file() + "-wal") << "and its log";
    open();
    CHECK(read_all());
    CHECK(views().open_view().value()->segments_after(0, kMuch).value().size() == 2 * kSegments);
    CHECK_FALSE(std::filesystem::exists(file() + ".next"));
  }
}

TEST_CASE_METHOD(FullStore, "a database without seals gets them, and goes on as the same replica", "[store][G5][G11]") {
  // Pages of more than 4 KiB never have seals. What a run that did not end by itself wrote is in its log.
  for (const int page_bytes : {512, 8192}) {
    for (const bool was_cut_off : {false, true}) {
      INFO("pages of " << page_bytes << (was_cut_off ? ", cut off" : ""));
      put_back(image);
      open();
      const sync::ReplicaId self = storage().load().value().self;
      close();
      remake_without_seals(page_bytes, was_cut_off);
      open();
      CHECK(database->report().note.empty());
      CHECK_FALSE(database->report().new_replica);
      CHECK(storage().load().value().self == self);
      CHECK(read_all());
      close();
      if (was_cut_off || page_bytes > static_cast<int>(store_sqlite::kPageBytesMax)) continue;
      std::ifstream in(file(), std::ios::binary);
      std::array<char, 100> header{};
      in.read(header.data(), header.size());
      CHECK(header[20] == static_cast<char>(store_sqlite::kSealBytes));
    }
  }
}

}  // namespace hedgerow::test
