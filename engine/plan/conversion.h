// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PLAN_CONVERSION_H_
#define PIVOT_ENGINE_PLAN_CONVERSION_H_

// What another format of a folder will consist of. From headers alone; no weight is read.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

#include "engine/format/checkpoint_folder.h"
#include "engine/model/model_shapes.h"
#include "engine/plan/gguf_plan.h"
#include "engine/plan/output_layout.h"

namespace pivot {

struct ConversionSpec {
  std::string source_path;
  std::vector<CodeLayout> layouts = {CodeLayout::kPackQuantized};  // each a folder (engine/format/output_format.h)
  int64_t shard_bytes = 0;  // 0: a shard for each decoder block and one for the rest
};

/// The spec in the JSON form of pivot.v1.ConvertTask. kInvalidArgument with the field (reason INVALID_SPEC).
absl::StatusOr<ConversionSpec> ResolveConversion(const nlohmann::json& task);

struct Conversion {
  StorageForm form;
  ModelSchemes schemes;                      // of the source
  std::vector<OutputShard> shards;           // of GGUF one, which has no specs
  std::map<std::string, std::string> texts;  // ConfigurationTexts; none for GGUF
  std::optional<GgufPlan> gguf;

  /// Bytes of the files of weights; of GGUF an upper bound.
  int64_t weight_bytes() const;
};

/// Why a layer of this shape and scheme cannot be stored in the layout: "has 5 bits; GPTQ has 2, 3, 4 and 8". Empty
/// when it can.
std::string WhyNotExpressible(LinearShape shape, const WeightScheme& scheme, CodeLayout layout);

/// Files that say how a folder is quantized, by name: config.json, and quantize_config.json, which readers of GPTQ ask
/// for and which holds the same once more.
absl::StatusOr<std::map<std::string, std::string>> ConfigurationTexts(const ModelFolder& source,
                                                                      const ModelSchemes& schemes, CodeLayout layout);

/// kFailedPrecondition with reason FORMAT_CANNOT_EXPRESS, naming a layer, when the format has no room for what the
/// folder holds, or when the folder is plain and the format has no plain form.
absl::StatusOr<Conversion> PlanConversion(const CheckpointFolder& source, CodeLayout layout, int64_t shard_bytes);

/// One for each of the spec's layouts, and the same errors.
absl::StatusOr<std::vector<Conversion>> PlanConversions(const CheckpointFolder& source, const ConversionSpec& spec);

}  // namespace pivot

#endif  // PIVOT_ENGINE_PLAN_CONVERSION_H_
