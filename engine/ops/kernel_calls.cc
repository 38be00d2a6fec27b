// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/kernel_calls.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "absl/strings/str_cat.h"

#include "engine/ops/call_torch.h"
#include "engine/ops/device.h"
#include "kernels/asymmetric_clip.h"
#include "kernels/gptq_panel.h"
#include "kernels/pack.h"
#include "kernels/refine_group.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

// Rows a thread takes at a time: few enough to share the work of narrow layers.
constexpr int64_t kRowGrain = 16;
constexpr int kBf16Digits = 8;
// 2^-24, the step of fp16 below its normal range.
constexpr double kSmallestHalf = 5.9604644775390625e-08;

void* StreamOf(const at::Tensor& tensor) { return LoadedCudaOps()->current_stream(tensor.device().index()); }

/// Added to a signed code it gives the unsigned field of the file.
int FieldOffset(int bits) { return 1 << (bits - 1); }

CodeGrid GridOf(CodeType type) {
  if (type == CodeType::kInteger) return CodeGrid::kInteger;
  return type == CodeType::kFloat8 ? CodeGrid::kFloat8 : CodeGrid::kFloat4;
}

std::string Describe(absl::string_view what, const at::Tensor& tensor, int bits) {
  return absl::StrCat(what, " [", tensor.size(0), ", ", tensor.size(1), "] bits=", bits);
}

absl::StatusOr<QuantizationGrid> SearchSymmetric(const at::Tensor& weight, const at::Tensor& importance,
                                                 const WeightScheme& scheme, const GridSearch& search) {
  at::Tensor scale = at::empty({weight.size(0), weight.size(1) / scheme.group_size}, weight.options());
  const ClipSearchInput input{.rows = weight.size(0),
                              .columns = weight.size(1),
                              .group_size = scheme.group_size,
                              .bits = scheme.bits,
                              .num_steps = search.clip == ClipSearch::kNone ? 1 : kClipSteps,
                              .signs = search.signs,
                              .weight = weight.const_data_ptr<float>(),
                              .importance = importance.const_data_ptr<float>(),
                              .scale = scale.data_ptr<float>()};
  if (weight.is_cuda()) {
    const int error = LoadedCudaOps()->clip_search(input, StreamOf(weight));
    if (error != 0) return StatusFromCuda(error, Describe("clip search", weight, scheme.bits));
  } else {
    at::parallel_for(0, input.rows, kRowGrain, [&](int64_t first, int64_t last) { RunClipSearch(input, first, last); });
  }
  return QuantizationGrid{.scale = scale};
}

absl::StatusOr<QuantizationGrid> SearchAsymmetric(const at::Tensor& weight, const at::Tensor& importance,
                                                  const WeightScheme& scheme, ClipSearch search) {
  QuantizationGrid grid{.scale = at::empty({weight.size(0), weight.size(1) / scheme.group_size}, weight.options())};
  grid.zero_point = at::empty(grid.scale.sizes(), weight.options().dtype(at::kChar));
  const AsymmetricClipInput input{.rows = weight.size(0),
                                  .columns = weight.size(1),
                                  .group_size = scheme.group_size,
                                  .bits = scheme.bits,
                                  .num_steps = search == ClipSearch::kNone ? 1 : kClipSteps,
                                  .weight = weight.const_data_ptr<float>(),
                                  .importance = importance.const_data_ptr<float>(),
                                  .scale = grid.scale.data_ptr<float>(),
                                  .zero_point = grid.zero_point.data_ptr<int8_t>()};
  if (weight.is_cuda()) {
    const int error = LoadedCudaOps()->asymmetric_clip(input, StreamOf(weight));
    if (error != 0) return StatusFromCuda(error, Describe("asymmetric clip search", weight, scheme.bits));
  } else {
    at::parallel_for(0, input.rows, kRowGrain,
                     [&](int64_t first, int64_t last) { RunAsymmetricClip(input, first, last); });
  }
  return grid;
}

}  // namespace

absl::StatusOr<at::Tensor> PackCodes(const at::Tensor& codes, int bits) {
  return CallTorch("packing codes", [&]() -> absl::StatusOr<at::Tensor> {
    // Modulo 256, of which a code is the remainder.
    const at::Tensor in = codes.contiguous().view(at::kByte) + FieldOffset(bits);
    const int64_t row_words = PackedRowWords(in.size(1), bits);
    at::Tensor words = at::empty({in.size(0), row_words}, in.options().dtype(at::kInt));
    auto* out = reinterpret_cast<uint32_t*>(words.data_ptr<int32_t>());
    const uint8_t* data = in.const_data_ptr<uint8_t>();
    if (in.is_cuda()) {
      const int error = LoadedCudaOps()->pack_rows(data, in.size(0), in.size(1), bits, out, StreamOf(in));
      if (error != 0) return StatusFromCuda(error, Describe("packing codes", in, bits));
      return words;
    }
    at::parallel_for(0, in.size(0), kRowGrain, [&](int64_t first, int64_t last) {
      PackRows(data + first * in.size(1), last - first, in.size(1), bits, out + first * row_words);
    });
    return words;
  });
}

absl::StatusOr<at::Tensor> UnpackCodes(const at::Tensor& words, int64_t columns, int bits) {
  return CallTorch("unpacking codes", [&] {
    const at::Tensor in = words.contiguous();
    at::Tensor codes = at::empty({in.size(0), columns}, in.options().dtype(at::kByte));
    const auto* data = reinterpret_cast<const uint32_t*>(in.const_data_ptr<int32_t>());
    at::parallel_for(0, in.size(0), kRowGrain, [&](int64_t first, int64_t last) {
      UnpackRows(data + first * in.size(1), last - first, columns, bits, codes.data_ptr<uint8_t>() + first * columns);
    });
    return codes.sub_(FieldOffset(bits)).view(at::kChar);
  });
}

