// SPDX-License-Identifier: Apache-2.0
#include "engine/model/required_tensors.h"

#include <vector>

#include "absl/strings/str_cat.h"

#include "engine/model/block_linears.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {

absl::StatusOr<const TensorInfo*> RequireTensor(const ModelFolder& folder, absl::string_view name,
                                                absl::Span<const int64_t> shape) {
  const TensorInfo* info = folder.Find(name);
  if (info == nullptr) {
    return WithReason(absl::InvalidArgumentError(absl::StrCat(folder.path(), " has no tensor ", name)),
                      "MALFORMED_WEIGHTS");
  }
  const bool is_float =
      info->dtype == Dtype::kBfloat16 || info->dtype == Dtype::kFloat16 || info->dtype == Dtype::kFloat32;
  if (!is_float || absl::MakeConstSpan(info->shape) != shape) {
    return WithReason(absl::InvalidArgumentError(
                          absl::StrCat("tensor ", name, " is ", DtypeName(info->dtype), " ", ShapeText(info->shape),
                                       "; config.json asks for BF16, F16 or F32 ", ShapeText(shape))),
                      "MALFORMED_WEIGHTS");
  }
  return info;
}

absl::Status CheckTensors(const ModelFolder& folder) {
  const ModelConfig& config = folder.config();
  auto require = [&folder](absl::string_view name, const std::vector<int64_t>& shape) {
    return RequireTensor(folder, name, shape).status();
  };
  for (const NamedShape& tensor : OuterTensors(config)) PIVOT_RETURN_IF_ERROR(require(tensor.name, tensor.shape));
  for (int block = 0; block < config.num_blocks; ++block) {
    for (const NamedShape& kept : KeptTensors(config, block)) PIVOT_RETURN_IF_ERROR(require(kept.name, kept.shape));
    for (const auto& [module, role, expert, shape, has_bias] : BlockLinears(config, block)) {
      PIVOT_RETURN_IF_ERROR(require(module + ".weight", {shape.out_features, shape.in_features}));
      if (has_bias) PIVOT_RETURN_IF_ERROR(require(module + ".bias", {shape.out_features}));
    }
  }
  return absl::OkStatus();
}

}  // namespace pivot
