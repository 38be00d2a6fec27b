// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_BPE_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_BPE_H_

// Byte-pair encoding of one word.

#include <array>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

#include "engine/model/tokenizer/text_list.h"
#include "engine/model/tokenizer/vocabulary.h"
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

/// What encoding a word needs besides the model; kept between words.
struct BpeScratch {
  std::vector<Symbol> symbols;
  std::vector<MergeCandidate> queue;  // a heap
  std::vector<int32_t> word_ids;
  WordCache cache;

  /// Gives back what a very long word has taken.
  void Shrink();
};

/// Immutable; concurrent calls need a scratch each. Copies nothing of the vocabulary, which must outlive it.
class Bpe {
 public:
  /// `model` is the file's model without vocabulary and merges; `merges` are two texts each, left and right.
  /// UNSUPPORTED_TOKENIZER for what is not byte-level; kInvalidArgument when a merge's texts are not in the vocabulary.
  static absl::StatusOr<Bpe> Create(const nlohmann::json& model, const TextList& merges, const Vocabulary& vocabulary);

  /// Appends the ids of a word, given as its bytes: of all pairs of neighbours that may be merged the one of the lowest
  /// rank is merged, the leftmost of equals, until there is none. A byte without a token is left out, as `tokenizers`
  /// does.
  ///
  /// Cost: O(n log n) for n bytes; a remembered word O(n). `word` is shorter than 2^31 bytes.
  void EncodeWord(absl::string_view word, BpeScratch* scratch, std::vector<int32_t>* ids) const;

 private:
  struct Merge {
    uint32_t rank;
    int32_t id;
  };

  explicit Bpe(const Vocabulary& vocabulary);

  absl::Status ReadOptions(const nlohmann::json& model);
  absl::Status AddMerges(const TextList& merges);
  void EncodeNewWord(absl::string_view word, BpeScratch* scratch) const;
  void AddSymbols(absl::string_view word, std::vector<Symbol>* symbols) const;
  /// Looks up what the symbol and its next one merge to; queues it if they do.
  void UpdateCandidate(int32_t left, BpeScratch* scratch) const;
  void MergeAll(BpeScratch* scratch) const;

  const Vocabulary* vocabulary_;
  std::array<int32_t, 256> id_by_byte_;  // -1: the byte has no token
  absl::flat_hash_map<uint64_t, Merge> merges_;
  bool whole_words_first_ = false;  // "ignore_merges": a word that is a token is that token
};

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_BPE_H_
