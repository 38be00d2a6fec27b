// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CALIBRATION_EXPERT_USE_H_
#define PIVOT_ENGINE_CALIBRATION_EXPERT_USE_H_

// What of the calibration tokens an expert is quantized with.

#include <cstdint>

#include "absl/strings/string_view.h"

namespace pivot {

/// Where the moments of an expert's inputs are from. With few tokens of its own a layer would be fitted to these alone.
enum class ExpertFallback {
  kNone,        // the tokens that the router sends to it
  kShared,      // gate and up: all tokens of the block, which are inputs of every expert alike; one Hessian for all
  kAllExperts,  // down: all tokens of the block, sent through this expert although the router did not
  kRounding,    // nowhere: the block has too few tokens, or not all of them pass this expert as finite values
};

/// "none", "shared", "all_experts", "rtn".
constexpr absl::string_view ExpertFallbackName(ExpertFallback fallback) {
  switch (fallback) {
    case ExpertFallback::kNone:
      return "none";
    case ExpertFallback::kShared:
      return "shared";
    case ExpertFallback::kAllExperts:
      return "all_experts";
    case ExpertFallback::kRounding:
      return "rtn";
  }
  return "";
}

struct ExpertUse {
  int64_t num_tokens = 0;  // that the router sends to it in the quantized model
  ExpertFallback fallback = ExpertFallback::kNone;
};

/// Fewer tokens than an eighth of what a linear reads are too few.
constexpr int64_t LeastExpertTokens(int64_t in_features) { return (in_features + 7) / 8; }

}  // namespace pivot

#endif  // PIVOT_ENGINE_CALIBRATION_EXPERT_USE_H_
