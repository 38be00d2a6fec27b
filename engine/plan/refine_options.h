// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PLAN_REFINE_OPTIONS_H_
#define PIVOT_ENGINE_PLAN_REFINE_OPTIONS_H_

// How a published checkpoint is made better. Defaults are those of docs/quality.md.

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace pivot {

/// Tokens that refinement reads at most, those that the model writes counted: what the streams of large models have
/// room for.
inline constexpr int64_t kMostRefineTokens = int64_t{1} << 19;
/// Documents of these many tokens are what the model writes, so many at once.
inline constexpr int64_t kSelfTextTokens = 512;
inline constexpr int64_t kSelfTextsOfGpu = 256;
inline constexpr int64_t kSelfTextsOfCpu = 64;

enum class RefineStages {
  kAutomatic,
  kNone,
  kBlockwise,
  kGlobal,  // behind the block-wise one
};

/// "auto", "none", "blockwise", "global".
absl::string_view RefineStagesName(RefineStages stages);

struct RefineOptions {
  RefineStages stages = RefineStages::kNone;
  int64_t step_tokens = 0;    // of each step of either stage
  int64_t block_steps = 0;    // of each pair of blocks
  double code_rate = 4e-3;    // of the block-wise stage, in steps of the grid
  double scale_rate = 1e-3;   // of the block-wise stage, as a fraction
  int64_t global_epochs = 0;  // passes over the calibration windows at most
  double self_text = 1;       // windows that the model writes by itself, for each of the calibration text
  double global_rate = 3e-3;  // of scales in the global stage, as a fraction

  bool runs_blockwise() const { return stages == RefineStages::kBlockwise || stages == RefineStages::kGlobal; }
  bool runs_globally() const { return stages == RefineStages::kGlobal; }
  int num_stages() const { return (runs_blockwise() ? 1 : 0) + (runs_globally() ? 1 : 0); }
};

/// The options in the JSON form of pivot.v1.RefineOptions, zeros as they are. kInvalidArgument with the field (reason
/// INVALID_SPEC) when a value is out of range.
absl::StatusOr<RefineOptions> ParseRefineOptions(const nlohmann::json& object);

struct CompressSpec;
enum class DeviceKind;

/// Puts the defaults of the device into zeros. kInvalidArgument (INVALID_SPEC) when stages are asked for that the rest
/// of the spec leaves no room for: what is learned are integer codes, on calibration text.
absl::Status FillRefineOptions(CompressSpec& spec, DeviceKind device);

/// The same with kAutomatic decided: both stages where a weight takes less than 4 bits, scales included, else none.
RefineOptions DecideStages(const CompressSpec& spec, double bits_per_weight);

}  // namespace pivot

#endif  // PIVOT_ENGINE_PLAN_REFINE_OPTIONS_H_
