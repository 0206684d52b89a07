#include "tests/sim/workload.hpp"

#include <array>
#include <memory>
#include <string_view>
#include <utility>

#include "tests/sim/sim_node.hpp"
#include "tests/support/merge_patch_model.hpp"

namespace hedgerow::sim {
namespace {

constexpr std::array<std::string_view, 7> kTopics = {"a", "a/b", "a/b/c", "pump", "pump/speed", "tank/1", "tank/2"};

}  // namespace

std::size_t Workload::burst() { return random_.one_in(8) ? 1 + random_.below(40) : 1; }

Workload::Publish Workload::next() {
  Publish out;
  sync::Message message = next_message();
  const std::size_t what = random_.below(10);
  out.kind = {.record = what != 0, .cell = what < 6, .qos = static_cast<std::uint8_t>(what == 0 ? 0 : 1)};
  const bool deletes = what == 1;
  out.live = random_.one_in(10);
  if (!out.live) out.channel = draw_channel();
  const sync::MergeKind merge = SimNode::kMerges[out.channel];
  if (merge != sync::MergeKind::kLastWrite && out.kind.cell) {
    if (!deletes) message.payload = change(merge);
    out.message = std::make_shared<const sync::Message>(std::move(message));
    return out;
  }
  if (random_.one_in(5)) message.expiry_s = static_cast<std::uint32_t>(random_.below(100'000));
  if (!deletes) {
    message.payload.resize(1 + random_.below(options_.payload_bytes_max));
    for (std::uint64_t bits = random_.next(); std::uint8_t & byte : message.payload) {
      byte = static_cast<std::uint8_t>(bits);
      bits = (bits >> 8U) | (bits << 56U);
    }
  }
  out.message = std::make_shared<const sync::Message>(std::move(message));
  return out;
}

// The two channels whose last write wins get half of all.
std::size_t Workload::draw_channel() {
  return random_.one_in(2) ? random_.below(2) : random_.below(SimNode::kChannels);
}

Bytes Workload::change(sync::MergeKind merge) {
  if (merge == sync::MergeKind::kDocument) return to_bytes(test::to_text(test::random_patch_value(random_)));
  return to_bytes(std::to_string(static_cast<int>(random_.below(30)) - 10));
}

sync::Message Workload::next_message() {
  sync::Message message;
  message.topic = kTopics[random_.below(kTopics.size())];
  for (std::uint64_t id = ++last_message_, shift = 64; shift > 0;) {
    shift -= 8;
    message.properties.push_back(static_cast<std::uint8_t>(id >> shift));
  }
  return message;
}

}  // namespace hedgerow::sim
