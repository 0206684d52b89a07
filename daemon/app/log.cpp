#include "daemon/app/log.hpp"

#include <unistd.h>

#include <string>

namespace hedgerow::app {

void log_line(std::string_view line) {
  std::string text(line);
  // What a stranger sent may be part of it: no control characters, so that it cannot forge lines.
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 && c != '\n') c = '?';
  }
  text.push_back('\n');
  // Where standard error is closed or full there is nobody to tell.
  [[maybe_unused]] const auto written = write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace hedgerow::app
