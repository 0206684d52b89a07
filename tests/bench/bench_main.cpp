// hedgerow-bench: the load client of run.sh, which says what is measured and against whom. Knows no broker by name.
//
// One load a call; its figures are one line of NAME=VALUE on standard output.
#include <charconv>
#include <cstdio>
#include <exception>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

#include "tests/bench/loads.hpp"
#include "tests/bench/stream.hpp"

namespace {

using namespace hedgerow::bench;

constexpr const char* kUsage =
    "usage: hedgerow-bench acked --port P --clients N --window N --count N --seconds N\n"
    "       hedgerow-bench latency --from PORT --to PORT --qos 0|1 --rate N --seconds N\n"
    "       hedgerow-bench flow --port P --tls FILE|no --publishers N --subscribers N --qos 0|1 --bytes N --seconds N\n"
    "       hedgerow-bench idle --port P --tls FILE|no --count N --seconds N\n"
    "       hedgerow-bench probe --from PORT --to PORT --qos 0|1      publish until a message comes through\n"
    "       hedgerow-bench wait --port P                              until a broker accepts a client\n"
    "       hedgerow-bench sync --dir DIR                             what a sync of the disk costs there\n"
    "       hedgerow-bench reflector --seconds N                      a broker that only acknowledges and forwards\n"
    "       hedgerow-bench fill --port P --count N --window N          an outage's telemetry between two markers\n"
    "       hedgerow-bench collect --port P --filter F --count N --seconds N\n"
    "       hedgerow-bench relay --to PORT --seconds N                a link that can be cut, and counts\n"
    "       hedgerow-bench free-port\n";

struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Arguments {
 public:
  Arguments(int argc, char** argv) {
    for (int i = 2; i < argc; i += 2) {
      if (i + 1 == argc) throw UsageError(std::string(argv[i]) + " has no value");
      values_[argv[i]] = argv[i + 1];
    }
  }

  [[nodiscard]] std::string text(const std::string& name) const {
    const auto found = values_.find(name);
    if (found == values_.end()) throw UsageError(name + " is missing");
    return found->second;
  }

  [[nodiscard]] std::uint64_t number(const std::string& name, std::uint64_t least, std::uint64_t most) const {
    const std::string value = text(name);
    std::uint64_t result = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), result);
    if (error != std::errc{} || end != value.data() + value.size() || result < least || result > most) {
      throw UsageError(name + " is '" + value + "': give a number from " + std::to_string(least) + " to " +
                       std::to_string(most));
    }
    return result;
  }

  [[nodiscard]] std::uint16_t port(const std::string& name) const {
    return static_cast<std::uint16_t>(number(name, 1, 65535));
  }
  [[nodiscard]] std::chrono::seconds seconds() const {
    return std::chrono::seconds{static_cast<std::int64_t>(number("--seconds", 1, 600))};
  }

 private:
  std::map<std::string, std::string> values_;
};

