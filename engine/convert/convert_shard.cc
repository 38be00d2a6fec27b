// SPDX-License-Identifier: Apache-2.0
#include "engine/convert/convert_shard.h"

#include <ATen/ATen.h>
#include <cstring>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

#include "engine/checkpoint/linear_tensors.h"
#include "engine/checkpoint/mapped_tensor.h"
#include "engine/model/block_linears.h"
#include "engine/ops/call_torch.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

absl::string_view BytesOf(const at::Tensor& tensor) {
  return {static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes()};
}

std::string ModuleOf(const std::string& tensor) { return tensor.substr(0, tensor.rfind('.')); }

/// What a configuration says of a layer that is written in this layout.
CodeLayout LayoutAsRead(CodeLayout layout) { return layout == CodeLayout::kMixedGptq ? CodeLayout::kGptqV1 : layout; }

}  // namespace

ShardConverter::ShardConverter(const CheckpointFolder& source, const Conversion& conversion)
    : source_(source), conversion_(conversion), reader_(source, at::kFloat, at::kCPU) {
  const ModelConfig& config = source.model.config();
  for (int block = 0; block < config.num_blocks; ++block) {
    for (const BlockLinear& linear : BlockLinears(config, block)) {
      if (conversion.schemes.at(block, linear.role).has_value()) modules_[linear.module] = linear.shape;
    }
  }
}

absl::Status ShardConverter::Convert(const std::string& folder, const OutputShard& shard) const {
  return CallTorchStatus("converting", [&]() -> absl::Status {
    const std::string path = absl::StrCat(folder, "/", shard.file_name);
    PIVOT_RETURN_IF_ERROR(Write(path, shard));
    return Compare(path, shard);
  });
}

absl::Status ShardConverter::Write(const std::string& path, const OutputShard& shard) const {
  PIVOT_ASSIGN_OR_RETURN(SafetensorsWriter writer, SafetensorsWriter::Create(path, shard.tensors));
  NamedTensors encoded;  // of the last layer
  for (const TensorSpec& spec : shard.tensors) {
    if (IsKept(source_.model, conversion_.schemes, spec.name)) {
      PIVOT_RETURN_IF_ERROR(PutKept(spec, writer));
      continue;
    }
    // A layer's tensors follow each other in the spec: it is encoded when the first of them comes.
    const auto module = modules_.find(ModuleOf(spec.name));
    if (module == modules_.end()) return absl::InternalError(absl::StrCat("no bytes for tensor ", spec.name));
    if (encoded.find(spec.name) == encoded.end()) {
      PIVOT_ASSIGN_OR_RETURN(encoded, Encode(module->first, module->second));
    }
    PIVOT_RETURN_IF_ERROR(writer.Put(spec.name, BytesOf(encoded.at(spec.name))));
    ReleaseSource(module->first, Reuse::kSoon);
  }
  return writer.Finish();
}

absl::Status ShardConverter::PutKept(const TensorSpec& spec, SafetensorsWriter& writer) const {
  const TensorInfo* info = source_.model.Find(spec.name);
  const TensorContent content = source_.model.Read(spec.name);
  if (info->dtype == spec.dtype)
    return content.computed == nullptr ? writer.PutMapped(spec.name, content.bytes)
                                       : writer.Put(spec.name, content.bytes);
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor mapped, MapTensor(content, *info));
  const at::Tensor rounded = mapped.to(at::kBFloat16).contiguous();
  // The largest floats round to infinity.
  if (at::isinf(rounded).any().item<bool>()) return CannotExpress(spec.name, "has values that are too large for bf16");
  return writer.Put(spec.name, BytesOf(rounded));
}

