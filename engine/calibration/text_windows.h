// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CALIBRATION_TEXT_WINDOWS_H_
#define PIVOT_ENGINE_CALIBRATION_TEXT_WINDOWS_H_

// Texts as tokens, and the windows of them that are calibrated and evaluated on.

#include <ATen/core/Tensor.h>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "engine/model/tokenizer/tokenizer.h"

namespace pivot {

enum class BuiltInText { kCalibration, kEvaluation };

/// Path of a text that was installed with the program: share/pivot/text/{calibration,evaluation}.txt beside the
/// executable's folder. kFailedPrecondition (reason TEXT_NOT_FOUND) when it is not there.
absl::StatusOr<std::string> BuiltInTextPath(BuiltInText text);

struct TokenizedText {
  std::vector<int32_t> tokens;
  std::string sha256;  // of the text
  std::string name;    // "built-in" or the file's name
};

/// Tokenizes a UTF-8 file in one piece, with the tokenizer's own special tokens. An empty path means the built-in text.
absl::StatusOr<TokenizedText> TokenizeTextFile(const std::string& path, BuiltInText built_in,
                                               const Tokenizer& tokenizer);

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
