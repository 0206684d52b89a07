// Copies what can be read of a damaged database, row by row, into a new one: the rules are in new_file.hpp.
// Thread rule: one thread; nobody else has either file open.
#pragma once

#include <string>

#include "sync/base/expected.hpp"

namespace hedgerow::store_sqlite {

// `to` is an empty file, and is a whole database of the newest schema afterwards, not synced. Returns what could not be
// read, for a person; empty: nothing was lost. An error: `to` cannot be written.
Expected<std::string> rescue_rows(const std::string& from, const std::string& to, const std::string& vfs_name);

}  // namespace hedgerow::store_sqlite
