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
#include "kernels/refine_panel.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

// Rows a thread takes at a time: few enough to share the work of narrow layers.
constexpr int64_t kRowGrain = 16;
// 80 steps of one per cent, as GPTQ's published search has them.
constexpr int kClipSteps = 80;
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
    const at::Tensor in = (codes.to(at::kShort) + FieldOffset(bits)).to(at::kByte).contiguous();
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
    return (codes.to(at::kShort) - FieldOffset(bits)).to(at::kChar);
  });
}

at::Tensor EffectiveScale(const QuantizationGrid& grid) {
  return grid.global_scale.defined() ? grid.scale / grid.global_scale : grid.scale;
}

absl::StatusOr<PanelResult> QuantizePanel(const at::Tensor& weight, const at::Tensor& factor, const at::Tensor& scale,
                                          const WeightScheme& scheme) {
  return CallTorch("a GPTQ panel", [&]() -> absl::StatusOr<PanelResult> {
    // Factorizations give their result column by column unless asked otherwise.
    if (factor.stride(1) != 1 || weight.stride(1) != 1)
      return absl::InvalidArgumentError("rows of a panel are not contiguous");
    const at::Tensor scales = scale.contiguous();
    PanelResult result{.codes = at::empty(weight.sizes(), weight.options().dtype(at::kChar)),
                       .errors = at::empty(weight.sizes(), weight.options())};
    const GptqPanel panel{.rows = weight.size(0),
                          .columns = weight.size(1),
                          .grid = GridOf(scheme.type),
                          .bits = scheme.bits,
                          .weight = weight.data_ptr<float>(),
                          .weight_stride = weight.stride(0),
                          .factor = factor.const_data_ptr<float>(),
                          .factor_stride = factor.stride(0),
                          .scale = scales.const_data_ptr<float>(),
                          .code = result.codes.data_ptr<int8_t>(),
                          .error = result.errors.data_ptr<float>()};
    if (weight.is_cuda()) {
      const int error = LoadedCudaOps()->gptq_panel(panel, StreamOf(weight));
      if (error != 0) return StatusFromCuda(error, Describe("GPTQ panel", weight, scheme.bits));
      return result;
    }
    at::parallel_for(0, panel.rows, kRowGrain, [&](int64_t first, int64_t last) { RunGptqPanel(panel, first, last); });
    return result;
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

absl::StatusOr<at::Tensor> RefinePanelCodes(const at::Tensor& hessian, const at::Tensor& scale, int bits,
                                            at::Tensor& gradient, at::Tensor& codes) {
  return CallTorch("refining a panel", [&]() -> absl::StatusOr<at::Tensor> {
    if (hessian.stride(1) != 1 || !gradient.is_contiguous() || !codes.is_contiguous())
      return absl::InvalidArgumentError("rows of a panel are not contiguous");
    const at::Tensor scales = scale.contiguous();
    at::Tensor change = at::empty(gradient.sizes(), gradient.options());
    const RefinePanel panel{.rows = gradient.size(0),
                            .columns = gradient.size(1),
                            .bits = bits,
                            .hessian = hessian.const_data_ptr<float>(),
                            .hessian_stride = hessian.stride(0),
                            .gradient = gradient.data_ptr<float>(),
                            .scale = scales.const_data_ptr<float>(),
                            .code = codes.data_ptr<int8_t>(),
                            .change = change.data_ptr<float>()};
    if (gradient.is_cuda()) {
      const int error = LoadedCudaOps()->refine_panel(panel, StreamOf(gradient));
      if (error != 0) return StatusFromCuda(error, Describe("refining a panel", gradient, bits));
      return change;
    }
    at::parallel_for(0, panel.rows, kRowGrain,
                     [&](int64_t first, int64_t last) { RunRefinePanel(panel, first, last); });
    return change;
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