void acked(const Arguments& arguments) {
  const AckedResult result = run_acked({.port = arguments.port("--port"),
                                        .clients = arguments.number("--clients", 1, 50),
                                        .window = arguments.number("--window", 1, 10'000),
                                        .count = arguments.number("--count", 100, 10'000'000),
                                        .limit = arguments.seconds()});
  std::printf("rate=%.0f acked=%llu seconds=%.2f client_busy=%.2f\n",
              static_cast<double>(result.acked) / result.seconds, static_cast<unsigned long long>(result.acked),
              result.seconds, result.client_busy);
}

LatencyLoad way(const Arguments& arguments) {
  return {.from = arguments.port("--from"),
          .to = arguments.port("--to"),
          .qos = static_cast<unsigned>(arguments.number("--qos", 0, 1))};
}

void latency(const Arguments& arguments) {
  LatencyLoad load = way(arguments);
  load.rate = arguments.number("--rate", 1, 100'000);
  load.duration = arguments.seconds();
  const LatencyResult result = run_latency(load);
  if (load.qos > 0 && result.lost > 0) {
    throw std::runtime_error(std::to_string(result.lost) + " messages of QoS 1 did not arrive within 5 s");
  }
  std::printf("p50_us=%.0f p99_us=%.0f max_us=%.0f sent=%llu lost=%llu duplicates=%llu\n", result.p50_us, result.p99_us,
              result.max_us, static_cast<unsigned long long>(result.sent), static_cast<unsigned long long>(result.lost),
              static_cast<unsigned long long>(result.duplicates));
}

// A certificate file, or "no" for plain TCP.
std::string authority_file(const Arguments& arguments) {
  const std::string file = arguments.text("--tls");
  return file == "no" ? std::string{} : file;
}

void flow(const Arguments& arguments) {
  const FlowResult result = run_flow({.port = arguments.port("--port"),
                                      .authority_file = authority_file(arguments),
                                      .publishers = arguments.number("--publishers", 1, 50),
                                      .subscribers = arguments.number("--subscribers", 1, 200),
                                      .qos = static_cast<unsigned>(arguments.number("--qos", 0, 1)),
                                      .payload_bytes = arguments.number("--bytes", 16, 100'000),
                                      .duration = arguments.seconds()});
  std::printf("rate=%.0f lost=%llu client_busy=%.2f\n", result.published_per_s,
              static_cast<unsigned long long>(result.lost), result.client_busy);
}

void fill(const Arguments& arguments) {
  const FillResult result = run_fill({.port = arguments.port("--port"),
                                      .count = arguments.number("--count", 1, 10'000'000),
                                      .window = arguments.number("--window", 1, 10'000)});
  std::printf("payload_bytes=%llu seconds=%.2f\n", static_cast<unsigned long long>(result.payload_bytes),
              result.seconds);
}

void collect(const Arguments& arguments) {
  const CollectResult result = run_collect({.port = arguments.port("--port"),
                                            .filter = arguments.text("--filter"),
                                            .count = arguments.number("--count", 1, 10'000'000),
                                            .limit = arguments.seconds()});
  std::printf("messages=%llu seconds=%.3f\n", static_cast<unsigned long long>(result.messages), result.seconds);
}

void sync_time(const Arguments& arguments) {
  const SyncResult result = measure_sync(arguments.text("--dir"));
  std::printf("append_p50_us=%.0f append_p99_us=%.0f overwrite_p50_us=%.0f\n", result.append_p50_us,
              result.append_p99_us, result.overwrite_p50_us);
}

void run(std::string_view verb, const Arguments& arguments) {
  if (verb == "acked") {
    acked(arguments);
  } else if (verb == "latency") {
    latency(arguments);
  } else if (verb == "flow") {
    flow(arguments);
  } else if (verb == "idle") {
    hold_idle(arguments.port("--port"), authority_file(arguments), arguments.number("--count", 1, 20'000),
              arguments.seconds());
  } else if (verb == "probe") {
    std::printf("opened_ms=%lld\n", static_cast<long long>(probe(way(arguments)).count()));
  } else if (verb == "wait") {
    connect_client(arguments.port("--port"), fresh_client_id());
  } else if (verb == "sync") {
    sync_time(arguments);
  } else if (verb == "reflector") {
    run_reflector(arguments.seconds());
  } else if (verb == "fill") {
    fill(arguments);
  } else if (verb == "collect") {
    collect(arguments);
  } else if (verb == "relay") {
    run_relay(arguments.port("--to"), arguments.seconds());
  } else if (verb == "free-port") {
    std::printf("%u\n", unsigned{free_port()});
  } else {
    throw UsageError("unknown load '" + std::string(verb) + "'");
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(argc > 1 ? argv[1] : "", Arguments(argc, argv));
    return 0;
  } catch (const UsageError& error) {
    std::fprintf(stderr, "hedgerow-bench: %s\n%s", error.what(), kUsage);
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "hedgerow-bench: %s\n", error.what());
    return 1;
  }
}
