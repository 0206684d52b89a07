// The things of DATA/things (mode 0600), read and changed.
//
//   daemon:   load_things(data) at start and on "reload"
//   program:  change_things(data, [](ThingKeys& things) { … })
//
// Adapter: files. Thread rule: free functions without state, safe from any thread; they block on the disk.
#pragma once

#include <filesystem>
#include <functional>
#include <string_view>

#include "security/things/thing_keys.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::security {

inline constexpr std::string_view kThingsFileName = "things";

// Without the file there are no things. kRefused: others than its owner may read or write it. kCorrupt, kLimit: what
// ThingKeys::parse() says, with the file's name.
[[nodiscard]] Expected<ThingKeys> load_things(const std::filesystem::path& data_dir);

// Loads, lets `edit` change the things, and writes them in one step (change_file). Nothing is written when `edit`
// returns an error, which is then the answer.
[[nodiscard]] Expected<void> change_things(const std::filesystem::path& data_dir,
                                           const std::function<Expected<void>(ThingKeys&)>& edit);

}  // namespace hedgerow::security
