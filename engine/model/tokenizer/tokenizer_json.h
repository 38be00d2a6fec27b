// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_TOKENIZER_JSON_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_TOKENIZER_JSON_H_

// The content of a tokenizer.json: its two long lists in compact form, the rest as JSON.

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

#include "engine/model/tokenizer/text_list.h"

namespace pivot::tokenizer {

struct TokenizerJson {
  /// Whether `model.vocab` gives each token an id, as BPE and WordPiece have it, or a score, as Unigram does.
  enum class VocabularyForm { kNone, kIds, kScores };

  /// Everything but `model.vocab` and `model.merges`, which are null here if the file has them in a form below.
  nlohmann::json document;
  /// The vocabulary in the file's order.
  VocabularyForm vocabulary_form = VocabularyForm::kNone;
  TextList tokens;
  std::vector<int32_t> token_ids;
  std::vector<double> scores;  // finite; empty but in the form kScores
  /// Two texts for each merge, left and right, by falling priority.
  TextList merges;
};

/// Parses within limits: depth 64, a million values outside the two lists. kInvalidArgument when the text is not JSON,
/// with the place; when it exceeds a limit; when an object has a key twice; when the vocabulary has something else than
/// ids, or than pairs of a text and a score; when a merge is neither "left right" nor ["left", "right"].
absl::StatusOr<TokenizerJson> ParseTokenizerJson(absl::string_view text);

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_TOKENIZER_JSON_H_
