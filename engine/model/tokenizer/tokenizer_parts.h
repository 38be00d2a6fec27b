// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_TOKENIZER_PARTS_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_TOKENIZER_PARTS_H_

// What a tokenizer is made of, whatever file it comes from.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "engine/model/tokenizer/added_tokens.h"
#include "engine/model/tokenizer/decoder.h"
#include "engine/model/tokenizer/model.h"
#include "engine/model/tokenizer/normalizer.h"
#include "engine/model/tokenizer/post_processor.h"
#include "engine/model/tokenizer/pre_tokenizer.h"
#include "engine/model/tokenizer/scratch_pool.h"
#include "engine/model/tokenizer/vocabulary.h"

namespace pivot::tokenizer {

struct TokenizerParts {
  /// On the heap, since the model points at it.
  std::unique_ptr<const Vocabulary> vocabulary;
  std::unique_ptr<const Model> model;
  Normalizer normalizer;
  AddedTokens added_tokens;
  PreTokenizer pre_tokenizer;
  PostProcessor post_processor;
  Decoder decoder;
  mutable ScratchPool scratch_pool;

  /// Appends the ids of a valid text, without what the post-processor adds.
  absl::Status Encode(absl::string_view text, Scratch* scratch, std::vector<int32_t>* ids) const;

  /// The texts of the tokens; ids that no token has are left out, and special tokens if that is asked.
  enum class Special { kKept, kLeftOut };
  std::vector<std::string> TextsOf(absl::Span<const int32_t> ids, Special special) const;

  /// Of a normalized text in which no added token is looked for.
  absl::Status EncodeBetweenTokens(TextView text, Scratch* scratch, std::vector<int32_t>* ids) const;
};

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_TOKENIZER_PARTS_H_
