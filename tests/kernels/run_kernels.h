// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_KERNELS_RUN_KERNELS_H_
#define PIVOT_TESTS_KERNELS_RUN_KERNELS_H_

// Runs a kernel on the CPU, or on a GPU through copies to it and back. Arguments and results are host vectors either
// way.

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/asymmetric_clip.h"
#include "kernels/clip_search.h"
#include "kernels/gated_silu.h"
#include "kernels/gptq_panel.h"
#include "kernels/refine_group.h"
#include "kernels/rms_norm.h"
#include "kernels/rotary.h"

namespace pivot {

enum class TestDevice { kCpu, kCuda };

inline std::string DeviceLabel(TestDevice device) { return device == TestDevice::kCpu ? "cpu" : "cuda"; }

/// Devices that this test program was built for.
std::vector<TestDevice> TestDevices();

/// False on a machine without a GPU; the test then skips.
bool IsAvailable(TestDevice device);

std::vector<uint32_t> PackOn(TestDevice device, const std::vector<uint8_t>& codes, int64_t rows, int64_t columns,
                             int bits);

struct PanelOutput {
  std::vector<int8_t> codes;
  std::vector<float> errors;
};
/// Fills pointers and strides of `shape` (rows, columns, bits) from the vectors, whose rows follow each other.
PanelOutput PanelOn(TestDevice device, GptqPanel shape, const std::vector<float>& weight,
                    const std::vector<float>& factor, const std::vector<float>& scale,
                    const std::vector<int32_t>& groups);

/// What kernels/refine_group.h reads and writes, as it lies in memory; `change` as the codes.
struct RefineVectors {
  std::vector<float> hessian;
  std::vector<float> gradient;
  std::vector<float> scale;
  std::vector<int8_t> zero_point;  // empty: none
  std::vector<int8_t> codes;
  std::vector<float> change;
};
/// Fills the pointers of `shape` and returns what the vectors are afterwards.
RefineVectors RefineOn(TestDevice device, RefineGroup shape, RefineVectors vectors);

/// Fills the pointers of `shape`.
std::vector<float> ClipSearchOn(TestDevice device, ClipSearchInput shape, const std::vector<float>& weight,
                                const std::vector<float>& importance);

struct GridOutput {
  std::vector<float> scales;
  std::vector<int8_t> zero_points;
};
/// Fills the pointers of `shape`.
GridOutput AsymmetricClipOn(TestDevice device, AsymmetricClipInput shape, const std::vector<float>& weight,
                            const std::vector<float>& importance);

/// Fills the pointers of `shape`. On a GPU `offset` elements lie before each vector, so that its address is a multiple
/// of 16 bytes or is not.
std::vector<uint16_t> RmsNormOn(TestDevice device, RmsNormInput shape, const std::vector<uint16_t>& x,
                                const std::vector<uint16_t>& weight, int64_t offset);

/// In place over `gate`; `offset` as above.
std::vector<uint16_t> GatedSiluOn(TestDevice device, std::vector<uint16_t> gate, const std::vector<uint16_t>& up,
                                  int64_t offset);

/// Fills the pointers of `shape`; the first token begins at `x[offset]`.
std::vector<uint16_t> RotaryOn(TestDevice device, RotaryInput shape, const std::vector<uint16_t>& x, int64_t offset,
                               const std::vector<uint16_t>& cosine, const std::vector<uint16_t>& sine);

}  // namespace pivot

#endif  // PIVOT_TESTS_KERNELS_RUN_KERNELS_H_
