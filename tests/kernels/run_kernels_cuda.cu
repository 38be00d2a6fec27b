// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <cstdlib>

#include "kernels/launchers.cuh"
#include "kernels/pack.h"
#include "tests/kernels/run_kernels.h"

namespace pivot {
namespace {

void Check(cudaError_t error) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "CUDA: %s\n", cudaGetErrorString(error));
  std::abort();
}

/// Device memory that begins as a copy of a vector.
template <typename T>
class DeviceVector {
 public:
  explicit DeviceVector(const std::vector<T>& values) : size_(values.size()) {
    Check(cudaMalloc(&data_, size_ * sizeof(T)));
    Check(cudaMemcpy(data_, values.data(), size_ * sizeof(T), cudaMemcpyHostToDevice));
  }
  DeviceVector(const DeviceVector&) = delete;
  DeviceVector& operator=(const DeviceVector&) = delete;
  ~DeviceVector() { cudaFree(data_); }

  T* data() { return data_; }
  std::vector<T> ToHost() const {
    std::vector<T> values(size_);
    Check(cudaMemcpy(values.data(), data_, size_ * sizeof(T), cudaMemcpyDeviceToHost));
    return values;
  }

 private:
  size_t size_;
  T* data_ = nullptr;
};

std::vector<uint16_t> Behind(int64_t offset, std::vector<uint16_t> values) {
  values.insert(values.begin(), static_cast<size_t>(offset), 0);
  return values;
}

std::vector<uint16_t> Without(int64_t offset, std::vector<uint16_t> values) {
  values.erase(values.begin(), values.begin() + offset);
  return values;
}

}  // namespace

std::vector<TestDevice> TestDevices() { return {TestDevice::kCuda}; }

bool IsAvailable(TestDevice) {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
}

std::vector<uint32_t> PackOn(TestDevice, const std::vector<uint8_t>& codes, int64_t rows, int64_t columns, int bits) {
  DeviceVector<uint8_t> in(codes);
  DeviceVector<uint32_t> words(
      std::vector<uint32_t>(static_cast<size_t>(rows * PackedRowWords(columns, bits)), 0xDEADBEEF));
  Check(LaunchPackRows(in.data(), rows, columns, bits, words.data(), nullptr));
  return words.ToHost();
}

PanelOutput PanelOn(TestDevice, GptqPanel shape, const std::vector<float>& weight, const std::vector<float>& factor,
                    const std::vector<float>& scale, const std::vector<int32_t>& groups) {
  DeviceVector<float> weights(weight);
  DeviceVector<float> factors(factor);
  DeviceVector<float> scales(scale);
  DeviceVector<int32_t> group(groups);
  DeviceVector<int8_t> codes(std::vector<int8_t>(weight.size()));
  DeviceVector<float> errors(std::vector<float>(weight.size()));
  shape.weight = weights.data();
  shape.weight_stride = shape.columns;
  shape.factor = factors.data();
  shape.factor_stride = shape.columns;
  shape.scale = scales.data();
  shape.scale_stride = static_cast<int64_t>(scale.size()) / shape.rows;
  shape.group = group.data();
  shape.code = codes.data();
  shape.code_stride = shape.columns;
  shape.error = errors.data();
  shape.error_stride = shape.columns;
  Check(LaunchGptqPanel(shape, nullptr));
  return {codes.ToHost(), errors.ToHost()};
}

RefineVectors RefineOn(TestDevice, RefineGroup shape, RefineVectors vectors) {
  DeviceVector<float> hessian(vectors.hessian);
  DeviceVector<float> gradient(vectors.gradient);
  DeviceVector<float> scale(vectors.scale);
  DeviceVector<int8_t> zero_point(vectors.zero_point);
  DeviceVector<int8_t> codes(vectors.codes);
  DeviceVector<float> change(std::vector<float>(vectors.codes.size()));
  shape.hessian = hessian.data();
  shape.gradient = gradient.data();
  shape.scale = scale.data();
  shape.zero_point = vectors.zero_point.empty() ? nullptr : zero_point.data();
  shape.code = codes.data();
  shape.change = change.data();
  Check(LaunchRefineGroup(shape, nullptr));
  vectors.scale = scale.ToHost();
  vectors.codes = codes.ToHost();
  vectors.change = change.ToHost();
  return vectors;
}

std::vector<float> ClipSearchOn(TestDevice, ClipSearchInput shape, const std::vector<float>& weight,
                                const std::vector<float>& importance) {
  DeviceVector<float> weights(weight);
  DeviceVector<float> importances(importance);
  DeviceVector<float> scales(std::vector<float>(static_cast<size_t>(shape.rows * (shape.columns / shape.group_size))));
  shape.weight = weights.data();
  shape.importance = importances.data();
  shape.scale = scales.data();
  Check(LaunchClipSearch(shape, nullptr));
  return scales.ToHost();
}

GridOutput AsymmetricClipOn(TestDevice, AsymmetricClipInput shape, const std::vector<float>& weight,
                            const std::vector<float>& importance) {
  const auto count = static_cast<size_t>(shape.rows * (shape.columns / shape.group_size));
  DeviceVector<float> weights(weight);
  DeviceVector<float> importances(importance);
  DeviceVector<float> scales((std::vector<float>(count)));
  DeviceVector<int8_t> zero_points((std::vector<int8_t>(count)));
  shape.weight = weights.data();
  shape.importance = importances.data();
  shape.scale = scales.data();
  shape.zero_point = zero_points.data();
  Check(LaunchAsymmetricClip(shape, nullptr));
  return {scales.ToHost(), zero_points.ToHost()};
}

std::vector<uint16_t> RmsNormOn(TestDevice, RmsNormInput shape, const std::vector<uint16_t>& x,
                                const std::vector<uint16_t>& weight, int64_t offset) {
  DeviceVector<uint16_t> in(Behind(offset, x));
  DeviceVector<uint16_t> weights(Behind(offset, weight));
  DeviceVector<uint16_t> out(Behind(offset, std::vector<uint16_t>(x.size())));
  shape.x = in.data() + offset;
  shape.weight = weights.data() + offset;
  shape.out = out.data() + offset;
  Check(LaunchRmsNorm(shape, nullptr));
  return Without(offset, out.ToHost());
}

std::vector<uint16_t> GatedSiluOn(TestDevice, std::vector<uint16_t> gate, const std::vector<uint16_t>& up,
                                  int64_t offset) {
  DeviceVector<uint16_t> gates(Behind(offset, gate));
  DeviceVector<uint16_t> ups(Behind(offset, up));
  GatedSiluInput input;
  input.count = static_cast<int64_t>(gate.size());
  input.gate = gates.data() + offset;
  input.up = ups.data() + offset;
  input.out = gates.data() + offset;
  Check(LaunchGatedSilu(input, nullptr));
  return Without(offset, gates.ToHost());
}

std::vector<uint16_t> RotaryOn(TestDevice, RotaryInput shape, const std::vector<uint16_t>& x, int64_t offset,
                               const std::vector<uint16_t>& cosine, const std::vector<uint16_t>& sine) {
  DeviceVector<uint16_t> in(x);
  DeviceVector<uint16_t> cosines(cosine);
  DeviceVector<uint16_t> sines(sine);
  DeviceVector<uint16_t> out(std::vector<uint16_t>(static_cast<size_t>(shape.tokens * shape.heads * shape.head_dim)));
  shape.x = in.data() + offset;
  shape.cosine = cosines.data();
  shape.sine = sines.data();
  shape.out = out.data();
  Check(LaunchRotary(shape, nullptr));
  return out.ToHost();
}

}  // namespace pivot
