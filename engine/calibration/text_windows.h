// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CALIBRATION_TEXT_WINDOWS_H_
#define PIVOT_ENGINE_CALIBRATION_TEXT_WINDOWS_H_

// Texts as tokens, and the windows of them that are calibrated and evaluated on.

#include <ATen/core/Tensor.h>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "engine/calibration/documents.h"
#include "engine/model/tokenizer/tokenizer.h"

namespace pivot {

struct TokenizedText {
  std::vector<int32_t> tokens;
  std::string sha256;  // of the file
  std::string name;    // "built-in" or the file's name
};

/// All documents as one. Texts are joined by a blank line and tokenized in one piece with the tokenizer's own special
/// tokens; chats, which spell theirs out, follow each other as they are, and so do token ids. Errors: those of
/// Tokenizer::Encode; kInvalidArgument (reason INVALID_TEXT) for an id from `vocab_size` on.
absl::StatusOr<TokenizedText> TokenizeJoined(const Documents& documents, const Tokenizer& tokenizer,
                                             int64_t vocab_size);

/// One document alone, in the same way.
absl::StatusOr<std::vector<int32_t>> TokenizeDocument(const Documents& documents, size_t index,
                                                      const Tokenizer& tokenizer, int64_t vocab_size);

/// `count` random places from 0 to `limit` - 1, [count] int64, drawn one after the other by torch.randint(0, limit,
/// ...) of a CPU generator with this seed. May throw what ATen throws.
at::Tensor RandomPlaces(int64_t limit, int64_t count, int64_t seed);

/// The windows of `length` tokens that begin at `places` [count] int64, which leave room for them: [count, length]
/// int64. May throw what ATen throws.
at::Tensor WindowsAt(const std::vector<int32_t>& tokens, const at::Tensor& places, int64_t length);

/// `count` windows of `length` tokens that begin at random places, [count, length] int64.
///
/// Source: the draw is torch.randint(0, tokens - length + 1, (count,)) of a CPU generator with this seed, so that
/// windows equal those
///         of a PyTorch script.
/// Errors: kInvalidArgument (reason TEXT_TOO_SHORT) when the text is shorter than one window.
absl::StatusOr<at::Tensor> RandomWindows(const std::vector<int32_t>& tokens, int64_t count, int64_t length,
                                         int64_t seed);

/// Consecutive windows of `length`, the last one as long as what is left if that is at least 2 tokens; [1, n] int64
/// each. At most `max_tokens` tokens are used, 0: all. kInvalidArgument (reason TEXT_TOO_SHORT) for fewer than 2
/// tokens.
absl::StatusOr<std::vector<at::Tensor>> ConsecutiveWindows(const std::vector<int32_t>& tokens, int64_t length,
                                                           int64_t max_tokens);

}  // namespace pivot

#endif  // PIVOT_ENGINE_CALIBRATION_TEXT_WINDOWS_H_
