// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_TORTURE_ROUNDS_H_
#define PIVOT_TESTS_TORTURE_ROUNDS_H_

// How long a torture lasts, and with which seed.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <random>

#include "absl/strings/numbers.h"
#include "gtest/gtest.h"

namespace pivot {

/// What the environment variable `name` says, or `short_form`: what the tests run.
inline int Rounds(const char* name, int short_form) {
  const char* text = std::getenv(name);
  int rounds = 0;
  return text != nullptr && absl::SimpleAtoi(text, &rounds) ? std::max(1, rounds) : short_form;
}

/// PIVOT_TORTURE_SEED, or one by chance; told in the test's record.
inline uint64_t Seed() {
  const char* text = std::getenv("PIVOT_TORTURE_SEED");
  const uint64_t seed = text == nullptr ? std::random_device()() : std::strtoull(text, nullptr, 10);
  ::testing::Test::RecordProperty("seed", std::to_string(seed));
  return seed;
}

}  // namespace pivot

#endif  // PIVOT_TESTS_TORTURE_ROUNDS_H_
