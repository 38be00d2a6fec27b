// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_FOLDER_TOKENIZER_H_
#define PIVOT_ENGINE_MODEL_FOLDER_TOKENIZER_H_

// The tokenizer of a model, wherever it keeps it.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "engine/model/tokenizer/tokenizer.h"

namespace pivot {

/// FOLDER/tokenizer.json; without one FOLDER/tokenizer.model, or what a GGUF file holds that has none beside it.
/// `model` as ModelFolder::Open takes it.
///
/// What goes around a text beside a tokenizer.model is what transformers puts there: "add_bos_token", "add_eos_token"
/// and the two tokens' names of tokenizer_config.json, else by its "tokenizer_class", where T5's has only a last token
/// and any other only a first one.
///
/// Errors: those of Tokenizer::FromFile and Tokenizer::FromSentencePiece, UNSAFE_SOURCE for a link out of the folder,
/// and those of ModelFolder for a GGUF file; kInvalidArgument when tokenizer_config.json is wrong.
absl::StatusOr<Tokenizer> LoadTokenizer(const std::string& model);

/// What the tokenizer of such a folder puts before every text: nothing, or the token that begins one.
absl::StatusOr<std::vector<int64_t>> TokensBeforeText(const std::string& folder);

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_FOLDER_TOKENIZER_H_
