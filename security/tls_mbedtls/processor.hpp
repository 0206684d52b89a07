// What the processor can do for ciphers.
// Thread rule: safe from any thread.
#pragma once

namespace hedgerow::security {

// True iff mbedTLS will encrypt AES with the processor's own instructions here. Never on 32-bit ARM: mbedTLS has no
// such code for it.
[[nodiscard]] bool processor_has_aes();

}  // namespace hedgerow::security
