#include "tests/e2e/mosquitto.hpp"

#include <catch2/catch_test_macros.hpp>

namespace hedgerow::test {
namespace {

constexpr const char* kHost = "127.0.0.1";

Process start(std::uint16_t port, const std::vector<std::string>& filters, const std::vector<std::string>& options) {
  // Line buffered: the tests wait for lines.
  std::vector<std::string> arguments = {"stdbuf", "-oL", "mosquitto_sub",      "-h", kHost, "-p", std::to_string(port),
                                        "-d",     "-F",  "message %q %r %t %p"};
  for (const std::string& filter : filters) arguments.insert(arguments.end(), {"-t", filter});
  arguments.insert(arguments.end(), options.begin(), options.end());
  return Process({.arguments = arguments, .environment = {}, .input = {}});
}

}  // namespace

void mosquitto_pub(std::uint16_t port, const std::string& topic, const std::string& payload,
                   const std::vector<std::string>& options) {
  std::vector<std::string> arguments = {"mosquitto_pub", "-h", kHost,  "-p", std::to_string(port), "-t",
                                        topic,           "-m", payload};
  arguments.insert(arguments.end(), options.begin(), options.end());
  const Finished finished = run(arguments);
  INFO(finished.out << finished.error);
  REQUIRE(finished.status == ExitStatus{.code = 0, .signal = 0});
}

MosquittoSub::MosquittoSub(std::uint16_t port, const std::vector<std::string>& filters,
                           const std::vector<std::string>& options)
    : process_(start(port, filters, options)) {
  const bool is_subscribed = process_.wait_for_line(Output::kStandard, "received SUBACK").has_value();
  INFO(process_.text(Output::kStandard) << process_.text(Output::kError));
  REQUIRE(is_subscribed);
  process_.rewind(Output::kStandard);  // messages may come before the acknowledgement [MQTT-3.8.4]
}

std::string MosquittoSub::next(std::chrono::milliseconds patience) {
  constexpr std::string_view kPrefix = "message ";
  const auto line = process_.wait_for_line(
      Output::kStandard, [](std::string_view text) { return text.starts_with(kPrefix); }, patience);
  return line ? line->substr(kPrefix.size()) : std::string{};
}

void make_session(std::uint16_t port, const std::string& client_id, const std::string& filter,
                  const std::vector<std::string>& options) {
  std::vector<std::string> arguments = {
      "mosquitto_sub", "-h", kHost, "-p", std::to_string(port), "-c", "-i", client_id, "-q", "1", "-t", filter, "-E"};
  arguments.insert(arguments.end(), options.begin(), options.end());
  const Finished finished = run(arguments);
  INFO(finished.out << finished.error);
  REQUIRE(finished.status == ExitStatus{.code = 0, .signal = 0});
}

}  // namespace hedgerow::test
