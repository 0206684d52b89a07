// A node under test: its data directory, its configuration and the real hedgerowd.
//
// The programs come from the directory HEDGEROW_BIN_DIR, or else from where this build puts them. A command prefix
// (HEDGEROW_QEMU_ARM64 for the foreign binaries) goes before them.
// Thread rule: one thread at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/ports.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temporary_directory.hpp"

namespace hedgerow::test {

// How to run hedgerowd and hedgerow.
struct Programs {
  std::filesystem::path directory;
  std::vector<std::string> prefix;

  // HEDGEROW_BIN_DIR, or this build's.
  static Programs native();
  // HEDGEROW_ARM64_BIN_DIR with HEDGEROW_QEMU_ARM64 in front; nothing when they are not set.
  static std::optional<Programs> arm64();

  [[nodiscard]] std::vector<std::string> command(const std::string& program,
                                                 const std::vector<std::string>& arguments) const;
};

struct ChannelView {
  std::string digest;
  std::uint64_t behind = 0;
};

// What `hedgerow status --json` says, as far as the tests look at it.
struct StatusView {
  std::string node;
  std::string replica;
  std::vector<std::string> alarms;
  std::map<std::string, ChannelView> channels;     // by name
  std::map<std::string, std::string> link_states;  // by peer: "up" if any link to it is
  std::vector<std::string> listener_addresses;
  [[nodiscard]] std::map<std::string, std::string> digests() const;
  [[nodiscard]] std::size_t links_up() const;
};
// Throws on what is no such document.
[[nodiscard]] StatusView parse_status(const std::string& json);

class Daemon {
 public:
  // A listener on 127.0.0.1 beside the two that every node has.
  struct Listener {
    std::string name;
    std::string settings;  // more members of its object: "\"tls\": false, \"auth\": \"password\""
  };
  struct Options {
    std::string mesh = "orchard";
    std::string node = "gw-barn";
    std::vector<std::uint16_t> peers = {};  // ports on 127.0.0.1
    std::string channels = {};              // the configuration's "channels" array; empty: left out
    std::vector<Listener> listeners = {};
    std::string settings = {};  // more members of the configuration: "\"limits\": {…}, \"access\": […]"
    Programs programs = Programs::native();
    std::map<std::string, std::string> environment = {};  // on top of ours
  };

  explicit Daemon(Options options);
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;
  ~Daemon() = default;

  // Has the TLS listener and the links use the identity below data(). Call before start().
  void enable_tls() { has_tls_ = true; }
  void set_peers(std::vector<std::uint16_t> peers) { options_.peers = std::move(peers); }
  void set_settings(std::string settings) { options_.settings = std::move(settings); }
  void set_channels(std::string channels) { options_.channels = std::move(channels); }

  // Starts the daemon and waits until it serves. Throws with its log when it does not.
  void start();
  void kill();  // SIGKILL, and waits for the end
  // SIGTERM, and waits for the end.
  ExitStatus terminate();
  void restart() {
    kill();
    start();
  }
  [[nodiscard]] bool is_running() const { return process_.has_value(); }
  // Writes the configuration as it is now, and sends SIGHUP.
  void reload();
  // `hedgerow user add`, also while it runs. Throws when that fails.
  void add_user(const std::string& name, const std::string& password) const;

  // `hedgerow thing add --hex`: the 24 bytes of its id and its key; `hedgerow thing revoke`. Likewise.
  [[nodiscard]] std::string add_thing(const std::string& name) const;
  void revoke_thing(const std::string& name) const;

  [[nodiscard]] std::uint16_t port() const { return mqtt_.port(); }  // plain, for local programs
  [[nodiscard]] std::uint16_t tls_port() const { return tls_.port(); }
  [[nodiscard]] std::uint16_t port_of(const std::string& listener) const;  // one of Options::listeners
  [[nodiscard]] const std::string& node() const { return options_.node; }
  [[nodiscard]] const std::filesystem::path& data() const { return data_; }
  [[nodiscard]] std::filesystem::path config_file() const { return directory_.path() / "hedgerow.json"; }
  [[nodiscard]] std::string config() const;
  [[nodiscard]] Process& process() { return *process_; }
  // Resident memory of the running daemon.
  [[nodiscard]] std::uint64_t resident_kib() const;
  [[nodiscard]] std::string log() const;  // of all its lives

  // Asks `hedgerow status --json`. Throws when the daemon does not answer.
  [[nodiscard]] StatusView status() const;
  [[nodiscard]] bool wait_for_status(const std::function<bool(const StatusView&)>& holds,
                                     std::chrono::milliseconds patience = kPatience) const;

 private:
  Options options_;
  TemporaryDirectory directory_;
  std::filesystem::path data_;
  PortLease mqtt_;
  PortLease tls_;
  std::map<std::string, PortLease> more_ports_;
  bool has_tls_ = false;
  std::string past_log_;
  std::optional<Process> process_;
};

// The authority of a mesh, made with the command line that users have.
class Authority {
 public:
  explicit Authority(std::string mesh = "orchard");
  // Gives the node its identity and its TLS listener.
  void enrol(Daemon& node) const;
  // An identity; a node's certificate is for the name and for 127.0.0.1.
  void issue(const std::string& name, const std::filesystem::path& out, const std::string& role = "node") const;

 private:
  std::string mesh_;
  TemporaryDirectory directory_;
};

// Waits until all nodes show the same digest for every channel of scope mesh.
[[nodiscard]] bool wait_for_equal_digests(const std::vector<const Daemon*>& nodes,
                                          std::chrono::milliseconds patience = kPatience);

}  // namespace hedgerow::test
