#include "daemon/node/intent_weight.hpp"

#include <variant>
#include <vector>

namespace hedgerow::node {

namespace {

constexpr std::size_t kIntentBytes = 128;  // about what an intent costs beside its payload

// Lists of runs are shared with nobody: they came from a peer.
std::size_t bytes_of(const std::vector<sync::ReplicaState>& states) {
  std::size_t bytes = states.size() * sizeof(sync::ReplicaState);
  for (const sync::ReplicaState& state : states) {
    if (state.lineage == nullptr) continue;
    bytes += sizeof(sync::Lineage) + state.lineage->runs.size() * sizeof(sync::Run);
  }
  return bytes;
}

}  // namespace

std::size_t weight(const Intent& intent) {
  if (const auto* publish = std::get_if<PublishIntent>(&intent)) {
    const sync::Message& message = *publish->write.message;
    return kIntentBytes + message.topic.size() + message.properties.size() + message.payload.size();
  }
  if (const auto* put = std::get_if<PutWillIntent>(&intent)) {
    return kIntentBytes + put->will.message.topic.size() + put->will.message.payload.size();
  }
  if (const auto* replace = std::get_if<ReplaceSessionIntent>(&intent)) {
    std::size_t bytes = kIntentBytes;
    for (const StoredWill& will : replace->wills) bytes += will.message.topic.size() + will.message.payload.size();
    return bytes;
  }
  if (const auto* segment = std::get_if<sync::ApplySegment>(&intent)) return kIntentBytes + segment->segment.size();
  if (const auto* page = std::get_if<sync::StagePage>(&intent)) return kIntentBytes + page->page.size();
  if (const auto* merge = std::get_if<sync::MergeStaged>(&intent)) {
    return kIntentBytes + bytes_of(merge->frontier);
  }
  if (const auto* learn = std::get_if<LearnIntent>(&intent)) return kIntentBytes + bytes_of(learn->branches.states);
  if (const auto* put = std::get_if<PutSessionIntent>(&intent)) {
    std::size_t bytes = kIntentBytes;
    for (const StoredSubscription& subscription : put->session.subscriptions) {
      bytes += sizeof subscription + subscription.filter.size();
    }
    return bytes;
  }
  return kIntentBytes;
}

}  // namespace hedgerow::node
