#include "tests/sim/options.hpp"

#include <chrono>

namespace hedgerow::sim {
namespace {

using std::chrono::milliseconds;

// From here on neither a mesh nor a star: a node has at most kLinksMax links.
constexpr std::size_t kFewNodes = 32;

unsigned chance(Random& random, unsigned per_mille_max) {
  return random.one_in(2) ? 0 : 1 + static_cast<unsigned>(random.below(per_mille_max));
}

milliseconds between(Random& random, std::size_t low_ms, std::size_t high_ms) {
  return milliseconds(static_cast<std::int64_t>(low_ms + random.below(high_ms - low_ms + 1)));
}

// The same troubles, each for hours instead of seconds.
void stretch(Options& out, Random& random) {
  using std::chrono::hours;
  out.network.redial_max = between(random, 10'000, 120'000);
  out.network.unnoticed_max = between(random, 1, 120'000);
  out.faults.clog_max = hours(3);
  out.faults.deaf_max = hours(12);
  out.faults.partition_max = hours(72);
  out.faults.down_max = hours(48);
  // As cheap crystals do; the time is asked for once a day.
  out.clocks.drift_per_mille = random.one_in(2) ? 1 : 0;
  out.clocks.corrected_after = hours(25);
  out.clocks.learnt_after = hours(48);
  out.keep_age = hours(static_cast<int>(1 + random.below(24 * 30)));
}

}  // namespace

Options draw_options(std::uint64_t seed, std::size_t nodes, std::size_t steps, const Mode& mode) {
  Random random(seed ^ 0x6F70'7469'6F6E'7321U);
  Options out;
  out.seed = seed;
  out.nodes = nodes;
  out.steps = steps;
  out.topology = static_cast<Topology>(random.below(3));
  out.network.delay_min = between(random, 0, 5);
  out.network.delay_max = out.network.delay_min + between(random, 1, 200);
  out.network.drop_per_mille = chance(random, 100);
  out.network.duplicate_per_mille = chance(random, 100);
  out.network.unnoticed_max = between(random, 1, 5000);
  out.network.redial_max = between(random, 10, 2000);
  out.network.both_dial = random.one_in(3);
  out.faults.break_per_mille = chance(random, 60);
  out.faults.partition_per_mille = chance(random, 30);
  out.faults.clog_per_mille = chance(random, 30);
  out.faults.crash_per_mille = chance(random, 40);
  out.faults.clock_jump_per_mille = chance(random, 20);
  out.faults.disk_full_per_mille = chance(random, 150);
  out.clocks.skew_max = random.one_in(2) ? between(random, 0, 100) : between(random, 0, 120'000);
  const bool keeps_all = random.one_in(3);
  out.keep_bytes = keeps_all ? std::uint64_t{1} << 30U : 1000 + random.below(20'000);
  out.trim_per_mille = keeps_all ? 0 : 1 + static_cast<unsigned>(random.below(200));
  out.payload_bytes_max = random.one_in(4) ? 20'000 : 1 + random.below(300);
  out.answer_bytes_max = random.one_in(2) ? std::size_t{256} << 10U : 100 + random.below(4000);
  out.network.slow_max = random.one_in(3) ? between(random, 1, 3000) : milliseconds(0);
  out.faults.deaf_per_mille = chance(random, 15);
  out.faults.forge_per_mille = random.one_in(6) ? 1 + static_cast<unsigned>(random.below(20)) : 0;
  out.faults.wipe_per_mille = chance(random, 200);
  out.faults.restore_per_mille = chance(random, 300);
  out.faults.clone_per_mille = chance(random, 200);
  out.clocks.drift_per_mille = random.one_in(2) ? static_cast<unsigned>(random.below(50)) : 0;
  out.clocks.has_no_rtc = random.one_in(3);
  out.faults.unnoticed_per_mille = random.one_in(3) ? 0 : 1 + static_cast<unsigned>(random.below(1000));
  out.keep_age = random.one_in(3) ? between(random, 1000, 20'000) : milliseconds(86'400'000);
  out.remote_commit = random.one_in(3) ? milliseconds(0) : between(random, 1, random.one_in(2) ? 100 : 8000);
  out.faults.down_max = std::chrono::seconds(10);
  out.faults.clog_max = std::chrono::seconds(20);
  out.faults.deaf_max = std::chrono::seconds(30);
  out.faults.partition_max = std::chrono::seconds(20);
  out.clocks.learnt_after = std::chrono::seconds(20);
  out.clocks.corrected_after = std::chrono::seconds(1000);
  out.mode = mode;
  if (nodes > kFewNodes) out.topology = Topology::kSparse;
  if (mode.sqlite) {
    out.faults.down_max = milliseconds(200);
    // One or the other: after a failed sync the store renames files, which a disk without power would not let it.
    if (random.one_in(4)) {
      out.faults.failed_sync_per_mille = 500;
      out.faults.crash_per_mille = 40;
    } else {
      out.faults.cut_after_writes_max = 20 + random.below(400);
    }
  }
  // Some of the usual draw, too; years have their share of forks without it.
  if (mode.forks || (random.one_in(8) && mode.hours == 0)) {
    out.faults.crash_per_mille = 20 + static_cast<unsigned>(random.below(40));
    out.faults.wipe_per_mille = 0;
    out.faults.restore_per_mille = 200 + static_cast<unsigned>(random.below(300));
    out.faults.clone_per_mille = static_cast<unsigned>(random.below(300));
    out.faults.unnoticed_per_mille = 1000;
    out.faults.forge_per_mille = 0;
    out.faults.down_max = milliseconds(1 + random.below(3000));
  }
  if (mode.sessions) {
    out.faults.client_per_mille = 1 + static_cast<unsigned>(random.below(100));
    out.faults.clock_jump_per_mille = out.faults.forge_per_mille = 0;
    if (!random.one_in(3)) out.faults.disk_full_per_mille = 0;
    out.faults.wipe_per_mille = out.faults.restore_per_mille = out.faults.clone_per_mille = 0;
    out.faults.unnoticed_per_mille = 0;
    out.keep_bytes = std::uint64_t{1} << 30U;
    out.keep_age = std::chrono::hours(24 * 365);
    out.trim_per_mille = 0;
  }
  if (mode.hours > 0) stretch(out, random);
  if (mode.tranquil) {
    out.faults = {};
    out.network.drop_per_mille = 0;
    out.network.duplicate_per_mille = 0;
    out.network.slow_max = {};
    out.keep_bytes = std::uint64_t{1} << 30U;
    out.trim_per_mille = 0;
  }
  out.keeps_unevenly = random.one_in(2);
  // Some of the usual draw, too. What fills a gap takes a board that comes back empty, and meets first who keeps
  // little.
  if (mode.fills || (mode == Mode{} && random.one_in(4))) {
    out.topology = nodes > kFewNodes ? Topology::kSparse : Topology::kMesh;
    out.keeps_unevenly = true;
    out.keep_age = std::chrono::hours(24);
    out.keep_bytes = 2000 + random.below(20'000);
    out.trim_per_mille = 200 + static_cast<unsigned>(random.below(200));
    out.payload_bytes_max = 1 + random.below(300);
    out.faults.crash_per_mille = 20 + static_cast<unsigned>(random.below(40));
    out.faults.wipe_per_mille = 1000;
    out.faults.forge_per_mille = out.faults.restore_per_mille = out.faults.clone_per_mille = 0;
  }
  return out;
}

Duration clock_error(const ClockOptions& clocks) {
  return clocks.skew_max + clocks.corrected_after / 1000 * static_cast<int>(clocks.drift_per_mille) +
         std::chrono::seconds(1);
}

std::string describe(const Options& options) {
  const auto ms = [](Duration duration) {
    return std::to_string(std::chrono::duration_cast<milliseconds>(duration).count()) + " ms";
  };
  std::string out = std::to_string(options.nodes) + " nodes";
  if (options.mode.hours > 0) out += " for " + std::to_string(options.mode.hours) + " hours";
  out += " in a ";
  switch (options.topology) {
    case Topology::kMesh: out += "mesh"; break;
    case Topology::kLine: out += "line"; break;
    case Topology::kStar: out += "star"; break;
    case Topology::kSparse: out += "sparse mesh"; break;
  }
  out += ", delay " + ms(options.network.delay_min) + " to " + ms(options.network.delay_max);
  const auto add = [&out](const char* what, unsigned per_mille) {
    if (per_mille > 0) out += ", " + std::string(what) + " " + std::to_string(per_mille);
  };
  add("drop", options.network.drop_per_mille);
  add("duplicate", options.network.duplicate_per_mille);
  add("break", options.faults.break_per_mille);
  add("partition", options.faults.partition_per_mille);
  add("clog", options.faults.clog_per_mille);
  add("deaf", options.faults.deaf_per_mille);
  add("crash", options.faults.crash_per_mille);
  add("clients", options.faults.client_per_mille);
  add("clock jump", options.faults.clock_jump_per_mille);
  add("disk full", options.faults.disk_full_per_mille);
  add("forge", options.faults.forge_per_mille);
  add("wipe", options.faults.wipe_per_mille);
  add("restore", options.faults.restore_per_mille);
  add("clone", options.faults.clone_per_mille);
  add("unnoticed", options.faults.unnoticed_per_mille);
  add("trim", options.trim_per_mille);
  out += " (per mille), skew " + ms(options.clocks.skew_max);
  add("drift", options.clocks.drift_per_mille);
  if (options.clocks.has_no_rtc) out += ", no RTC";
  out += ", keep " + ms(options.keep_age) + " or " + std::to_string(options.keep_bytes) + " B" +
         (options.keeps_unevenly ? ", four times as much at every other" : "");
  if (options.network.slow_max.count() > 0) out += ", one way slower by up to " + ms(options.network.slow_max);
  out += ", answers of " + std::to_string(options.answer_bytes_max) + " B";
  if (options.network.both_dial) out += ", both sides dial";
  if (options.remote_commit.count() > 0) out += ", remote commit " + ms(options.remote_commit);
  return out;
}

}  // namespace hedgerow::sim
