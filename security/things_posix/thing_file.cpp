#include "security/things_posix/thing_file.hpp"

#include <string>

#include "security/files_posix/change_file.hpp"

namespace hedgerow::security {

namespace {

constexpr FileKind kThingsFile = {.secret_name = "the things' file",
                                  .size_remark = "larger than 512 KiB: that is no things' file",
                                  .bytes_max = kThingsFileBytesMax};
static_assert(kThingsFileBytesMax == std::size_t{512} << 10U);

Expected<ThingKeys> parse(const std::filesystem::path& path, const std::string& text) {
  Expected<ThingKeys> things = ThingKeys::parse(text);
  if (!things) return fail(things.error().category, path.string() + ": " + things.error().what);
  return things;
}

}  // namespace

Expected<ThingKeys> load_things(const std::filesystem::path& data_dir) {
  const std::filesystem::path path = data_dir / kThingsFileName;
  const Expected<std::string> text = read_kept_file(path, kThingsFile);
  if (!text) return tl::unexpected<Error>(text.error());
  return parse(path, *text);
}

Expected<void> change_things(const std::filesystem::path& data_dir,
                             const std::function<Expected<void>(ThingKeys&)>& edit) {
  return change_file(data_dir, kThingsFileName, kThingsFile, [&](const std::string& before) -> Expected<std::string> {
    Expected<ThingKeys> things = parse(data_dir / kThingsFileName, before);
    if (!things) return tl::unexpected<Error>(things.error());
    if (const Expected<void> edited = edit(*things); !edited) {
      return tl::unexpected<Error>(edited.error());
    }
    return things->format();
  });
}

}  // namespace hedgerow::security
