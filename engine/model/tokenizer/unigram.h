// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_UNIGRAM_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_UNIGRAM_H_

// The cut of a word into pieces whose scores have the largest sum.

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include "engine/model/tokenizer/byte_tokens.h"
#include "engine/model/tokenizer/model.h"
#include "engine/model/tokenizer/prefix_tree.h"
#include "engine/model/tokenizer/vocabulary.h"

namespace pivot::tokenizer {

/// Copies nothing of the vocabulary, which must outlive it.
///
/// Source: EncodeOptimized of unigram_model.cc in google/sentencepiece, which both libraries follow: of equal sums the
/// way that was found first is kept, and a character that is no piece costs `unknown_score`.
class Unigram : public Model {
 public:
  /// The two libraries differ in the last bits and in what they make of unknown characters.
  enum class Dialect {
    kTokenizers,     // sums in double; a run of unknown characters is looked up as a whole, then spelled in bytes
    kSentencePiece,  // sums rounded to float; each unknown character is spelled in bytes, or a run is one token
  };

  struct Options {
    Dialect dialect = Dialect::kTokenizers;
    std::optional<int32_t> unknown_id;
    double unknown_score = 0;
    bool spells_unknown = false;
  };

  /// `pieces` are the texts that may be found, with their ids; `scores` has an entry for each id.
  Unigram(const Vocabulary& vocabulary, PrefixTree pieces, std::vector<double> scores, Options options);

 protected:
  /// kInvalidArgument when an unknown character would be taken and there is no unknown token.
  ///
  /// Cost: O(n l) for n bytes and a longest piece of l bytes.
  absl::Status EncodeNewWord(absl::string_view word, WordScratch* scratch) const override;

 private:
  void FindPath(absl::string_view word, std::vector<PathEnd>* path) const;
  absl::Status AddUnknown(absl::string_view run, std::vector<int32_t>* ids) const;

  const Vocabulary* vocabulary_;
  PrefixTree pieces_;
  std::vector<double> scores_;
  ByteTokens byte_tokens_;
  Options options_;
};

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_UNIGRAM_H_
