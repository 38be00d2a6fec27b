// SPDX-License-Identifier: Apache-2.0
#include "engine/checkpoint/block_shard.h"

#include <ATen/ATen.h>
#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "engine/checkpoint/linear_tensors.h"
#include "engine/checkpoint/mapped_tensor.h"
#include "engine/checkpoint/narrow_tensor.h"
#include "engine/model/block_linears.h"
#include "engine/ops/call_torch.h"
#include "engine/ops/to_host.h"
#include "kernels/pack.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

// Codes that are unpacked at a time to be compared.
constexpr int64_t kCodesAtOnce = int64_t{1} << 16;

absl::string_view BytesOf(const at::Tensor& tensor) {
  return {static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes()};
}

/// What the tensors that are not quantized layers' are made of.
struct KeptTensorBytes {
  std::vector<TensorContent> read;
  std::vector<at::Tensor> narrowed;
};

/// The source's tensor in the dtype of the spec: as it is, or narrowed.
absl::StatusOr<absl::string_view> KeptBytes(const TensorSpec& spec, const ModelFolder& source, KeptTensorBytes& kept) {
  const TensorInfo* info = source.Find(spec.name);
  if (info == nullptr) return absl::InternalError(absl::StrCat("no bytes for tensor ", spec.name));
  kept.read.push_back(source.Read(spec.name));
  if (info->dtype == spec.dtype) return kept.read.back().bytes;
  if (spec.dtype != Dtype::kFloat8E4M3)
    return absl::InternalError(absl::StrCat(spec.name, " cannot be written as ", DtypeName(spec.dtype)));
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor mapped, MapTensor(kept.read.back(), *info));
  PIVOT_ASSIGN_OR_RETURN(at::Tensor narrowed, NarrowTensor(mapped, spec.name));
  kept.narrowed.push_back(std::move(narrowed));
  return BytesOf(kept.narrowed.back());
}

/// Every tensor of the shard with its bytes; `encoded` keeps those of the quantized layers alive, `kept` the others.
absl::StatusOr<std::vector<TensorBytes>> CollectBytes(const OutputShard& shard,
                                                      const std::map<std::string, at::Tensor>& encoded,
                                                      const ModelFolder& source, KeptTensorBytes& kept) {
  std::vector<TensorBytes> tensors;
  for (const TensorSpec& spec : shard.tensors) {
    const auto found = encoded.find(spec.name);
    if (found != encoded.end()) {
      tensors.push_back({.spec = spec, .bytes = BytesOf(found->second)});
      continue;
    }
    PIVOT_ASSIGN_OR_RETURN(const absl::string_view bytes, KeptBytes(spec, source, kept));
    tensors.push_back({.spec = spec, .bytes = bytes});
  }
  return tensors;
}

StoredLinear Describe(const std::string& module, const QuantizedLinear& linear, const StorageForm& form) {
  return {.module = module,
          .shape = {.out_features = linear.codes.size(0), .in_features = linear.codes.size(1)},
          .storage = {.layout = form.layout, .scheme = linear.scheme, .scale_dtype = form.scale_dtype}};
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

absl::StatusOr<at::Tensor> TensorOver(const SafetensorsFile& file, const std::string& name) {
  const TensorInfo* info = file.Find(name);
  if (info == nullptr) return at::Tensor();
  return MapTensor(file.Bytes(*info), *info);
}

absl::StatusOr<QuantizedLinear> ReadStored(const SafetensorsFile& file, const StoredLinear& stored) {
  return DecodeLinear([&file](const std::string& name) { return TensorOver(file, name); }, stored.module, stored.shape,
                      stored.storage);
}

/// Of tensors that may both be undefined.
bool AreEqual(const at::Tensor& read, const at::Tensor& written) {
  return read.defined() == written.defined() && (!read.defined() || at::equal(read, written));
}

bool AreEqualBesidesCodes(const QuantizedLinear& read, const QuantizedLinear& written) {
  return AreEqual(read.scale, written.scale) && AreEqual(read.zero_point, written.zero_point) &&
         AreEqual(read.global_scale, written.global_scale);
}

/// Whether packed words unpack to the codes. Some rows at a time, so that they stay in the processor's cache, and on
/// this thread alone: the device's thread must not wait for others.
bool UnpacksTo(const PackedLinear& packed, const at::Tensor& codes) {
  const int64_t columns = codes.size(1);
  const int bits = packed.grid.scheme.bits;
  const int64_t step = std::max<int64_t>(1, kCodesAtOnce / columns);
  std::vector<uint8_t> fields(static_cast<size_t>(step * columns));
  const auto* expected = codes.const_data_ptr<int8_t>();
  uint32_t differences = 0;
  for (int64_t first = 0; first < codes.size(0); first += step) {
    const int64_t rows = std::min(step, codes.size(0) - first);
    const at::Tensor words = packed.words.narrow(0, first, rows).contiguous();
    UnpackRows(reinterpret_cast<const uint32_t*>(words.const_data_ptr<int32_t>()), rows, columns, bits, fields.data());
    for (int64_t i = 0; i < rows * columns; ++i)
      differences |= static_cast<uint8_t>(fields[static_cast<size_t>(i)] - (1U << (bits - 1))) ^
                     static_cast<uint8_t>(expected[first * columns + i]);
  }
  return differences == 0;
}

absl::StatusOr<bool> ReadsBack(const SafetensorsFile& file, const StoredLinear& stored, const QuantizedLinear& linear) {
  if (!linear.scheme.is_integer() || stored.storage.layout == CodeLayout::kGguf) {
    PIVOT_ASSIGN_OR_RETURN(const QuantizedLinear read, ReadStored(file, stored));
    return AreEqual(read.codes, linear.codes) && AreEqualBesidesCodes(read, linear);
  }
  PIVOT_ASSIGN_OR_RETURN(const PackedLinear packed,
                         ReadPacked([&file](const std::string& name) { return TensorOver(file, name); }, stored.module,
                                    stored.shape, stored.storage));
  if (!AreEqualBesidesCodes(packed.grid, linear)) return false;
  return UnpacksTo(packed, linear.codes.contiguous());
}

/// Codes and all that gives them their meaning, so that weights need not be compared.
absl::Status CompareLinear(const SafetensorsFile& file, const std::string& module, const QuantizedLinear& linear,
                           const StorageForm& form) {
  PIVOT_ASSIGN_OR_RETURN(const bool reads_back, ReadsBack(file, Describe(module, linear, form), linear));
  if (reads_back) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(file.path(), ": ", module, " reads back with other codes than in memory"));
}