absl::StatusOr<NamedTensors> ShardConverter::Encode(const std::string& module, LinearShape shape) const {
  const LinearStorage target = TargetOf(module, shape);
  if (is_plain()) {
    PIVOT_ASSIGN_OR_RETURN(const QuantizedLinear whole, reader_.ReadQuantized(module, shape));
    return EncodeLinear(whole, module, target);
  }
  // The new file has what the configuration says; the old one may have more or less.
  PIVOT_ASSIGN_OR_RETURN(PackedLinear linear, reader_.ReadPackedCodes(module, shape));
  QuantizedLinear& grid = linear.grid;
  if (target.scheme.is_symmetric() && grid.zero_point.defined()) {
    return WithReason(absl::InvalidArgumentError(
                          absl::StrCat(module, " has zero points, and the configuration says that it is symmetric")),
                      "MALFORMED_WEIGHTS");
  }
  if (!target.scheme.is_symmetric() && !grid.zero_point.defined())
    grid.zero_point = at::zeros(grid.scale.sizes(), grid.scale.options().dtype(at::kChar));
  grid.scheme = target.scheme;
  return EncodePacked(linear, module, target);
}

absl::Status ShardConverter::Compare(const std::string& path, const OutputShard& shard) const {
  std::set<std::string> modules;
  for (const TensorSpec& spec : shard.tensors) {
    if (!IsKept(source_.model, conversion_.schemes, spec.name)) modules.insert(ModuleOf(spec.name));
  }
  PIVOT_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
  for (const std::string& module : modules) {
    PIVOT_ASSIGN_OR_RETURN(const bool is_same, IsSame(file, module, modules_.at(module)));
    if (!is_same) return absl::DataLossError(absl::StrCat(module, " reads back with other weights than the source's"));
    // The new files are read again soon, to be hashed: the old ones make room for them.
    ReleaseSource(module, Reuse::kNotSoon);
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> ShardConverter::IsSame(const SafetensorsFile& file, const std::string& module,
                                            LinearShape shape) const {
  const TensorLookup find = [&file](const std::string& name) -> absl::StatusOr<at::Tensor> {
    const TensorInfo* info = file.Find(name);
    if (info == nullptr) return at::Tensor();
    return MapTensor(file.Bytes(*info), *info);
  };
  bool is_same = false;
  if (is_plain()) {
    PIVOT_ASSIGN_OR_RETURN(const at::Tensor exact, reader_.ReadExact(module, shape));
    PIVOT_ASSIGN_OR_RETURN(const at::Tensor written, find(module + ".weight"));
    is_same = at::equal(written, exact.to(at::kBFloat16));
  } else {
    PIVOT_ASSIGN_OR_RETURN(const PackedLinear expected, reader_.ReadPackedCodes(module, shape));
    PIVOT_ASSIGN_OR_RETURN(const PackedLinear written, ReadPacked(find, module, shape, TargetOf(module, shape)));
    is_same = HoldSameCodes(expected, written);
  }
  for (const TensorSpec& spec : StoredTensors(module, shape, TargetOf(module, shape))) {
    if (const TensorInfo* info = file.Find(spec.name); info != nullptr) ReleasePages(file.Bytes(*info));
  }
  return is_same;
}

LinearStorage ShardConverter::TargetOf(const std::string& module, LinearShape shape) const {
  LinearStorage target{.layout = conversion_.form.layout,
                       .scheme = source_.StorageOf(module, shape)->scheme,
                       .scale_dtype = conversion_.form.scale_dtype};
  // Only GGUF knows of it.
  target.scheme.super_group = 0;
  return target;
}

void ShardConverter::ReleaseSource(const std::string& module, Reuse reuse) const {
  for (const absl::string_view suffix : StoredTensorSuffixes()) {
    const absl::string_view bytes = source_.model.Bytes(absl::StrCat(module, suffix));
    if (!bytes.empty()) ReleasePages(bytes, reuse);
  }
}

absl::Status ShardConverter::CheckConfiguration(const std::string& folder) const {
  PIVOT_ASSIGN_OR_RETURN(const CheckpointFolder written, OpenCheckpoint(folder));
  for (const auto& [module, shape] : modules_) {
    const auto found = written.StorageOf(module, shape);
    const LinearStorage expected = TargetOf(module, shape);
    const bool is_right = is_plain() ? !found.has_value()
                                     : found.has_value() && found->scheme == expected.scheme &&
                                           found->layout == LayoutAsRead(expected.layout);
    if (!is_right) return absl::DataLossError(absl::StrCat(module, " reads back as stored in another way than it is"));
  }
  return absl::OkStatus();
}

}  // namespace pivot
