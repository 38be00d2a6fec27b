// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_GGUF_GGUF_PIECES_H_
#define PIVOT_ENGINE_MODEL_GGUF_GGUF_PIECES_H_

// Vocabularies of the kind "llama", which SentencePiece made, as tokenizer.json has them: BPE with byte fallback.

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

#include "engine/model/gguf/gguf_file.h"

namespace pivot {

/// The members "normalizer", "pre_tokenizer", "decoder" and "model", the last without "vocab".
///
/// A score says how early a piece is made, whatever of: merges are all ways to make a piece of two, by falling score,
/// in the order that transformers gives them (tokenization_utils_sentencepiece.py). Where a piece can be made in two
/// overlapping places at once ("aaaa"), llama.cpp takes the left one, and a tokenizer.json the earlier merge. Spaces
/// are treated as tokenizer.json of Llama 2 does, which is what llama.cpp does: a prefix before what follows a special
/// token, too.
///
/// kInvalidArgument (MALFORMED_WEIGHTS) when there is not a finite score for each token, or no unknown token.
absl::StatusOr<nlohmann::ordered_json> PiecesJson(const GgufFile& file);

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_GGUF_GGUF_PIECES_H_
