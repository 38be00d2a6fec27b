// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_GGUF_GGUF_SENTENCE_PIECE_H_
#define PIVOT_ENGINE_MODEL_GGUF_GGUF_SENTENCE_PIECE_H_

// Vocabularies that SentencePiece made (Llama 1 and 2, Mistral), from the BPE that tokenizer.json makes of them.

#include "absl/status/status.h"
#include "nlohmann/json.hpp"

#include "engine/model/gguf/gguf_word_list.h"
#include "engine/model/gguf/gguf_writer.h"

namespace pivot {

/// Adds model "llama": tokens, scores and types. A reader joins the neighbours that make the token of the highest
/// score: minus the rank of the first merge that makes it. FORMAT_CANNOT_EXPRESS when spaces are not turned into U+2581
/// alone, or a token has no merge although two tokens make it.
absl::Status AddSentencePieces(const nlohmann::json& tokenizer, const GgufWordList& words, GgufValues& values);

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_GGUF_GGUF_SENTENCE_PIECE_H_
