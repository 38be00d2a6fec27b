// SPDX-License-Identifier: Apache-2.0
#include "engine/convert.h"

#include <ATen/ATen.h>
#include <chrono>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "engine/checkpoint/linear_tensors.h"
#include "engine/checkpoint/mapped_tensor.h"
#include "engine/checkpoint/staged_folder.h"
#include "engine/convert_gguf.h"
#include "engine/forward/weights.h"
#include "engine/ops/call_torch.h"
#include "proto/files/durable_file.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using Clock = std::chrono::steady_clock;

constexpr char kStage[] = "convert";

class Converter {
 public:
  Converter(const CheckpointFolder& source, const Conversion& conversion, const JobHooks& hooks)
      : source_(source), conversion_(conversion), hooks_(hooks), reader_(source, at::kFloat, at::kCPU) {
    const ModelConfig& config = source.model.config();
    for (int block = 0; block < config.num_blocks; ++block) {
      for (const LinearEntry& linear : config.architecture->linears) {
        if (!conversion.schemes.at(block, linear.role).has_value()) continue;
        modules_[BlockPrefix(*config.architecture, block) + std::string(linear.name)] = ShapeOf(config, linear.role);
      }
    }
  }

  absl::Status WriteShards(const std::string& folder) {
    const int total = static_cast<int>(conversion_.shards.size());
    if (hooks_.stage_started) hooks_.stage_started(kStage, total);
    for (int i = 0; i < total; ++i) {
      if (hooks_.is_cancelled && hooks_.is_cancelled()) return absl::CancelledError("the job was cancelled");
      PIVOT_RETURN_IF_ERROR(WriteShard(folder, conversion_.shards[static_cast<size_t>(i)]));
      ReportProgress(i + 1, total);
    }
    return absl::OkStatus();
  }

