// Answers a request on the control socket (daemon/monitor/status.hpp has the protocol).
// Thread rule: the loop thread; the digests are computed on the reader thread, and the reply is given on the loop.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "daemon/app/report.hpp"
#include "daemon/monitor/status.hpp"
#include "daemon/node/store_port.hpp"

namespace hedgerow::app {

void answer_control(const std::string& request, const ReportSources& sources,
                    std::vector<monitor::ListenerStatus> listeners, sync::ReplicaId replica, node::StorePort& store,
                    Hasher& read_hasher, const std::function<void(std::string)>& reply);

}  // namespace hedgerow::app
