// The contract of the sync engine's storage, held by the real one on a disk that loses power at each reopen().
#include "tests/contract/store/store_fixture.hpp"

#define STORAGE_HARNESS hedgerow::test::StoreFixture
#include "tests/contract/storage_contract.hpp"
