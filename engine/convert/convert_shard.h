// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CONVERT_CONVERT_SHARD_H_
#define PIVOT_ENGINE_CONVERT_CONVERT_SHARD_H_

// One weight file of a conversion: written from the source's tensors, read back, compared.

#include <map>
#include <string>

#include "absl/status/status.h"

#include "engine/format/checkpoint_folder.h"
#include "engine/forward/weights.h"
#include "engine/model/model_shapes.h"
#include "engine/plan/conversion.h"

namespace pivot {

/// Borrows the source and the conversion.
class ShardConverter {
 public:
  ShardConverter(const CheckpointFolder& source, const Conversion& conversion);

  /// Writes the shard below `folder`, a layer at a time, and compares every layer of the new file with the source's:
  /// kDataLoss names one whose codes, scales, zero points or groups differ (plain: whose weights, rounded to bf16).
  /// MALFORMED_WEIGHTS when a layer has zero points and the configuration says that it is symmetric. Pages of the
  /// source are let go as soon as they are written. Several threads may call.
  absl::Status Convert(const std::string& folder, const OutputShard& shard) const;

  /// Whether the configuration of the finished folder gives each layer the scheme and the layout that it was written
  /// in: kDataLoss names one.
  absl::Status CheckConfiguration(const std::string& folder) const;

 private:
  using Modules = std::map<std::string, LinearShape>;

  absl::Status Write(const std::string& path, const OutputShard& shard) const;
  absl::Status PutKept(const TensorSpec& spec, SafetensorsWriter& writer) const;
  absl::Status Compare(const std::string& path, const OutputShard& shard) const;
  absl::StatusOr<std::map<std::string, at::Tensor>> Encode(const std::string& module, LinearShape shape) const;
  absl::StatusOr<bool> IsSame(const SafetensorsFile& file, const std::string& module, LinearShape shape) const;
  LinearStorage TargetOf(const std::string& module, LinearShape shape) const;
  void ReleaseSource(const std::string& module, Reuse reuse) const;
  bool is_plain() const { return conversion_.form.layout == CodeLayout::kPlainBf16; }

  const CheckpointFolder& source_;
  const Conversion& conversion_;
  WeightReader reader_;
  Modules modules_;  // those that are quantized
};

}  // namespace pivot

#endif  // PIVOT_ENGINE_CONVERT_CONVERT_SHARD_H_
