// Where mbedTLS's memory comes from: large blocks straight from the kernel, the rest from malloc.
//
// A TLS connection has a buffer for a record of 16 KiB, but most have never seen one. A block that is a mapping of its
// own takes memory only for the pages that were written to, and gives it back when it is freed; malloc would hand out,
// and clear, memory that was used before.
// Thread rule: any thread.
#pragma once

#include <cstddef>

namespace hedgerow::security {

// As calloc() and free(). A large block begins at a page; free() must not see it.
[[nodiscard]] void* allocate_zeroed(std::size_t count, std::size_t size);
void release(void* block);

// mbedTLS uses the two from here on. What was allocated before is freed as it was allocated. REQUIRES: not by two
// threads at once.
void use_page_memory();

}  // namespace hedgerow::security