  absl::Status CompareWith(const std::string& folder) const {
    PIVOT_ASSIGN_OR_RETURN(const CheckpointFolder written, OpenCheckpoint(folder));
    const WeightReader reader(written, at::kFloat, at::kCPU);
    for (const auto& [module, shape] : modules_) {
      if (hooks_.is_cancelled && hooks_.is_cancelled()) return absl::CancelledError("the job was cancelled");
      PIVOT_ASSIGN_OR_RETURN(at::Tensor expected, reader_.ReadExact(module, shape));
      if (conversion_.form.layout == CodeLayout::kPlainBf16) expected = expected.to(at::kBFloat16).to(at::kFloat);
      PIVOT_ASSIGN_OR_RETURN(const at::Tensor found, reader.ReadExact(module, shape));
      if (!at::equal(found, expected))
        return absl::DataLossError(absl::StrCat(module, " reads back with other weights than the source's"));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status WriteShard(const std::string& folder, const OutputShard& shard) {
    PIVOT_ASSIGN_OR_RETURN(SafetensorsWriter writer,
                           SafetensorsWriter::Create(absl::StrCat(folder, "/", shard.file_name), shard.tensors));
    for (const TensorSpec& spec : shard.tensors) {
      if (IsKept(source_.model, conversion_.schemes, spec.name)) {
        PIVOT_RETURN_IF_ERROR(PutKept(spec, writer));
        continue;
      }
      // A layer's tensors follow each other in the spec: it is encoded when the first of them comes.
      const auto module = ModuleOf(spec.name);
      if (module == modules_.end()) return absl::InternalError(absl::StrCat("no bytes for tensor ", spec.name));
      if (encoded_.find(spec.name) == encoded_.end()) PIVOT_RETURN_IF_ERROR(Encode(module->first, module->second));
      const at::Tensor& tensor = encoded_.at(spec.name);
      PIVOT_RETURN_IF_ERROR(
          writer.Put(spec.name, {static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes()}));
    }
    return writer.Finish();
  }

  absl::Status PutKept(const TensorSpec& spec, SafetensorsWriter& writer) const {
    const TensorInfo* info = source_.model.Find(spec.name);
    const TensorContent content = source_.model.Read(spec.name);
    if (!conversion_.form.kept_dtype.has_value() || info->dtype == spec.dtype)
      return writer.Put(spec.name, content.bytes);
    PIVOT_ASSIGN_OR_RETURN(const at::Tensor mapped, MapTensor(content, *info));
    const at::Tensor rounded = mapped.to(at::kBFloat16).contiguous();
    return writer.Put(spec.name, {static_cast<const char*>(rounded.const_data_ptr()), rounded.nbytes()});
  }

  std::map<std::string, LinearShape>::const_iterator ModuleOf(const std::string& tensor) const {
    return modules_.find(tensor.substr(0, tensor.rfind('.')));
  }

  absl::Status Encode(const std::string& module, LinearShape shape) {
    PIVOT_ASSIGN_OR_RETURN(QuantizedLinear linear, reader_.ReadQuantized(module, shape));
    // The new file has what the configuration says; the old one may have more or less.
    const WeightScheme configured = source_.StorageOf(module, shape)->scheme;
    if (configured.is_symmetric() && linear.zero_point.defined()) {
      return WithReason(absl::InvalidArgumentError(
                            absl::StrCat(module, " has zero points, and the configuration says that it is symmetric")),
                        "MALFORMED_WEIGHTS");
    }
    if (!configured.is_symmetric() && !linear.zero_point.defined())
      linear.zero_point = at::zeros(linear.scale.sizes(), linear.codes.options());
    linear.scheme = configured;
    const LinearStorage storage{
        .layout = conversion_.form.layout, .scheme = configured, .scale_dtype = conversion_.form.scale_dtype};
    PIVOT_ASSIGN_OR_RETURN(encoded_, EncodeLinear(linear, module, storage));
    return absl::OkStatus();
  }

  void ReportProgress(int done, int total) const {
    if (!hooks_.progress) return;
    const double elapsed = std::chrono::duration<double>(Clock::now() - start_).count();
    hooks_.progress({.stage = kStage,
                     .done = done,
                     .total = total,
                     .elapsed_seconds = elapsed,
                     .remaining_seconds = elapsed / done * (total - done)});
  }

  const CheckpointFolder& source_;
  const Conversion& conversion_;
  const JobHooks& hooks_;
  WeightReader reader_;
  Clock::time_point start_ = Clock::now();
  std::map<std::string, LinearShape> modules_;  // those that are quantized
  std::map<std::string, at::Tensor> encoded_;   // of the last layer
};

}  // namespace

absl::Status ConvertFolder(const CheckpointFolder& source, const Conversion& conversion, const std::string& folder,
                           const std::map<std::string, std::string>& more, const JobHooks& hooks) {
  return CallTorchStatus("converting", [&]() -> absl::Status {
    const auto start = Clock::now();
    const std::string shards = folder + ".shards";
    PIVOT_RETURN_IF_ERROR(RemoveAll(shards));
    PIVOT_RETURN_IF_ERROR(MakeFolders(shards));
    Converter converter(source, conversion, hooks);
    PIVOT_RETURN_IF_ERROR(conversion.gguf.has_value()
                              ? WriteGguf(source, *conversion.gguf, absl::StrCat(shards, "/", kGgufFileName), hooks)
                              : converter.WriteShards(shards));
    std::map<std::string, std::string> texts = conversion.texts;
    texts.insert(more.begin(), more.end());
    PIVOT_RETURN_IF_ERROR(AssembleFolder(folder, shards, conversion.shards, source.model, texts));
    PIVOT_RETURN_IF_ERROR(RemoveAll(shards));
    PIVOT_RETURN_IF_ERROR(conversion.gguf.has_value() ? CompareGguf(source, folder, hooks)
                                                      : converter.CompareWith(folder));
    if (hooks.stage_done) hooks.stage_done(kStage, std::chrono::duration<double>(Clock::now() - start).count(), 0);
    return absl::OkStatus();
  });
}

}  // namespace pivot
