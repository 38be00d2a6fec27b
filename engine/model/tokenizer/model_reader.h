// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_MODEL_READER_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_MODEL_READER_H_

// The member "model" of a tokenizer.json.

#include <memory>

#include "absl/status/statusor.h"

#include "engine/model/tokenizer/model.h"
#include "engine/model/tokenizer/tokenizer_json.h"
#include "engine/model/tokenizer/vocabulary.h"

namespace pivot::tokenizer {

/// `vocabulary` is made of the content's tokens, and must outlive the model; `words` says whether the pre-tokenizer is
/// byte-level. UNSUPPORTED_TOKENIZER for a model or an option that is not known; kInvalidArgument when a token that the
/// model refers to is not in the vocabulary, or a member is missing or of another form.
absl::StatusOr<std::unique_ptr<const Model>> ReadModel(const TokenizerJson& content, const Vocabulary& vocabulary,
                                                       Model::WordForm words);

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_MODEL_READER_H_
