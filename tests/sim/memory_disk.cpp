#include <utility>

#include "tests/sim/disk.hpp"
#include "tests/support/memory_sessions.hpp"

namespace hedgerow::sim {
namespace {

struct MemoryImage final : Disk::Image {
  explicit MemoryImage(test::MemoryStorage::State taken) : state(std::move(taken)) {}
  test::MemoryStorage::State state;
};

class MemoryDisk final : public Disk {
 public:
  MemoryDisk(const Options& options, std::size_t board)
      : random_((options.seed ^ 0x6469'736B'2121'2121U) + board), storage_(fresh_replica()), sessions_(storage_) {}

  void power_on() override {}
  void power_off() override { storage_.crash(); }
  [[nodiscard]] bool has_lost_power() const override { return false; }
  [[nodiscard]] sync::Storage& storage() override { return storage_; }
  [[nodiscard]] node::SessionStore& sessions() override { return sessions_; }
  [[nodiscard]] sync::ReadViews& views() override { return storage_; }
  void fill_up() override {
    storage_.fail_next_commit({.category = Category::kLimit, .what = "the simulated disk is full"});
  }
  Expected<void> after_turn() override { return {}; }
  void keep_power() override {}
  [[nodiscard]] std::shared_ptr<const Image> image() const override {
    return std::make_shared<MemoryImage>(storage_.image());
  }
  void replace(const Image* image, bool noticed) override {
    test::MemoryStorage::State state =
        image == nullptr ? test::MemoryStorage::State{} : dynamic_cast<const MemoryImage&>(*image).state;
    if (noticed || image == nullptr) state.self = fresh_replica();
    storage_.put_image(std::move(state));
  }

 private:
  sync::ReplicaId fresh_replica() { return sync::ReplicaId{random_.next() | 1U}; }

  Random random_;
  test::MemoryStorage storage_;
  test::MemorySessions sessions_;  // images are without
};

}  // namespace

std::unique_ptr<Disk> make_memory_disk(const Options& options, std::size_t board) {
  return std::make_unique<MemoryDisk>(options, board);
}

}  // namespace hedgerow::sim
