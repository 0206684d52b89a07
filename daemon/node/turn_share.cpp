#include "daemon/node/turn_share.hpp"

#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>

#include "daemon/node/limits.hpp"
#include "sync/base/overloaded.hpp"

namespace hedgerow::node {
namespace {

// What the replicator asks for, on behalf of peers.
template <class Kind>
constexpr bool kIsOfPeers = std::is_constructible_v<sync::Action, const Kind&> || std::is_same_v<Kind, RenewIntent> ||
                            std::is_same_v<Kind, LearnIntent>;

// Of what peers sent; nothing: it is asked here.
std::optional<std::size_t> peer_bytes(const Intent& intent) {
  using Size = std::optional<std::size_t>;
  return std::visit(Overloaded{[](const sync::ApplySegment& apply) { return Size(apply.segment.size()); },
                               [](const sync::StagePage& stage) { return Size(stage.page.size()); },
                               []<class Kind>(const Kind&) { return kIsOfPeers<Kind> ? Size(0) : Size(); }},
                    intent);
}

}  // namespace

std::vector<Intent> take_turn(std::vector<Intent>& waiting) {
  std::vector<Intent> taken;
  std::vector<Intent> left;
  std::size_t bytes = 0;
  for (Intent& intent : waiting) {
    const std::optional<std::size_t> of_peer = peer_bytes(intent);
    const bool must_follow = of_peer || std::holds_alternative<BarrierIntent>(intent);
    if (must_follow && (!left.empty() || bytes >= kTurnPeerBytes)) {
      left.push_back(std::move(intent));
      continue;
    }
    bytes += of_peer.value_or(0);
    taken.push_back(std::move(intent));
  }
  waiting = std::move(left);
  return taken;
}

}  // namespace hedgerow::node
