// SPDX-License-Identifier: Apache-2.0
#include "engine/convert/convert_gguf.h"

#include <ATen/ATen.h>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "engine/checkpoint/gguf_linear.h"
#include "engine/checkpoint/mapped_tensor.h"
#include "engine/convert/convert_progress.h"
#include "engine/forward/weights.h"
#include "engine/model/gguf/gguf_model.h"
#include "engine/model/gguf/gguf_names.h"
#include "engine/model/model_shapes.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

absl::string_view BytesOf(const at::Tensor& tensor) {
  return {static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes()};
}

at::ScalarType FloatType(GgmlType type) {
  if (type == GgmlType::kFloat16) return at::kHalf;
  return type == GgmlType::kBfloat16 ? at::kBFloat16 : at::kFloat;
}

absl::Status CheckCancelled(const JobHooks& hooks) {
  return hooks.is_cancelled && hooks.is_cancelled() ? absl::CancelledError("the job was cancelled") : absl::OkStatus();
}

/// A plain tensor of either folder in fp32.
absl::StatusOr<at::Tensor> ReadPlain(const ModelFolder& folder, const std::string& name) {
  const TensorInfo* info = folder.Find(name);
  if (info == nullptr) return absl::InvalidArgumentError(absl::StrCat(folder.path(), " has no tensor ", name));
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor mapped, MapTensor(folder.Read(name), *info));
  return mapped.to(at::kFloat);
}

class GgufConverter {
 public:
  GgufConverter(const CheckpointFolder& source, GgufPlan plan, const JobHooks& hooks)
      : source_(source), plan_(std::move(plan)), hooks_(hooks), reader_(source, at::kFloat, at::kCPU) {}

  absl::Status Write(const std::string& path) {
    const int total = static_cast<int>(plan_.tensors.size());
    const ConvertProgress progress(hooks_, total);
    PIVOT_RETURN_IF_ERROR(SettleTypes());
    PIVOT_ASSIGN_OR_RETURN(GgufWriter writer, GgufWriter::Create(path, plan_.AllValues(), plan_.Specs()));
    for (int i = 0; i < total; ++i) {
      PIVOT_RETURN_IF_ERROR(CheckCancelled(hooks_));
      PIVOT_RETURN_IF_ERROR(WriteTensor(plan_.tensors[static_cast<size_t>(i)], writer));
      progress.Report(i + 1);
    }
    return writer.Finish();
  }

 private:
  absl::StatusOr<QuantizedLinear> ReadModule(const GgufTensorPlan& tensor) const {
    return reader_.ReadQuantized(tensor.source, {tensor.spec.shape[0], tensor.spec.shape[1]});
  }

  /// The header has the types of all tensors: layers whose numbers decide theirs are read once before.
  absl::Status SettleTypes() {
    for (GgufTensorPlan& tensor : plan_.tensors) {
      if (tensor.choice != BlockChoice::kQ4_1OrQ8_0) continue;
      PIVOT_RETURN_IF_ERROR(CheckCancelled(hooks_));
      PIVOT_ASSIGN_OR_RETURN(const QuantizedLinear linear, ReadModule(tensor));
      if (EncodeBlocks(linear, tensor.source, GgmlType::kQ4_1).ok()) tensor.spec.type = GgmlType::kQ4_1;
    }
    return absl::OkStatus();
  }

  absl::Status WriteTensor(const GgufTensorPlan& tensor, GgufWriter& writer) const {
    if (const GgufModel* gguf = source_.model.gguf(); gguf != nullptr) {
      const std::string shown = tensor.is_module ? absl::StrCat(tensor.source, kGgufBlocks) : tensor.source;
      return writer.Put(tensor.spec.name, gguf->file().Bytes(*gguf->entries().at(shown).stored));
    }
    at::Tensor rows;
    if (tensor.is_module) {
      PIVOT_ASSIGN_OR_RETURN(const QuantizedLinear linear, ReadModule(tensor));
      PIVOT_ASSIGN_OR_RETURN(rows, EncodeBlocks(linear, tensor.source, tensor.spec.type));
    } else {
      const TensorInfo* info = source_.model.Find(tensor.source);
      PIVOT_ASSIGN_OR_RETURN(const at::Tensor mapped, MapTensor(source_.model.Read(tensor.source), *info));
      rows = mapped.to(FloatType(tensor.spec.type)).contiguous();
    }
    const std::string name = tensor.is_module ? tensor.source + ".weight" : tensor.source;
    const int64_t heads = InterleavedHeads(source_.model.config(), name);
    if (heads == 0) return writer.Put(tensor.spec.name, BytesOf(rows));
    return writer.Put(tensor.spec.name, InterleaveRows(BytesOf(rows), tensor.spec.shape[0], heads));
  }

  const CheckpointFolder& source_;
  GgufPlan plan_;
  const JobHooks& hooks_;
  WeightReader reader_;
};

/// Linears of decoder blocks that are quantized in either folder, as modules.
absl::StatusOr<at::Tensor> ReadEither(const CheckpointFolder& folder, const std::string& name) {
  if (folder.model.Find(name) != nullptr) return ReadPlain(folder.model, name);
  const ModelConfig& config = folder.model.config();
  const std::string module(absl::StripSuffix(name, ".weight"));
  for (const LinearEntry& linear : config.architecture->linears) {
    if (!absl::EndsWith(module, absl::StrCat(".", linear.name))) continue;
    return WeightReader(folder, at::kFloat, at::kCPU).ReadExact(module, ShapeOf(config, linear.role));
  }
  return absl::InternalError(absl::StrCat(folder.model.path(), " has no tensor ", name));
}

}  // namespace

absl::Status WriteGguf(const CheckpointFolder& source, GgufPlan plan, const std::string& path, const JobHooks& hooks) {
  return GgufConverter(source, std::move(plan), hooks).Write(path);
}

absl::Status CompareGguf(const CheckpointFolder& source, const std::string& folder, const JobHooks& hooks) {
  PIVOT_ASSIGN_OR_RETURN(const CheckpointFolder written, OpenCheckpoint(folder));
  for (const auto& [shown, location] : written.model.tensors()) {
    PIVOT_RETURN_IF_ERROR(CheckCancelled(hooks));
    absl::string_view module = shown;
    const std::string name = absl::ConsumeSuffix(&module, kGgufBlocks) ? absl::StrCat(module, ".weight") : shown;
    PIVOT_ASSIGN_OR_RETURN(const at::Tensor expected, ReadEither(source, name));
    PIVOT_ASSIGN_OR_RETURN(const at::Tensor found, ReadEither(written, name));
    if (!at::equal(found, expected))
      return absl::DataLossError(absl::StrCat(name, " reads back with other numbers than the source's"));
  }
  return absl::OkStatus();
}

}  // namespace pivot
