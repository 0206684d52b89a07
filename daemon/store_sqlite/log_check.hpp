// Looks at the write-ahead log of a run that did not end by itself, before SQLite does. SQLite takes a log up to the
// first frame whose checksum does not hold, and silently forgets what is behind it: right for the transaction that was
// being written when the power went, and wrong where a bit flipped in one that was acknowledged. The two differ: a
// transaction is begun only after the one before was synced, so behind a torn one there is no whole other.
//
// In the place of the latter the database would be older than what peers were shown (G5), and where a checkpoint had
// run, neither old nor new: nothing of it can be believed.
//
// A head that does not hold is damaged, or that of a log which was about to begin anew, after all of it was folded into
// the file. As its frames are, both are the same: the first frame tells which head it follows. Under that one a damaged
// log has all that it had, and what a log holds that was to begin anew may be folded in twice. Where the first frame
// tells nothing, whole transactions behind it tell of damage, which took both; without them nothing in the log counts,
// and it must go: SQLite would begin the next one with what it reads in the head, however torn, and so perhaps with the
// salts of the frames behind it, which then cannot be told from its own.
// Thread rule: one thread; nobody has the database open.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sync/base/expected.hpp"

namespace hedgerow::store_sqlite {

// Writes the head that the log's first frame follows, synced, where the one that is there does not hold. kIo: cannot be
// written.
[[nodiscard]] Expected<void> mend_head(const std::string& log_path);

// Where the first frame begins that was synced and does not hold, or follows no head. Nothing: the log is sound, or is
// torn at its end, or there is none.
[[nodiscard]] std::optional<std::uint64_t> damaged_frame(const std::string& log_path);

// The log is there, and its head does not hold. After mend_head(), and without a damaged frame: remove it.
[[nodiscard]] bool has_torn_head(const std::string& log_path);

}  // namespace hedgerow::store_sqlite
