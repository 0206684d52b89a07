#include "tests/support/memory_sessions.hpp"

namespace hedgerow::test {

class MemorySessionHarness {
 public:
  [[nodiscard]] sync::Storage& storage() { return storage_; }
  [[nodiscard]] node::SessionStore& sessions() { return sessions_; }
  void reopen() { storage_.crash(); }

 private:
  MemoryStorage storage_{sync::ReplicaId{1}};
  MemorySessions sessions_{storage_};
};

}  // namespace hedgerow::test

#define SESSION_HARNESS hedgerow::test::MemorySessionHarness
#include "tests/contract/session_contract.hpp"
