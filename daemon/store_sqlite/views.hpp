// Views: snapshots of what was committed, each on a read-only connection of its own. A few connections stay pooled with
// their statements prepared.
// Thread rule: open_view() on any thread; a view belongs to one thread at a time.
// Ownership: outlives its views; the health outlives it.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "daemon/store_sqlite/file_health.hpp"
#include "sync/engine/storage.hpp"

namespace hedgerow::store_sqlite {

class ViewConnection;

class Views final : public sync::ReadViews {
 public:
  Views(FileHealth& health, std::string path, std::string vfs_name);
  ~Views() override;

  // kUnavailable: kViewsMax are open.
  Expected<std::unique_ptr<sync::ReadView>> open_view() override;

 private:
  friend class View;
  Expected<std::unique_ptr<ViewConnection>> take();
  void give_back(std::unique_ptr<ViewConnection> connection);

  FileHealth& health_;
  const std::string path_;
  const std::string vfs_name_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<ViewConnection>> pool_;
  std::size_t open_ = 0;
};

}  // namespace hedgerow::store_sqlite
