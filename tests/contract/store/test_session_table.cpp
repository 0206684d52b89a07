// The contract of the session store, held by the real one on a disk that loses power at each reopen().
#include "tests/contract/store/store_fixture.hpp"

#define SESSION_HARNESS hedgerow::test::StoreFixture
#include "tests/contract/session_contract.hpp"
