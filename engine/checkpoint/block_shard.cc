// SPDX-License-Identifier: Apache-2.0
#include "engine/checkpoint/block_shard.h"

#include <ATen/ATen.h>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "engine/ops/call_torch.h"
#include "engine/ops/kernel_calls.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

constexpr absl::string_view kPackedSuffix = ".weight_packed";

/// The three tensors of one layer as they go into the file.
struct PackedLinear {
  at::Tensor words;
  at::Tensor scale;  // bf16
  at::Tensor shape;  // int64 [2]
};

absl::StatusOr<PackedLinear> Pack(const QuantizedLinear& linear) {
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor words, PackCodes(linear.codes, linear.scheme.bits));
  return PackedLinear{.words = words.to(at::kCPU).contiguous(),
                      .scale = linear.scale.to(at::kBFloat16).to(at::kCPU).contiguous(),
                      .shape = at::tensor({linear.codes.size(0), linear.codes.size(1)}, at::kLong)};
}

absl::string_view BytesOf(const at::Tensor& tensor) {
  return {static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes()};
}

/// Every tensor of the shard with its bytes; `packed` keeps those of the quantized layers alive.
absl::StatusOr<std::vector<TensorBytes>> CollectBytes(const OutputShard& shard,
                                                      const std::map<std::string, PackedLinear>& packed,
                                                      const ModelFolder& source) {
  std::map<std::string, absl::string_view> from_packed;
  for (const auto& [module, linear] : packed) {
    from_packed[module + ".weight_packed"] = BytesOf(linear.words);
    from_packed[module + ".weight_scale"] = BytesOf(linear.scale);
    from_packed[module + ".weight_shape"] = BytesOf(linear.shape);
  }
  std::vector<TensorBytes> tensors;
  for (const TensorSpec& spec : shard.tensors) {
    const auto found = from_packed.find(spec.name);
    const bool is_kept = found == from_packed.end();
    if (is_kept && source.Find(spec.name) == nullptr)
      return absl::InternalError(absl::StrCat("no bytes for tensor ", spec.name));
    tensors.push_back({.spec = spec, .bytes = is_kept ? source.Bytes(spec.name) : found->second});
  }
  return tensors;
}

absl::Status CompareBytes(const SafetensorsFile& file, const std::vector<TensorBytes>& expected) {
  for (const TensorBytes& tensor : expected) {
    const TensorInfo* info = file.Find(tensor.spec.name);
    if (info == nullptr || file.Bytes(*info) != tensor.bytes) {
      return absl::DataLossError(
          absl::StrCat(file.path(), ": tensor ", tensor.spec.name, " reads back with other bytes than were written"));
    }
  }
  return absl::OkStatus();
}

absl::Status CompareWeights(const std::string& path, const QuantizedLinears& linears) {
  if (linears.empty()) return absl::OkStatus();
  PIVOT_ASSIGN_OR_RETURN(const auto read, ReadShardWeights(path, linears.begin()->second.scheme));
  for (const auto& [module, linear] : linears) {
    const auto found = read.find(module);
    const at::Tensor expected = Dequantize(linear.codes, linear.scale).to(at::kCPU);
    if (found == read.end() || !at::equal(found->second, expected)) {
      return absl::DataLossError(
          absl::StrCat(path, ": ", module, " dequantizes to other weights than those in memory"));
    }
  }
  return absl::OkStatus();
}

at::Tensor TensorOver(const SafetensorsFile& file, const TensorInfo& info, at::ScalarType type) {
  void* data = const_cast<char*>(file.Bytes(info).data());  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  return at::from_blob(data, info.shape, at::TensorOptions().dtype(type));
}

}  // namespace

absl::StatusOr<WrittenFile> WriteShard(const std::string& folder, const OutputShard& shard,
                                       const QuantizedLinears& linears, const ModelFolder& source) {
  return CallTorch("writing a shard", [&]() -> absl::StatusOr<WrittenFile> {
    std::map<std::string, PackedLinear> packed;
    for (const auto& [module, linear] : linears) {
      PIVOT_ASSIGN_OR_RETURN(packed[module], Pack(linear));
    }
    PIVOT_ASSIGN_OR_RETURN(const std::vector<TensorBytes> tensors, CollectBytes(shard, packed, source));
    const std::string path = folder + "/" + shard.file_name;
    PIVOT_ASSIGN_OR_RETURN(const WrittenFile written, WriteSafetensors(path, tensors));
    PIVOT_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
    PIVOT_RETURN_IF_ERROR(CompareBytes(file, tensors));
    PIVOT_RETURN_IF_ERROR(CompareWeights(path, linears));
    return written;
  });
}

absl::StatusOr<std::map<std::string, at::Tensor>> ReadShardWeights(const std::string& path,
                                                                   const WeightScheme& scheme) {
  return CallTorch("reading a shard", [&]() -> absl::StatusOr<std::map<std::string, at::Tensor>> {
    PIVOT_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
    std::map<std::string, at::Tensor> weights;
    for (const TensorInfo& info : file.header().tensors) {
      if (!absl::EndsWith(info.name, kPackedSuffix)) continue;
      const std::string module(absl::StripSuffix(info.name, kPackedSuffix));
      const TensorInfo* scale_info = file.Find(module + ".weight_scale");
      if (scale_info == nullptr) return absl::DataLossError(absl::StrCat(path, " has no scales for ", module));
      const int64_t columns = scale_info->shape[1] * scheme.group_size;
      PIVOT_ASSIGN_OR_RETURN(const at::Tensor codes,
                             UnpackCodes(TensorOver(file, info, at::kInt), columns, scheme.bits));
      weights[module] = Dequantize(codes, TensorOver(file, *scale_info, at::kBFloat16).to(at::kFloat));
    }
    return weights;
  });
}

}  // namespace pivot
