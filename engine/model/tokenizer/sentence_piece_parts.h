// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_SENTENCE_PIECE_PARTS_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_SENTENCE_PIECE_PARTS_H_

// The parts of a tokenizer, from a tokenizer.model: the same that a tokenizer.json is read into.

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"

#include "engine/model/tokenizer/sentence_piece_model.h"
#include "engine/model/tokenizer/tokenizer_parts.h"

namespace pivot::tokenizer {

/// Gives the ids that the SentencePiece library gives, but that control pieces and the unknown one are found in texts
/// that spell them out, as transformers does. `before` and `after` are put around each text.
///
/// UNSUPPORTED_TOKENIZER for models of words or characters, and for unused pieces in BPE; kInvalidArgument when pieces
/// are equal, a byte has no piece although bytes spell what is unknown, or the charsmap is wrong.
absl::StatusOr<std::unique_ptr<const TokenizerParts>> MakeSentencePieceParts(const SentencePieceModel& model,
                                                                             std::vector<int32_t> before,
                                                                             std::vector<int32_t> after);

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_SENTENCE_PIECE_PARTS_H_
