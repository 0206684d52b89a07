#include "tests/sim/oracle_internal.hpp"

namespace hedgerow::sim {
namespace {

void add_number(Bytes& out, std::uint64_t value) {
  for (unsigned shift = 0; shift < 64; shift += 8) out.push_back(static_cast<std::uint8_t>(value >> shift));
}

}  // namespace

void violated(const char* guarantee, const Subject& node, const std::string& what) {
  throw Violation(std::string(guarantee) + " at " + node.name + ": " + what);
}

std::string name_of(const std::pair<std::string, sync::ReplicaId>& key, sync::Seq seq) {
  return key.first + "/" + std::to_string(static_cast<std::uint64_t>(key.second)) + ":" + std::to_string(seq);
}

Bytes content_of(const sync::Message& message, std::uint64_t publisher, unsigned qos) {
  Bytes out;
  add_number(out, message.expiry_s ? std::uint64_t{*message.expiry_s} + 1 : 0);
  add_number(out, publisher);
  add_number(out, qos);
  add_number(out, message.topic.size());
  append(out, as_bytes(message.topic));
  add_number(out, message.properties.size());
  append(out, message.properties);
  append(out, message.payload);
  return out;
}

std::unique_ptr<sync::ReadView> view_of(const Subject& node) { return must(node, node.views.open_view()); }

}  // namespace hedgerow::sim
