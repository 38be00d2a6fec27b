// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_SENTENCE_PIECE_MODEL_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_SENTENCE_PIECE_MODEL_H_

// The content of a tokenizer.model, which SentencePiece writes.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "engine/model/tokenizer/text_list.h"

namespace pivot::tokenizer {

/// Numbers and defaults are those of sentencepiece_model.proto.
struct SentencePieceModel {
  enum class Kind { kUnigram = 1, kBpe = 2, kWord = 3, kCharacter = 4 };
  enum class PieceType { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

  Kind kind = Kind::kUnigram;
  bool spells_unknown = false;  // in byte pieces
  int32_t bos_id = 1;           // -1: none
  int32_t eos_id = 2;

  /// Pieces by id: not empty, valid UTF-8, with finite scores.
  TextList pieces;
  std::vector<float> scores;
  std::vector<PieceType> types;
  int32_t unknown_id = 0;  // the only one of its type

  std::string charsmap;  // may be empty
  bool adds_dummy_prefix = true;
  bool removes_extra_spaces = true;
  bool escapes_spaces = true;
  bool space_is_suffix = false;
};

/// "tokenizer.model: " and the message: kInvalidArgument.
absl::Status MalformedModel(absl::string_view message);

/// kInvalidArgument when the bytes are no such model, or break what is said above.
absl::StatusOr<SentencePieceModel> ParseSentencePieceModel(absl::string_view bytes);

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_SENTENCE_PIECE_MODEL_H_
