// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/float_grid.h"

#include <ATen/ATen.h>
#include <array>
#include <vector>

#include "engine/ops/call_torch.h"
#include "kernels/code_grid.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

// The first is what the largest magnitude asks for; 1.5 maps it to 4 instead of 6.
constexpr std::array<double, 10> kTrials = {1.0, 1.5, 0.95, 0.9, 0.85, 0.8, 0.7, 1.1, 1.2, 1.3};
constexpr std::array<double, 3> kPowerTrials = {1.0, 0.5, 2.0};
constexpr double kSmallestScale = 0x1p-24;  // fp16's
constexpr double kSmallestFloat8 = 0x1p-9;
constexpr int kLowestExponent = -126;  // of a power of two that is a normal fp32

at::Tensor NearestNumbers(const at::Tensor& ratio, CodeType type) {
  if (type == CodeType::kFloat8)
    return ratio.clamp(-Float8Grid::kMax, Float8Grid::kMax).to(at::kFloat8_e4m3fn).to(at::kFloat);
  const at::Tensor clamped = ratio.clamp(-Float4Grid::kMax, Float4Grid::kMax);
  const at::Tensor magnitude = clamped.abs();
  const at::Tensor step = at::where(magnitude < 2, 0.5, at::where(magnitude < 4, 1.0, 2.0)).to(at::kFloat);
  return (clamped / step).round_().mul_(step);
}

at::Tensor EncodeNumbers(const at::Tensor& numbers, CodeType type) {
  if (type == CodeType::kFloat8) return numbers.to(at::kFloat8_e4m3fn).view(at::kChar);
  const at::Tensor magnitude = numbers.abs();
  const at::Tensor index =
      at::where(magnitude < 2, magnitude * 2, at::where(magnitude < 4, magnitude + 2, magnitude / 2 + 4));
  return (index + (numbers < 0) * 8).to(at::kChar);
}

/// The scales as the file will hold them, never 0.
at::Tensor AsStored(const at::Tensor& scale, CodeType type) {
  switch (type) {
    case CodeType::kNvfp4:
      return scale.clamp(kSmallestFloat8, Float8Grid::kMax).to(at::kFloat8_e4m3fn).to(at::kFloat);
    case CodeType::kMxfp4:
      return scale;
    default:
      return scale.to(at::kBFloat16).to(at::kFloat).to(at::kHalf).to(at::kFloat).clamp_min(kSmallestScale);
  }
}

/// What the largest magnitude of each group asks for. [rows, groups]
at::Tensor FirstScale(const at::Tensor& largest, const QuantizationGrid& grid, CodeType type) {
  if (type == CodeType::kFloat8) return largest / Float8Grid::kMax;
  if (type == CodeType::kNvfp4) return largest * grid.global_scale / Float4Grid::kMax;
  // The largest exponent of E2M1 is 2: magnitudes up to 8 times the scale are as near to 6 as they can be.
  const at::Tensor exponent = at::floor(at::log2(largest.clamp_min(0x1p-120))) - 2;
  return at::exp2(exponent.clamp_min(kLowestExponent));
}

std::vector<double> Trials(CodeType type, ClipSearch search) {
  if (search == ClipSearch::kNone) return {1.0};
  if (type == CodeType::kMxfp4) return {kPowerTrials.begin(), kPowerTrials.end()};
  return {kTrials.begin(), kTrials.end()};
}

at::Tensor Groups(const at::Tensor& weight, const QuantizationGrid& grid) {
  return weight.reshape({weight.size(0), grid.scale.size(1), -1});
}

}  // namespace

absl::StatusOr<QuantizationGrid> SearchFloatGrid(const at::Tensor& weight, const at::Tensor& importance,
                                                 const WeightScheme& scheme, ClipSearch search) {
  return CallTorch("the search of scales", [&]() -> absl::StatusOr<QuantizationGrid> {
    const at::Tensor groups = weight.reshape({weight.size(0), -1, scheme.group_size});
    const at::Tensor shares = importance.view({1, -1, scheme.group_size});
    const at::Tensor largest = groups.abs().amax(-1);
    QuantizationGrid grid;
    if (scheme.type == CodeType::kNvfp4) {
      const at::Tensor whole = largest.max().clamp_min(1e-30).reshape({1});
      grid.global_scale = (Float8Grid::kMax * Float4Grid::kMax) / whole;
    }
    const at::Tensor first = FirstScale(largest, grid, scheme.type);
    at::Tensor least;
    for (const double trial : Trials(scheme.type, search)) {
      const at::Tensor scale = AsStored(first * trial, scheme.type);
      const QuantizationGrid tried{.scale = scale, .zero_point = {}, .global_scale = grid.global_scale};
      const at::Tensor effective = EffectiveScale(tried).unsqueeze(-1);
      const at::Tensor error =
          (groups - NearestNumbers(groups / effective, scheme.type).mul_(effective)).square_().mul_(shares).sum(-1);
      if (!least.defined()) {
        least = error;
        grid.scale = scale;
        continue;
      }
      const at::Tensor is_better = error < least;
      least = at::where(is_better, error, least);
      grid.scale = at::where(is_better, scale, grid.scale);
    }
    if (!at::isfinite(EffectiveScale(grid)).all().item<bool>()) {
      return WithReason(absl::FailedPreconditionError("a scale is not finite; the weights are damaged"),
                        "NUMERICAL_FAILURE");
    }
    return grid;
  });
}

absl::StatusOr<at::Tensor> RoundToFloats(const at::Tensor& weight, const QuantizationGrid& grid, CodeType type) {
  return CallTorch("rounding to nearest", [&] {
    const at::Tensor ratio = Groups(weight, grid) / EffectiveScale(grid).unsqueeze(-1);
    return EncodeNumbers(NearestNumbers(ratio, type), type).view(weight.sizes());
  });
}

}  // namespace pivot
