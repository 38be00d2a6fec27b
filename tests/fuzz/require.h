// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_FUZZ_REQUIRE_H_
#define PIVOT_TESTS_FUZZ_REQUIRE_H_

// What must hold whatever the input: a fuzzer stops, and keeps the input, where it does not.

#define PIVOT_REQUIRE(condition)        \
  do {                                  \
    if (!(condition)) __builtin_trap(); \
  } while (false)

#endif  // PIVOT_TESTS_FUZZ_REQUIRE_H_
