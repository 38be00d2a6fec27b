// SPDX-License-Identifier: Apache-2.0
#include "tests/engine/format/compressed_model.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>

#include "absl/strings/strip.h"

#include "engine/format/quantization_config.h"
#include "proto/files/durable_file.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

std::string ShapeBytes(const std::vector<int64_t>& shape) {
  std::string bytes;
  for (const int64_t size : shape) {
    for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<char>((size >> (8 * i)) & 0xFF));
  }
  return bytes;
}

}  // namespace

TensorSpec& CompressedModel::Spec(absl::string_view name) {
  for (OutputShard& shard : shards) {
    for (TensorSpec& spec : shard.tensors) {
      if (spec.name == name) return spec;
    }
  }
  std::abort();
}

void CompressedModel::Remove(absl::string_view name) {
  for (OutputShard& shard : shards) {
    std::erase_if(shard.tensors, [name](const TensorSpec& spec) { return spec.name == name; });
  }
}

CompressedModel CompressWithZeros(const ModelFolder& source, const WeightScheme& scheme) {
  return CompressWithZeros(source, ModelSchemes::Uniform(source.config(), scheme), {});
}

CompressedModel CompressWithZeros(const ModelFolder& source, const ModelSchemes& schemes, const StorageForm& form) {
  CompressedModel model{.shards = OutputShards(source, schemes, form),
                        .config_json = *WithQuantizationConfig(
                            source.config_text(), QuantizationConfigJson(source.config(), schemes, form.layout))};
  for (const OutputShard& shard : model.shards) {
    for (const TensorSpec& spec : shard.tensors) {
      absl::string_view module = spec.name;
      if (absl::ConsumeSuffix(&module, ".weight_shape")) {
        model.bytes[spec.name] = ShapeBytes(source.Find(std::string(module) + ".weight")->shape);
      } else if (source.Find(spec.name) != nullptr) {
        model.bytes[spec.name] = std::string(source.Bytes(spec.name));
      }
    }
  }
  return model;
}

absl::Status WriteCompressedModel(const CompressedModel& model, const ModelFolder& source, const std::string& folder) {
  PIVOT_RETURN_IF_ERROR(MakeFolders(folder));
  for (const OutputShard& shard : model.shards) {
    std::vector<std::string> values;
    for (const TensorSpec& spec : shard.tensors) {
      const auto size = static_cast<size_t>(*NumElements(spec.shape) * DtypeBits(spec.dtype) / 8);
      const auto found = model.bytes.find(spec.name);
      values.push_back(found == model.bytes.end() ? std::string(size, '\0') : found->second);
      values.back().resize(size);
    }
    std::vector<TensorBytes> tensors;
    for (size_t i = 0; i < values.size(); ++i) tensors.push_back({shard.tensors[i], values[i]});
    PIVOT_RETURN_IF_ERROR(WriteSafetensors(folder + "/" + shard.file_name, tensors).status());
  }
  PIVOT_RETURN_IF_ERROR(WriteFileDurably(folder + "/model.safetensors.index.json", IndexJson(model.shards)));
  PIVOT_RETURN_IF_ERROR(WriteFileDurably(folder + "/config.json", model.config_json));
  PIVOT_ASSIGN_OR_RETURN(const std::vector<std::string> names, FilesToCopy(source.path()));
  for (const std::string& name : names) std::filesystem::copy_file(source.path() + "/" + name, folder + "/" + name);
  return absl::OkStatus();
}

}  // namespace pivot
