// SPDX-License-Identifier: Apache-2.0
#include "engine/refine/state_file.h"

#include <ATen/ATen.h>
#include <vector>

#include "absl/strings/str_cat.h"

#include "engine/checkpoint/mapped_tensor.h"
#include "engine/ops/call_torch.h"
#include "proto/files/sha256.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

/// A copy of the file's tensor; kDataLoss unless it is as `like` in dtype and shape.
absl::StatusOr<at::Tensor> ReadAs(const SafetensorsFile& file, const std::string& name, const at::Tensor& like) {
  const TensorInfo* info = file.Find(name);
  if (info == nullptr) return absl::DataLossError(absl::StrCat(file.path(), " has no ", name));
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor mapped, MapTensor(file.Bytes(*info), *info));
  if (mapped.scalar_type() != like.scalar_type() || mapped.sizes() != like.sizes())
    return absl::DataLossError(absl::StrCat(file.path(), ": ", name, " has another dtype or shape"));
  return mapped.clone();
}

}  // namespace

absl::StatusOr<WrittenFile> WriteStateFile(const std::string& path, const NamedTensors& tensors) {
  return CallTorch("writing what has been learned", [&] {
    std::vector<at::Tensor> held;
    std::vector<TensorBytes> bytes;
    for (const auto& [name, tensor] : tensors) {
      held.push_back(tensor.to(at::kCPU).contiguous());
      const at::Tensor& host = held.back();
      const Dtype dtype = host.scalar_type() == at::kHalf ? Dtype::kFloat16 : Dtype::kFloat32;
      bytes.push_back({.spec = {.name = name, .dtype = dtype, .shape = host.sizes().vec()},
                       .bytes = {static_cast<const char*>(host.const_data_ptr()), host.nbytes()}});
    }
    return WriteSafetensors(path, bytes);
  });
}

absl::StatusOr<NamedTensors> ReadStateFile(const std::string& path, const std::string& sha256,
                                           const NamedTensors& like) {
  const auto found = Sha256OfFile(path);
  if (!found.ok() || *found != sha256) return absl::DataLossError(absl::StrCat(path, " is missing or damaged"));
  return CallTorch("reading what was learned", [&]() -> absl::StatusOr<NamedTensors> {
    PIVOT_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
    NamedTensors tensors;
    for (const auto& [name, tensor] : like) {
      PIVOT_ASSIGN_OR_RETURN(tensors[name], ReadAs(file, name, tensor));
    }
    return tensors;
  });
}

}  // namespace pivot
