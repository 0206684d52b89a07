// hedgerow-relay --to PORT [--listen PORT]: a TCP relay on 127.0.0.1. Stopping it cuts what runs through it.
// Prints "listening 127.0.0.1:PORT" and runs until SIGTERM or SIGINT.
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <optional>
#include <string>
#include <string_view>

#include "tests/support/relay.hpp"

namespace {

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return port;
}

int usage() {
  std::fputs("usage: hedgerow-relay --to PORT [--listen PORT]\n", stderr);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  std::optional<std::uint16_t> to;
  std::optional<std::uint16_t> from = 0;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view option = argv[i];
    if (i + 1 == argc || (option != "--to" && option != "--listen")) return usage();
    (option == "--to" ? to : from) = parse_port(argv[i + 1]);
  }
  if (!to || *to == 0 || !from) return usage();

  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ending, nullptr);
  try {
    const hedgerow::test::Relay relay(*to, *from);
    std::printf("listening 127.0.0.1:%u\n", static_cast<unsigned>(relay.port()));
    std::fflush(stdout);
    int number = 0;
    sigwait(&ending, &number);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "hedgerow-relay: %s\n", error.what());
    return 1;
  }
  return 0;
}
