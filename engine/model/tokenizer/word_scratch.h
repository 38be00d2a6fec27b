// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_WORD_SCRATCH_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_WORD_SCRATCH_H_

// What encoding a word needs besides the model; kept between words.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/model/tokenizer/word_cache.h"

namespace pivot::tokenizer {

/// A part of a word, linked with its neighbours.
struct Symbol {
  int32_t id;
  int32_t previous;     // index, or -1
  int32_t next;         // index, or -1
  uint32_t merge_rank;  // of this and the next symbol
  int32_t merged_id;
};

/// A pair of neighbours that may be merged; void when its left symbol has got another rank since.
struct MergeCandidate {
  uint32_t rank;
  int32_t left;
};

/// The best way to cut a word's beginning into pieces: its last piece.
struct PathEnd {
  double score;
  int32_t begin;  // of the last piece; -1: no way has been found yet
  int32_t id;
};

struct WordScratch {
  std::vector<Symbol> symbols;
  std::vector<MergeCandidate> queue;  // a heap
  std::vector<PathEnd> path;
  std::vector<int32_t> word_ids;
  WordCache cache;

  /// Gives back what a very long word has taken.
  void Shrink() {
    /// 160 kB of symbols: what the words of ordinary text stay below.
    constexpr size_t kKept = 8192;
    if (symbols.capacity() > kKept) symbols = {};
    if (queue.capacity() > kKept) queue = {};
    if (path.capacity() > kKept) path = {};
    if (word_ids.capacity() > kKept) word_ids = {};
  }
};

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_WORD_SCRATCH_H_
