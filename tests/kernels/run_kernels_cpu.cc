// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "kernels/pack.h"
#include "tests/kernels/run_kernels.h"

namespace pivot {

std::vector<TestDevice> TestDevices() { return {TestDevice::kCpu}; }

bool IsAvailable(TestDevice) { return true; }

std::vector<uint32_t> PackOn(TestDevice, const std::vector<uint8_t>& codes, int64_t rows, int64_t columns, int bits) {
  std::vector<uint32_t> words(static_cast<size_t>(rows * PackedRowWords(columns, bits)), 0xDEADBEEF);
  PackRows(codes.data(), rows, columns, bits, words.data());
  return words;
}

PanelOutput PanelOn(TestDevice, GptqPanel shape, const std::vector<float>& weight, const std::vector<float>& factor,
                    const std::vector<float>& scale, const std::vector<int32_t>& groups) {
  PanelOutput output{.codes = std::vector<int8_t>(weight.size()), .errors = std::vector<float>(weight.size())};
  shape.weight = weight.data();
  shape.weight_stride = shape.columns;
  shape.factor = factor.data();
  shape.factor_stride = shape.columns;
  shape.scale = scale.data();
  shape.scale_stride = static_cast<int64_t>(scale.size()) / shape.rows;
  shape.group = groups.data();
  shape.code = output.codes.data();
  shape.code_stride = shape.columns;
  shape.error = output.errors.data();
  shape.error_stride = shape.columns;
  RunGptqPanel(shape, 0, shape.rows);
  return output;
}

RefineVectors RefineOn(TestDevice, RefineGroup shape, RefineVectors vectors) {
  vectors.change.resize(vectors.codes.size());
  shape.hessian = vectors.hessian.data();
  shape.gradient = vectors.gradient.data();
  shape.scale = vectors.scale.data();
  shape.zero_point = vectors.zero_point.empty() ? nullptr : vectors.zero_point.data();
  shape.code = vectors.codes.data();
  shape.change = vectors.change.data();
  RunRefineGroup(shape, 0, shape.rows);
  return vectors;
}

std::vector<float> ClipSearchOn(TestDevice, ClipSearchInput shape, const std::vector<float>& weight,
                                const std::vector<float>& importance) {
  std::vector<float> scale(static_cast<size_t>(shape.rows * (shape.columns / shape.group_size)));
  shape.weight = weight.data();
  shape.importance = importance.data();
  shape.scale = scale.data();
  RunClipSearch(shape, 0, shape.rows);
  return scale;
}

GridOutput AsymmetricClipOn(TestDevice, AsymmetricClipInput shape, const std::vector<float>& weight,
                            const std::vector<float>& importance) {
  const auto count = static_cast<size_t>(shape.rows * (shape.columns / shape.group_size));
  GridOutput output{.scales = std::vector<float>(count), .zero_points = std::vector<int8_t>(count)};
  shape.weight = weight.data();
  shape.importance = importance.data();
  shape.scale = output.scales.data();
  shape.zero_point = output.zero_points.data();
  RunAsymmetricClip(shape, 0, shape.rows);
  return output;
}

std::vector<uint16_t> RmsNormOn(TestDevice, RmsNormInput shape, const std::vector<uint16_t>& x,
                                const std::vector<uint16_t>& weight, int64_t) {
  std::vector<uint16_t> out(x.size());
  shape.x = x.data();
  shape.weight = weight.data();
  shape.out = out.data();
  RunRmsNorm(shape, 0, shape.rows);
  return out;
}

std::vector<uint16_t> GatedSiluOn(TestDevice, std::vector<uint16_t> gate, const std::vector<uint16_t>& up, int64_t) {
  const auto count = static_cast<int64_t>(gate.size());
  RunGatedSilu({.count = count, .gate = gate.data(), .up = up.data(), .out = gate.data()}, 0, count);
  return gate;
}

std::vector<uint16_t> RotaryOn(TestDevice, RotaryInput shape, const std::vector<uint16_t>& x, int64_t offset,
                               const std::vector<uint16_t>& cosine, const std::vector<uint16_t>& sine) {
  std::vector<uint16_t> out(static_cast<size_t>(shape.tokens * shape.heads * shape.head_dim));
  shape.x = x.data() + offset;
  shape.cosine = cosine.data();
  shape.sine = sine.data();
  shape.out = out.data();
  RunRotary(shape, 0, shape.tokens);
  return out;
}

}  // namespace pivot
