#include "tests/support/daemon.hpp"

#include <cjson/cJSON.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace hedgerow::test {
namespace {

using Clock = std::chrono::steady_clock;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string{} : std::string{value};
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

std::string text_of(const cJSON* object, const char* name) {
  const cJSON* value = cJSON_GetObjectItemCaseSensitive(object, name);
  if (!cJSON_IsString(value)) throw std::runtime_error(std::string{"status: no text \""} + name + "\"");
  return value->valuestring;
}

const cJSON* array_of(const cJSON* object, const char* name) {
  const cJSON* value = cJSON_GetObjectItemCaseSensitive(object, name);
  if (!cJSON_IsArray(value)) throw std::runtime_error(std::string{"status: no array \""} + name + "\"");
  return value;
}

Finished run_hedgerow(const Programs& programs, const std::vector<std::string>& arguments) {
  return run(programs.command("hedgerow", arguments));
}

void must_succeed(const Finished& finished, const std::string& what) {
  if (finished.status != ExitStatus{.code = 0, .signal = 0}) {
    throw std::runtime_error(what + " failed: " + finished.out + finished.error);
  }
}

}  // namespace

Programs Programs::native() {
  const std::string directory = environment("HEDGEROW_BIN_DIR");
  return {.directory = directory.empty() ? HEDGEROW_BUILD_BIN_DIR : directory, .prefix = {}};
}

std::optional<Programs> Programs::arm64() {
  const std::string directory = environment("HEDGEROW_ARM64_BIN_DIR");
  const std::string prefix = environment("HEDGEROW_QEMU_ARM64");
  if (directory.empty() || prefix.empty()) return std::nullopt;
  return Programs{.directory = directory, .prefix = words_of(prefix)};
}

std::vector<std::string> Programs::command(const std::string& program,
                                           const std::vector<std::string>& arguments) const {
  std::vector<std::string> all = prefix;
  all.push_back((directory / program).string());
  all.insert(all.end(), arguments.begin(), arguments.end());
  return all;
}

std::map<std::string, std::string> StatusView::digests() const {
  std::map<std::string, std::string> all;
  for (const auto& [name, channel] : channels) all[name] = channel.digest;
  return all;
}

std::size_t StatusView::links_up() const {
  std::size_t count = 0;
  for (const auto& [peer, state] : link_states) count += state == "up" ? 1U : 0U;
  return count;
}

StatusView parse_status(const std::string& json) {
  const std::unique_ptr<cJSON, decltype(&cJSON_Delete)> document(cJSON_Parse(json.c_str()), &cJSON_Delete);
  if (!document) throw std::runtime_error("status: no JSON document: " + json);
  StatusView view;
  view.node = text_of(document.get(), "node");
  view.replica = text_of(document.get(), "replica");
  const cJSON* item = nullptr;
  cJSON_ArrayForEach(item, array_of(document.get(), "alarms")) view.alarms.emplace_back(cJSON_GetStringValue(item));
  cJSON_ArrayForEach(item, array_of(document.get(), "channels")) {
    if (text_of(item, "scope") != "mesh") continue;
    const cJSON* behind = cJSON_GetObjectItemCaseSensitive(item, "behind");
    view.channels[text_of(item, "name")] = {.digest = text_of(item, "digest"),
                                            .behind = static_cast<std::uint64_t>(cJSON_GetNumberValue(behind))};
  }
  cJSON_ArrayForEach(item, array_of(document.get(), "links")) {
    std::string& state = view.link_states[text_of(item, "peer")];
    if (state != "up") state = text_of(item, "state");
  }
  cJSON_ArrayForEach(item, array_of(document.get(), "listeners")) {
    view.listener_addresses.push_back(text_of(item, "address"));
  }
  return view;
}

Daemon::Daemon(Options options) : options_(std::move(options)), data_(directory_.path() / "data") {
  std::filesystem::create_directory(data_);
  for (const Listener& listener : options_.listeners) more_ports_.try_emplace(listener.name);
}

std::string Daemon::config() const {
  std::ostringstream out;
  out << "{\n  \"mesh\": \"" << options_.mesh << "\", \"node\": \"" << options_.node << "\",\n  \"data\": \""
      << data_.string()
      << "\",\n  \"listeners\": [\n    { \"name\": \"local\", \"address\": \"127.0.0.1:" << mqtt_.port()
      << "\", \"tls\": false },\n";
  if (has_tls_) out << "    { \"name\": \"mesh\", \"address\": \"127.0.0.1:" << tls_.port() << "\" },\n";
  for (const Listener& listener : options_.listeners) {
    out << "    { \"name\": \"" << listener.name << "\", \"address\": \"127.0.0.1:" << port_of(listener.name) << "\", "
        << listener.settings << " },\n";
  }
  out << "  ],\n  \"peers\": [";
  for (const std::uint16_t peer : options_.peers) out << "\"127.0.0.1:" << peer << "\", ";
  out << "],\n";
  if (!options_.channels.empty()) out << "  \"channels\": " << options_.channels << ",\n";
  if (!options_.settings.empty()) out << "  " << options_.settings << ",\n";
  out << "}\n";
  return out.str();
}

