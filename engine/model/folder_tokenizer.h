// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_FOLDER_TOKENIZER_H_
#define PIVOT_ENGINE_MODEL_FOLDER_TOKENIZER_H_

// The tokenizer of a model, wherever it keeps it.

#include <string>

#include "absl/status/statusor.h"

#include "engine/model/tokenizer/tokenizer.h"

namespace pivot {

/// FOLDER/tokenizer.json, or what a GGUF file holds that has none beside it. `model` as ModelFolder::Open takes it.
/// Errors: those of Tokenizer::FromFile, UNSAFE_SOURCE for a link out of the folder, and those of ModelFolder for a
/// GGUF file.
absl::StatusOr<Tokenizer> LoadTokenizer(const std::string& model);

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_FOLDER_TOKENIZER_H_