absl::Status CompareCodes(const SafetensorsFile& file, const EncodedLinears& encoded) {
  for (const auto& [module, linear] : encoded.linears)
    PIVOT_RETURN_IF_ERROR(CompareLinear(file, module, linear, encoded.form));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<EncodedLinears> EncodeLinears(const QuantizedLinears& linears, const StorageForm& form) {
  return CallTorch("encoding layers", [&]() -> absl::StatusOr<EncodedLinears> {
    EncodedLinears encoded{.tensors = {}, .linears = linears, .form = form};
    for (auto& [module, linear] : encoded.linears) {
      PIVOT_ASSIGN_OR_RETURN(auto tensors, EncodeLinear(linear, module, Describe(module, linear, form).storage));
      encoded.tensors.merge(tensors);
      for (at::Tensor* tensor : {&linear.codes, &linear.scale, &linear.zero_point, &linear.offset,
                                 &linear.group_of_column, &linear.global_scale}) {
        if (tensor->defined()) *tensor = ToHost(*tensor);
      }
    }
    return encoded;
  });
}

absl::StatusOr<WrittenFile> WriteShard(const std::string& folder, const OutputShard& shard,
                                       const EncodedLinears& encoded, const ModelFolder& source) {
  return CallTorch("writing a shard", [&]() -> absl::StatusOr<WrittenFile> {
    KeptTensorBytes kept;
    PIVOT_ASSIGN_OR_RETURN(const std::vector<TensorBytes> tensors, CollectBytes(shard, encoded.tensors, source, kept));
    const std::string path = folder + "/" + shard.file_name;
    PIVOT_ASSIGN_OR_RETURN(const WrittenFile written, WriteSafetensors(path, tensors));
    PIVOT_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
    PIVOT_RETURN_IF_ERROR(CompareBytes(file, tensors));
    PIVOT_RETURN_IF_ERROR(CompareCodes(file, encoded));
    return written;
  });
}

std::vector<StoredLinear> StoredLinears(const ModelConfig& config, int block, const ModelSchemes& schemes) {
  std::vector<StoredLinear> stored;
  for (BlockLinear& linear : BlockLinears(config, block)) {
    const auto& scheme = schemes.at(block, linear.role);
    if (!scheme.has_value()) continue;
    stored.push_back({.module = std::move(linear.module), .shape = linear.shape, .storage = {.scheme = *scheme}});
  }
  return stored;
}

absl::StatusOr<QuantizedLinears> ReadShardLinears(const std::string& path, absl::Span<const StoredLinear> linears) {
  return CallTorch("reading a shard", [&]() -> absl::StatusOr<QuantizedLinears> {
    PIVOT_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
    QuantizedLinears read;
    for (const StoredLinear& stored : linears) {
      PIVOT_ASSIGN_OR_RETURN(QuantizedLinear linear, ReadStored(file, stored));
      if (linear.global_scale.defined()) linear.global_scale = linear.global_scale.clone();  // not the file's own
      read[stored.module] = std::move(linear);
    }
    return read;
  });
}

absl::StatusOr<std::map<std::string, at::Tensor>> ReadShardWeights(const std::string& path,
                                                                   absl::Span<const StoredLinear> linears) {
  PIVOT_ASSIGN_OR_RETURN(const QuantizedLinears read, ReadShardLinears(path, linears));
  return CallTorch("reading a shard", [&] {
    std::map<std::string, at::Tensor> weights;
    for (const auto& [module, linear] : read) weights[module] = Dequantize(linear);
    return weights;
  });
}

}  // namespace pivot
