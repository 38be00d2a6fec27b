// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_CHARACTER_PAIRS_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_CHARACTER_PAIRS_H_

// A set of pairs of characters.

#include <bitset>
#include <cstddef>
#include <cstdint>

#include "absl/container/flat_hash_set.h"

namespace pivot::tokenizer {

class CharacterPairs {
 public:
  void Add(char32_t first, char32_t second) {
    if ((first | second) < kNumAscii) {
      ascii_.set(AsciiIndex(first, second));
    } else {
      others_.insert(Key(first, second));
    }
  }

  bool Contains(char32_t first, char32_t second) const {
    if ((first | second) < kNumAscii) return ascii_.test(AsciiIndex(first, second));
    return others_.contains(Key(first, second));
  }

 private:
  static constexpr size_t kNumAscii = 128;

  static size_t AsciiIndex(char32_t first, char32_t second) { return first * kNumAscii + second; }
  static uint64_t Key(char32_t first, char32_t second) { return static_cast<uint64_t>(first) << 32U | second; }

  std::bitset<kNumAscii * kNumAscii> ascii_;
  absl::flat_hash_set<uint64_t> others_;
};

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_CHARACTER_PAIRS_H_
