// The firmware of firmware-shim/examples/mps2_an385 on an emulated Cortex-M3, its UART joined to the real daemon by a
// line that drops and corrupts bytes, while the daemon is killed. HEDGEROW_FIRMWARE names the image (tests/run.sh
// builds it and sets it).
#include <poll.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "tests/e2e/bad_line.hpp"
#include "tests/e2e/mosquitto.hpp"
#include "tests/e2e/readings.hpp"

namespace hedgerow::test {
namespace {

constexpr std::size_t kReadings = 10'000;  // READINGS of the firmware
// The emulated UART gives bytes one by one, the daemon whole frames: about one frame in a thousand is hit either way.
constexpr std::size_t kBytesUpADamage = 20'000;
constexpr std::size_t kFramesDownADamage = 1'000;

enum class Sealing : bool { kPlain, kSealed };

// The board, the line and the daemon.
class Field {
 public:
  Field(const std::string& image, Sealing sealing)
      : daemon_{{.settings = "\"things\": {\"serial\": [\"tcp:127.0.0.1:" + std::to_string(to_daemon_.port()) +
                             (sealing == Sealing::kSealed ? "\"]}" : "\"], \"plaintext\": \"accepted\"}")}},
        board_({.arguments = board(image, sealing), .environment = {}, .input = {}}) {
    daemon_.start();
  }

  // Carries what comes, until the condition holds; it is asked five times a second.
  template <class Condition>
  void run_until(Condition holds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{1'500};
    while (!holds()) {
      const auto begin = std::chrono::steady_clock::now();
      if (begin > deadline) FAIL("the board waits in vain:\n" + daemon_.log());
      while (std::chrono::steady_clock::now() < begin + std::chrono::milliseconds{200}) carry();
    }
  }
  Daemon& daemon() { return daemon_; }

 private:
  // QEMU's loader flashes the key.
  std::vector<std::string> board(const std::string& image, Sealing sealing) {
    std::vector<std::string> arguments = {"qemu-system-arm",
                                          "-M",
                                          "mps2-an385",
                                          "-display",
                                          "none",
                                          "-monitor",
                                          "none",
                                          "-serial",
                                          "tcp:127.0.0.1:" + std::to_string(to_board_.port()) + ",nodelay=on",
                                          "-kernel",
                                          image};
    if (sealing == Sealing::kPlain) return arguments;
    const std::filesystem::path key = daemon_.data() / "field-1.key";
    std::ofstream(key, std::ios::binary) << daemon_.add_thing("field-1");
    arguments.insert(arguments.end(), {"-device", "loader,file=" + key.string() + ",addr=0x3ff000,force-raw=on"});
    return arguments;
  }
  void carry() {
    std::array<pollfd, 2> ready = {pollfd{.fd = to_board_.descriptor(), .events = POLLIN, .revents = 0},
                                   pollfd{.fd = to_daemon_.descriptor(), .events = POLLIN, .revents = 0}};
    ::poll(ready.data(), ready.size(), 100);
    Bytes up = to_board_.read();
    Bytes down = to_daemon_.read();
    damage_one_in(kBytesUpADamage, random_, up);
    damage_one_in(kFramesDownADamage, random_, down);
    to_daemon_.write(up);
    to_board_.write(down);
  }

  SeededRandom random_{pick_seed("firmware over a bad line")};
  LineEnd to_board_;
  LineEnd to_daemon_;
  Daemon daemon_;
  Process board_;
};

std::unique_ptr<Field> field(Sealing sealing = Sealing::kSealed) {
  const char* image = std::getenv("HEDGEROW_FIRMWARE");
  if (image == nullptr) SKIP("HEDGEROW_FIRMWARE is not set: tests/run.sh builds the firmware");
  return std::make_unique<Field>(image, sealing);
}

// Kills the daemon so many times on the way to `count` readings; what is stored has no gap and is in order.
void check_readings(Field& field, std::size_t count, std::size_t kills) {
  std::size_t killed = 0;
  field.run_until([&] {
    const std::vector<std::size_t> latest = stored_readings(field.daemon(), "field/again", /*only_latest=*/true);
    const std::size_t stored = latest.empty() ? 0 : latest.back();
    if (killed < kills && stored > (killed + 1) * count / (kills + 1)) {
      field.daemon().restart();
      ++killed;
    }
    return killed == kills && stored >= count;
  });
  const std::vector<std::size_t> once = stored_readings(field.daemon(), "field/once");
  CHECK(once == numbers_to(once.size()));
  CHECK(once.size() >= count);
  const std::vector<std::size_t> again = stored_readings(field.daemon(), "field/again");
  const std::size_t different = first_copies(again).size();
  CHECK(first_copies(again) == numbers_to(different));
  CHECK(again.size() - different <= kills);
  WARN("QoS 1: " << again.size() - different << " doubles in " << different << " readings and " << kills << " kills");
}

TEST_CASE("an emulated board's readings are stored in order, without gap, though the daemon is killed",
          "[e2e][things][firmware][G1][G7]") {
  const auto here = field();
  check_readings(*here, 300, 3);
}

TEST_CASE("an emulated board that cannot seal its messages loses nothing either", "[e2e][things][firmware][G1]") {
  const auto here = field(Sealing::kPlain);
  check_readings(*here, 300, 3);
}

TEST_CASE("ten thousand readings of each kind from an emulated board, twenty kills",
          "[e2e][things][firmware][G1][slow]") {
  const auto here = field();
  check_readings(*here, kReadings, 20);
}

TEST_CASE("a message switches an output of the emulated board, which says so", "[e2e][things][firmware]") {
  const auto here = field();
  MosquittoSub subscriber(here->daemon().port(), {"field/lit"}, {"-q", "1"});
  mosquitto_pub(here->daemon().port(), "field/led", "on", {"-q", "1", "-r"});
  std::string lit;
  here->run_until([&] {
    if (lit.empty()) lit = subscriber.next(std::chrono::milliseconds{1});
    return !lit.empty();
  });
  CHECK(lit == "1 0 field/lit on");
}

}  // namespace
}  // namespace hedgerow::test
