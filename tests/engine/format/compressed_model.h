// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_ENGINE_FORMAT_COMPRESSED_MODEL_H_
#define PIVOT_TESTS_ENGINE_FORMAT_COMPRESSED_MODEL_H_

// A compressed folder whose codes and scales are zeros: what every reader but the arithmetic needs.

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"

#include "engine/format/weight_scheme.h"
#include "engine/model/model_folder.h"
#include "engine/plan/output_layout.h"

namespace pivot {

/// What is going to be written; a test may change it first.
struct CompressedModel {
  std::vector<OutputShard> shards;
  std::map<std::string, std::string> bytes;  // of tensors that are not zeros
  std::string config_json;

  /// The tensor's spec, which must be there.
  TensorSpec& Spec(absl::string_view name);
  void Remove(absl::string_view name);
};

CompressedModel CompressWithZeros(const ModelFolder& source, const WeightScheme& scheme);
CompressedModel CompressWithZeros(const ModelFolder& source, const ModelSchemes& schemes, const StorageForm& form);

/// Writes shards, index and config.json into `folder`, and copies the files that a checkpoint takes from its source.
absl::Status WriteCompressedModel(const CompressedModel& model, const ModelFolder& source, const std::string& folder);

}  // namespace pivot

#endif  // PIVOT_TESTS_ENGINE_FORMAT_COMPRESSED_MODEL_H_