at::Tensor EffectiveScale(const QuantizationGrid& grid) {
  return grid.global_scale.defined() ? grid.scale / grid.global_scale : grid.scale;
}

absl::Status QuantizePanel(const PanelTensors& tensors, const WeightScheme& scheme) {
  return CallTorchStatus("a GPTQ panel", [&]() -> absl::Status {
    const at::Tensor& weight = tensors.weight;
    // Factorizations give their result column by column unless asked otherwise.
    for (const at::Tensor& matrix : {weight, tensors.factor, tensors.scale, tensors.codes, tensors.errors}) {
      if (matrix.stride(1) != 1) return absl::InvalidArgumentError("rows of a panel are not contiguous");
    }
    const GptqPanel panel{.rows = weight.size(0),
                          .columns = weight.size(1),
                          .grid = GridOf(scheme.type),
                          .bits = scheme.bits,
                          .weight = weight.const_data_ptr<float>(),
                          .weight_stride = weight.stride(0),
                          .factor = tensors.factor.const_data_ptr<float>(),
                          .factor_stride = tensors.factor.stride(0),
                          .scale = tensors.scale.const_data_ptr<float>(),
                          .scale_stride = tensors.scale.stride(0),
                          .group = tensors.group.const_data_ptr<int32_t>(),
                          .code = tensors.codes.data_ptr<int8_t>(),
                          .code_stride = tensors.codes.stride(0),
                          .error = tensors.errors.data_ptr<float>(),
                          .error_stride = tensors.errors.stride(0)};
    if (weight.is_cuda()) {
      const int error = LoadedCudaOps()->gptq_panel(panel, StreamOf(weight));
      return StatusFromCuda(error, Describe("GPTQ panel", weight, scheme.bits));
    }
    at::parallel_for(0, panel.rows, kRowGrain, [&](int64_t first, int64_t last) { RunGptqPanel(panel, first, last); });
    return absl::OkStatus();
  });
}

at::Tensor StorableScales(const at::Tensor& scale, int significant_bits) {
  const auto [fraction, exponent] = at::frexp(scale);
  const double steps = 1 << significant_bits;
  const at::Tensor rounded = at::ldexp((fraction * steps).round() / steps, exponent);
  const at::Tensor stored = rounded.to(at::kHalf).to(at::kFloat);
  const at::Tensor smallest = at::full_like(stored, kSmallestHalf);
  return at::where(stored.abs() < kSmallestHalf, at::copysign(smallest, scale), stored);
}

absl::Status RefineGroupCodes(const GroupTensors& tensors, int bits, int scale_digits) {
  return CallTorch("refining a group", [&]() -> absl::Status {
    for (const at::Tensor& matrix : {tensors.hessian, tensors.gradient, tensors.codes, tensors.change}) {
      if (matrix.stride(1) != 1) return absl::InvalidArgumentError("rows of a group are not contiguous");
    }
    const bool has_zero_point = tensors.zero_point.defined();
    const RefineGroup group{.rows = tensors.codes.size(0),
                            .columns = tensors.codes.size(1),
                            .bits = bits,
                            .scale_digits = scale_digits,
                            .hessian = tensors.hessian.const_data_ptr<float>(),
                            .hessian_stride = tensors.hessian.stride(0),
                            .gradient = tensors.gradient.const_data_ptr<float>(),
                            .gradient_stride = tensors.gradient.stride(0),
                            .scale = tensors.scale.data_ptr<float>(),
                            .scale_stride = tensors.scale.stride(0),
                            .zero_point = has_zero_point ? tensors.zero_point.const_data_ptr<int8_t>() : nullptr,
                            .zero_point_stride = has_zero_point ? tensors.zero_point.stride(0) : 0,
                            .code = tensors.codes.data_ptr<int8_t>(),
                            .code_stride = tensors.codes.stride(0),
                            .change = tensors.change.data_ptr<float>(),
                            .change_stride = tensors.change.stride(0)};
    if (tensors.codes.is_cuda()) {
      const int error = LoadedCudaOps()->refine_group(group, StreamOf(tensors.codes));
      return error == 0 ? absl::OkStatus() : StatusFromCuda(error, Describe("refining a group", tensors.codes, bits));
    }
    at::parallel_for(0, group.rows, kRowGrain,
                     [&](int64_t first, int64_t last) { RunRefineGroup(group, first, last); });
    return absl::OkStatus();
  });
}

absl::StatusOr<QuantizationGrid> SearchGrid(const at::Tensor& weight, const at::Tensor& importance,
                                            const WeightScheme& scheme, const GridSearch& search) {
  return CallTorch("the search of scales", [&]() -> absl::StatusOr<QuantizationGrid> {
    const at::Tensor in = weight.contiguous();
    const at::Tensor weights_of_columns = importance.contiguous();
    PIVOT_ASSIGN_OR_RETURN(QuantizationGrid grid, scheme.is_symmetric()
                                                      ? SearchSymmetric(in, weights_of_columns, scheme, search)
                                                      : SearchAsymmetric(in, weights_of_columns, scheme, search.clip));
    grid.scale = StorableScales(grid.scale, kBf16Digits);
    if (!at::isfinite(grid.scale).all().item<bool>()) {
      return WithReason(absl::FailedPreconditionError("a scale is beyond the range of fp16; the weights are damaged"),
                        "NUMERICAL_FAILURE");
    }
    return grid;
  });
}

}  // namespace pivot
