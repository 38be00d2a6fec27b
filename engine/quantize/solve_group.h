// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_QUANTIZE_SOLVE_GROUP_H_
#define PIVOT_ENGINE_QUANTIZE_SOLVE_GROUP_H_

// Quantizes the linear layers that share an input: correction, scales, codes, and what is to be reported of them.

#include <ATen/core/Tensor.h>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "engine/calibration/input_statistics.h"
#include "engine/checkpoint/quantized_linear.h"
#include "engine/plan/compress_spec.h"
#include "engine/quantize/linear_report.h"

namespace pivot {

struct SolvedLinear {
  QuantizedLinear quantized;
  at::Tensor dequantized;  // [out, in] fp32
  LinearReport report;
};

/// `weights` [out_k, in] in any floating dtype share the input that the moments are of. Undefined moments: round to
/// nearest (Method::kRtn needs none). A group_size of 0 stands for the whole row. Each moment that the caller gives
/// away is let go as soon as it is used.
absl::StatusOr<std::vector<SolvedLinear>> SolveGroup(absl::Span<const at::Tensor> weights, InputMoments moments,
                                                     const WeightScheme& scheme, const QuantizeOptions& options);

}  // namespace pivot

#endif  // PIVOT_ENGINE_QUANTIZE_SOLVE_GROUP_H_
