// Topic aliases of one MQTT 5 connection: section 3.3.2.3.4. Both directions live and die with the connection
// [MQTT-3.3.2-7], and a Connection has neither until the first alias is used.
// Thread-compatible: owned by the loop thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/mqtt/reader.hpp"

namespace hedgerow::mqtt {

// What the client's aliases stand for. Bounded by kTopicAliasBytesMax.
class InboundAliases {
 public:
  // With a topic: remembers it. With an empty one: replaces it by what the alias stands for, valid until the next call.
  // Allocates nothing for an alias that keeps its topic. REQUIRES: alias > 0, at most what was announced.
  [[nodiscard]] std::optional<Fault> resolve(std::uint16_t alias, std::string_view& topic);

 private:
  std::vector<std::string> topics_;  // of alias N at N - 1; empty: not set
  std::size_t bytes_ = 0;
};

// Chooses which topics get an alias towards the client. While some are free each new topic takes one; after that a
// topic that comes again soon takes the place of the one that was not used for longest, so that a thousand topics in
// turn cost no bytes.
class OutboundAliases {
 public:
  // `maximum`: what the client allows, at most kTopicAliasesOutMax.
  explicit OutboundAliases(std::uint16_t maximum) : maximum_(maximum) {}

  struct Choice {
    std::uint16_t alias = 0;  // 0: none
    bool is_known = false;    // the client knows what it stands for: the name can be left out
  };
  // REQUIRES: a valid topic name.
  [[nodiscard]] Choice choose(std::string_view topic);
  // The publish with this choice was sent.
  void remember(const Choice& choice, std::string_view topic);

 private:
  struct Entry {
    std::string topic;
    std::uint32_t hash = 0;
    std::uint32_t used_at = 0;
  };
  [[nodiscard]] std::size_t least_recently_used() const;

  std::uint16_t maximum_;
  std::uint32_t clock_ = 0;  // counts uses; where it wraps, one choice is poor
  std::size_t bytes_ = 0;
  std::vector<Entry> entries_;               // of alias N at N - 1
  std::array<std::uint32_t, 64> seen_ = {};  // hashes of topics that came lately without an alias
};

}  // namespace hedgerow::mqtt
