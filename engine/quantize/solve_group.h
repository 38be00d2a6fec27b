// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_QUANTIZE_SOLVE_GROUP_H_
#define PIVOT_ENGINE_QUANTIZE_SOLVE_GROUP_H_

// Quantizes the linear layers that share an input: correction, scales, codes, and what is to be reported of them.

#include <ATen/core/Tensor.h>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "engine/calibration/input_statistics.h"
#include "engine/checkpoint/quantized_linear.h"
#include "engine/plan/compress_spec.h"

namespace pivot {

struct LinearReport {
  double loss = 0;        // tr((W-Q) H (W-Q)ᵀ), W after the correction
  double energy = 0;      // tr(W H Wᵀ)
  double correction = 0;  // relative change by error propagation
  /// ||W Xᵀ - Q X̂ᵀ||^2 / ||W Xᵀ||^2: the layer's output in the quantized model beside the original's. Known where both
  /// streams are.
  std::optional<double> output_error;
  double percdamp = 0;  // of the factorization, as used in the end
  int64_t dead_columns = 0;
};

struct SolvedLinear {
  QuantizedLinear quantized;
  at::Tensor dequantized;  // [out, in] fp32
  LinearReport report;
};

/// `weights` [out_k, in] in any floating dtype share the input that `statistics` were gathered on. Null statistics:
/// round to nearest (Method::kRtn needs none). A group_size of 0 stands for the whole row.
absl::StatusOr<std::vector<SolvedLinear>> SolveGroup(absl::Span<const at::Tensor> weights,
                                                     const InputStatistics* statistics, const WeightScheme& scheme,
                                                     const QuantizeOptions& options);

}  // namespace pivot

#endif  // PIVOT_ENGINE_QUANTIZE_SOLVE_GROUP_H_
