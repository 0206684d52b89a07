// mbedTLS's error numbers as text. For the adapters in security/.
// Thread rule: safe from any thread.
#pragma once

#include <string>

namespace hedgerow::security {

// "X509 - Certificate verification failed (-0x2700)".
[[nodiscard]] std::string mbedtls_error_text(int code);

}  // namespace hedgerow::security
