// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_MERGE_TABLE_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_MERGE_TABLE_H_

// Which neighbours byte-pair encoding joins, and in which order.

#include <cstddef>
#include <cstdint>

#include "absl/container/flat_hash_map.h"

#include "engine/model/tokenizer/word_scratch.h"

namespace pivot::tokenizer {

/// Immutable once it is filled; concurrent calls need a scratch each.
class MergeTable {
 public:
  void Reserve(size_t num_merges) { merges_.reserve(num_merges); }

  /// Of equal pairs the last one counts. Pairs may share a rank only if they make the same token, or if their order is
  /// that of their places.
  void Add(int32_t left, int32_t right, uint32_t rank, int32_t merged) {
    merges_[PairKey(left, right)] = {rank, merged};
  }

  /// Makes `scratch->symbols` a chain of these ids' places in order: each is linked with its neighbours.
  static void AddSymbol(int32_t id, WordScratch* scratch);

  /// Of all pairs of neighbours that may be merged the one of the lowest rank is merged, the leftmost of equals, until
  /// there is none; the ids that are left are appended to `scratch->word_ids`.
  ///
  /// Cost: O(n log n) for n symbols.
  void MergeAll(WordScratch* scratch) const;

 private:
  struct Merge {
    uint32_t rank;
    int32_t id;
  };

  static uint64_t PairKey(int32_t left, int32_t right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32U | static_cast<uint32_t>(right);
  }

  /// Looks up what the symbol and its next one merge to; queues it if they do.
  void UpdateCandidate(int32_t left, WordScratch* scratch) const;
  void MergePairs(WordScratch* scratch) const;

  absl::flat_hash_map<uint64_t, Merge> merges_;
};

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_MERGE_TABLE_H_
