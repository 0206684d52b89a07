// A node with one peer, "a", that may know more: what is heard of that, in short.
// Thread rule: one thread.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "tests/unit/sync_link/link_fixture.hpp"

namespace hedgerow::sync::test {

inline constexpr ReplicaId kOther{5};
inline constexpr ReplicaId kThird{6};

class PullFixture : public LinkFixture {
 public:
  PullFixture() { peer_up(kLink1, "a"); }
  // Past the grace that an announcement gives to pushes on other links.
  void hear_ahead(LinkId link, Frontier marks) {
    hear_frontier(link, std::move(marks));
    pass(kPullGrace);
  }
  void hear_range(LinkId link, wire::PullId id, const std::vector<RowSpec>& specs, bool more = false) {
    std::vector<std::shared_ptr<const SegmentRow>> rows;
    wire::Range range{.channel = 0, .id = id, .more = more, .segments = {}};
    for (const RowSpec& spec : specs) range.segments.emplace_back(rows.emplace_back(make_row(spec))->bytes);
    hear(link, range);
  }
  void hear_page(LinkId link, wire::PullId id, std::uint64_t page_no, const std::vector<ReplicaState>& last = {}) {
    const Bytes page = {1, 2, 3};
    hear(link, wire::Page{.channel = 0,
                          .id = id,
                          .page_no = page_no,
                          .page = page,
                          .next_token = last.empty() ? Bytes{0xAA} : Bytes{},
                          .frontier = last});
  }
};

}  // namespace hedgerow::sync::test
