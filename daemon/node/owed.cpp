#include "daemon/node/owed.hpp"

#include <algorithm>

namespace hedgerow::node {

namespace {

// The names of a shared subscription stand in the key and in the intent; packet identifiers are a window's at most.
std::size_t bytes_of(const std::string& name, const Intent& intent) {
  return sizeof(intent) + 2 * (sizeof(std::string) + name.size()) +
         (std::holds_alternative<PositionIntent>(intent) ? kInFlightMax * sizeof(std::uint16_t) : 0);
}

}  // namespace

Owed::Key Owed::key_of(const Intent& intent) {
  const auto key = [&](std::uint64_t session, std::uint16_t packet_id = 0, std::string shared = {}) {
    return Key{intent.index(), session, packet_id, std::move(shared)};
  };
  if (const auto* release = std::get_if<ReleaseReceivedIntent>(&intent)) {
    return key(release->ack.session, release->ack.packet_id);
  }
  if (const auto* release = std::get_if<AddReleaseIntent>(&intent)) {
    return key(release->ack.session, release->ack.packet_id);
  }
  if (const auto* position = std::get_if<PositionIntent>(&intent)) return key(position->id);
  if (const auto* erased = std::get_if<EraseSessionIntent>(&intent)) return key(erased->id);
  // No share name has a slash [MQTT-4.8.2-1].
  if (const auto* erased = std::get_if<EraseGroupIntent>(&intent)) {
    return key(0, 0, erased->share + "/" + erased->filter);
  }
  return key(0);
}

void Owed::add(Intent intent) {
  const auto [entry, is_new] = intents_.try_emplace(key_of(intent));
  if (is_new) bytes_ += bytes_of(std::get<std::string>(entry->first), intent);
  if (auto* position = std::get_if<PositionIntent>(&intent); position != nullptr && !is_new) {
    for (const std::uint16_t packet_id : std::get<PositionIntent>(entry->second).finished) {
      auto& finished = position->finished;
      if (std::find(finished.begin(), finished.end(), packet_id) == finished.end()) finished.push_back(packet_id);
    }
  }
  entry->second = std::move(intent);
}

std::vector<Intent> Owed::take() {
  bytes_ = 0;
  std::vector<Intent> out;
  out.reserve(intents_.size());
  for (auto& [key, intent] : std::exchange(intents_, {})) out.push_back(std::move(intent));
  return out;
}

}  // namespace hedgerow::node
