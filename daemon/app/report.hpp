// The documents in which a node speaks of itself: status for the control socket, health and links for the mesh
// (DESIGN 7).
// Thread rule: the loop thread. Ownership: borrows during the call only.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/app/dialled_link.hpp"
#include "daemon/app/things.hpp"
#include "daemon/config/config.hpp"
#include "daemon/monitor/health.hpp"
#include "daemon/node/node.hpp"

namespace hedgerow::app {

// What reports are made from.
struct ReportSources {
  const config::Config& config;
  const node::Node& node;
  const std::vector<std::unique_ptr<DialledLink>>& dialled;
  Instant now{};
  WallTime wall;
  std::uint64_t uptime_s = 0;
  monitor::ScrubReport scrub;
  const Things* things = nullptr;                // none are configured
  std::vector<std::string> channel_alarms = {};  // of the mesh's definitions
  std::vector<std::string> node_alarms = {};     // of its removals
  std::optional<std::string> identity_alarm = {};
  std::optional<std::string> clock_alarm = {};
};

// What somebody must see to, of the node and of the process around it.
[[nodiscard]] std::vector<std::string> alarms_of(const ReportSources& sources);

[[nodiscard]] std::vector<monitor::LinkReport> link_reports(const ReportSources& sources);
[[nodiscard]] std::string links_report(const ReportSources& sources);
[[nodiscard]] std::string health_report(const ReportSources& sources);

}  // namespace hedgerow::app
