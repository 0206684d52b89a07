// One line to standard error: the daemon's log (the service manager adds the time).
// Thread rule: safe from any thread; a line is one write.
#pragma once

#include <string_view>

namespace hedgerow::app {

void log_line(std::string_view line);

}  // namespace hedgerow::app
