// The contract of sync::Storage, sync::ReadViews and sync::ReadView: one suite for every implementation.
//
// Define STORAGE_HARNESS as a default-constructible type, then include this file in one source of the test program:
//
//   class MyHarness {
//    public:
//     sync::Storage& storage();
//     sync::ReadViews& views();
//     void reopen();   // as after a power loss: what was committed is there again, what was not is gone
//   };
//   #define STORAGE_HARNESS MyHarness
//   #include "tests/contract/storage_contract.hpp"
//
// Each instance begins with an empty database.
#pragma once

#ifndef STORAGE_HARNESS
#error "define STORAGE_HARNESS before including storage_contract.hpp"
#endif

#include "tests/contract/storage/cells.hpp"
#include "tests/contract/storage/log.hpp"
#include "tests/contract/storage/turns.hpp"
