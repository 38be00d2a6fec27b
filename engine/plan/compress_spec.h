// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PLAN_COMPRESS_SPEC_H_
#define PIVOT_ENGINE_PLAN_COMPRESS_SPEC_H_

// What a compress job is asked for, with every default filled in.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

#include "engine/format/linear_storage.h"
#include "engine/model/model_folder.h"
#include "engine/plan/budget.h"
#include "engine/plan/quantize_options.h"
#include "engine/plan/refine_options.h"

namespace pivot {

enum class ComputeDtype { kAutomatic, kFloat32, kBfloat16 };
enum class DeviceKind { kCpu, kCuda };

absl::string_view ComputeDtypeName(ComputeDtype dtype);

/// How windows are taken of documents.
enum class SamplingStrategy {
  kConcatRandom,  // at random places of all documents put together; windows may overlap
  kConcatChunk,   // one after the other from the beginning of all documents put together
  kDropRandom,    // one at a random place of each document that has a whole one, in the file's order
  kDropHead,      // the same, from its beginning
};

/// "concat_rand", "concat_chunk", "drop_rand", "drop_head".
absl::string_view SamplingStrategyName(SamplingStrategy strategy);

struct CalibrationSpec {
  std::string text_path;  // empty: the built-in text
  std::string text_key;   // as DocumentFile has it
  SamplingStrategy strategy = SamplingStrategy::kConcatRandom;
  bool quality_filter = false;
  int64_t num_samples = 0;
  int64_t sequence_length = 0;
  int64_t seed = 0;

  int64_t num_tokens() const { return num_samples * sequence_length; }
};

struct EvaluationSpec {
  bool skip = false;
  std::string text_path;   // empty: the built-in text
  std::string text_key;    // as DocumentFile has it
  int64_t max_tokens = 0;  // 0: all
};

struct CompressSpec {
  std::string source_path;
  WeightScheme scheme;  // of all layers of a uniform plan; of others the bits are where it starts from
  PlanOptions plan;
  CodeLayout layout = CodeLayout::kPackQuantized;  // of the published folder, or of the first of several
  std::vector<CodeLayout> further_layouts;         // of folders beside it (engine/format/output_format.h)
  QuantizeOptions quantize;
  CalibrationSpec calibration;
  EvaluationSpec evaluation;
  RefineOptions refine;
  ComputeDtype dtype = ComputeDtype::kAutomatic;

  bool measures_plan() const { return plan.kind == PlanKind::kAutomatic; }

  /// Whether it takes a tokenizer.
  bool reads_text() const { return quantize.method == Method::kGptq || !evaluation.skip; }

  /// Of all published folders.
  std::vector<CodeLayout> layouts() const;

  /// What layers of a scheme are quantized with.
  QuantizeOptions OptionsFor(const WeightScheme& layer) const;
};

/// The spec in the JSON form of pivot.v1.CompressTask with defaults for this model and kind of device. kInvalidArgument
/// with the field when a value is out of range or no group size divides the model's layers (reason INVALID_SPEC).
absl::StatusOr<CompressSpec> ResolveCompressSpec(const nlohmann::json& task, const ModelFolder& folder,
                                                 DeviceKind device);

/// All that decides what is written, as one line of JSON: two jobs with the same line and source write the same bytes.
std::string CanonicalSpec(const CompressSpec& spec);

absl::StatusOr<ComputeDtype> ParseComputeDtype(absl::string_view name);

/// task.source.path of a task in JSON form. kInvalidArgument when it is missing.
absl::StatusOr<std::string> SourcePath(const nlohmann::json& task, absl::string_view member = "source");

}  // namespace pivot

#endif  // PIVOT_ENGINE_PLAN_COMPRESS_SPEC_H_
