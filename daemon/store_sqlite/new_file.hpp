// What becomes of a database whose file must not be used any more (G1, G11): everything that can be read moves to a new
// file, and the node goes on as a new replica.
//
// First the file is copied whole: enough where it is sound (a sync failed), or where only an index is damaged, which a
// copy makes anew. Where pages with rows are damaged, it is copied row by row, and what is lost is treated so that what
// this node says it holds stays true (G3):
//
//   a segment of the log          its ops become a gap, which another holder may fill
//   a cell, a frontier, a gap     nobody knows what it said: its channel starts empty, and peers fill it
//   the clock, a session, ...     everything starts empty, as where nothing can be read
//   staged pages, marks           are asked for, or made, again
//
// So at most what no peer has, and what cannot be read, is lost. The damaged file is kept, set aside.
// Thread rule: one thread; nobody else has the database open.
//
// Before that, prepare_file() looks at the header, which decides how all pages are read.
#pragma once

#include <string>

#include "daemon/store_sqlite/data_dir.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::store_sqlite {

// Mends a header that was damaged where it says how to read the pages: page 1 has a seal, which tells. Gives a database
// of an older version seals, by a copy, in which the replica goes on; where there is no room for that, it has none.
// A file that is missing, or no database of ours, is left alone.
Expected<void> prepare_file(const DataDir& dir, const std::string& vfs_name, const std::string& board_identity);

struct Moved {
  std::string lost;   // what could not be read, for a person; empty: nothing
  std::string aside;  // the damaged file's new name; empty: the old file was sound, and is gone
};

// `damaged`: some page or row is known not to be what was written; otherwise the file is sound as far as it can be
// read. On an error nothing has changed: kLimit, there is no room for a second file; kIo, it cannot be written.
Expected<Moved> move_to_new_file(const DataDir& dir, const std::string& vfs_name, bool damaged);

}  // namespace hedgerow::store_sqlite