void Daemon::start() {
  std::ofstream(config_file()) << config();
  if (process_) past_log_ += process_->text(Output::kError);
  process_.emplace(
      Process::Options{.arguments = options_.programs.command("hedgerowd", {"--config", config_file().string()}),
                       .environment = options_.environment,
                       .input = {}});
  for (std::size_t listeners = (has_tls_ ? 2U : 1U) + options_.listeners.size(); listeners > 0; --listeners) {
    const auto line = process_->wait_for_line(Output::kError, "listening ");
    if (!line) throw std::runtime_error(options_.node + " does not serve. Its log:\n" + log());
  }
}

void Daemon::kill() {
  process_->signal(SIGKILL);
  if (!process_->wait()) throw std::runtime_error(options_.node + " survived SIGKILL");
  past_log_ += process_->text(Output::kError);
  process_.reset();
}

ExitStatus Daemon::terminate() {
  process_->signal(SIGTERM);
  const auto status = process_->wait();
  past_log_ += process_->text(Output::kError);
  process_.reset();
  if (!status) throw std::runtime_error(options_.node + " does not end on SIGTERM. Its log:\n" + past_log_);
  return *status;
}

void Daemon::reload() {
  std::ofstream(config_file()) << config();
  process_->signal(SIGHUP);
}

void Daemon::add_user(const std::string& name, const std::string& password) const {
  must_succeed(
      run(Programs::native().command("hedgerow", {"--data", data_.string(), "user", "add", name}), password + "\n"),
      "hedgerow user add " + name);
}

std::string Daemon::add_thing(const std::string& name) const {
  const Finished added =
      run(Programs::native().command("hedgerow", {"--data", data_.string(), "thing", "add", name, "--hex"}));
  must_succeed(added, "hedgerow thing add " + name);
  std::string bytes;
  for (std::size_t at = 0; at + 1 < added.out.size(); at += 2) {
    bytes.push_back(static_cast<char>(std::stoul(added.out.substr(at, 2), nullptr, 16)));
  }
  return bytes;
}

void Daemon::revoke_thing(const std::string& name) const {
  must_succeed(run(Programs::native().command("hedgerow", {"--data", data_.string(), "thing", "revoke", name})),
               "hedgerow thing revoke " + name);
}

std::uint16_t Daemon::port_of(const std::string& listener) const { return more_ports_.at(listener).port(); }

std::uint64_t Daemon::resident_kib() const {
  std::ifstream file("/proc/" + std::to_string(process_->pid()) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("VmRSS:")) return std::stoull(line.substr(6));
  }
  throw std::runtime_error("no resident size of " + options_.node);
}

std::string Daemon::log() const { return past_log_ + (process_ ? process_->text(Output::kError) : std::string{}); }

StatusView Daemon::status() const {
  // The command line is always native: it is not what runs slowly under an emulator here.
  const Finished finished = run_hedgerow(Programs::native(), {"--data", data_.string(), "status", "--json"});
  must_succeed(finished, options_.node + ": hedgerow status");
  return parse_status(finished.out);
}

bool Daemon::wait_for_status(const std::function<bool(const StatusView&)>& holds,
                             std::chrono::milliseconds patience) const {
  const auto deadline = Clock::now() + patience;
  do {
    if (holds(status())) return true;
  } while (Clock::now() < deadline);
  return false;
}

Authority::Authority(std::string mesh) : mesh_(std::move(mesh)) {
  must_succeed(run_hedgerow(Programs::native(), {"--data", directory_.path().string(), "mesh", "init", mesh_}),
               "hedgerow mesh init");
}

void Authority::issue(const std::string& name, const std::filesystem::path& out, const std::string& role) const {
  std::vector<std::string> arguments = {
      "--data", directory_.path().string(), "node", "add", name, "--role", role, "--out", out.string()};
  if (role == "node") arguments.insert(arguments.end(), {"--address", "127.0.0.1"});
  must_succeed(run_hedgerow(Programs::native(), arguments), "hedgerow node add " + name);
}

void Authority::enrol(Daemon& node) const {
  issue(node.node(), node.data());
  node.enable_tls();
}

bool wait_for_equal_digests(const std::vector<const Daemon*>& nodes, std::chrono::milliseconds patience) {
  const auto deadline = Clock::now() + patience;
  do {
    const std::map<std::string, std::string> first = nodes.front()->status().digests();
    bool is_equal = !first.empty();
    for (const Daemon* node : nodes) is_equal = is_equal && node->status().digests() == first;
    if (is_equal) return true;
  } while (Clock::now() < deadline);
  return false;
}

}  // namespace hedgerow::test
