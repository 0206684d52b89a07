// hedgerow get, set, watch, history and gaps: what they ask (daemon/control/request.hpp), and how it is shown.
//
// To people: a line is a topic, a space and a payload, in which control characters are shown as \n, \r and \xNN, so
// that no payload breaks a line or fools a terminal. One topic's payload alone (`get TOPIC`) is written as it is. To
// programs
// (--json): the documents as they come.
// Thread rule: one call at a time; they block on the daemon and on standard input.
#pragma once

#include <string>

#include "daemon/cli/command.hpp"
#include "daemon/cli/console.hpp"
#include "daemon/control/request.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::cli {

// REQUIRES: one of the verbs above.
[[nodiscard]] control::Request request_of(const Command& command);

// get, watch, history, gaps. Writes to the console as documents come. kNotFound: get found nothing.
[[nodiscard]] Expected<std::string> show_messages(const Command& command, const Console& console);

// The value comes from the command line, or from the console's input.
[[nodiscard]] Expected<std::string> set_message(const Command& command, const Console& console);

}  // namespace hedgerow::cli
