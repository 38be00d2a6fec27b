// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PLAN_MEASURE_WORK_H_
#define PIVOT_ENGINE_PLAN_MEASURE_WORK_H_

// What measuring a plan (engine/allocate) takes: how much text, how many probes, and so arithmetic and memory.

#include <cstdint>

#include "engine/model/model_config.h"
#include "engine/plan/compress_spec.h"

namespace pivot {

/// The calibration windows that are measured on: enough for gradients that are drawn at random to average out.
int64_t MeasuredWindows(const CompressSpec& spec, DeviceKind device);

/// Of these, the ones that a probe runs.
int64_t ProbeWindows(const CompressSpec& spec);

int MaxProbes(DeviceKind device);

/// Whether a measurement runs GPTQ for a width of a unit whose narrowest is this: narrow codes, and the narrowest where
/// a format has wide ones only. Errors of wider codes are too even to be worth a solution of their own.
bool IsSolvedWidth(int bits, int narrowest_bits);

struct MeasureWork {
  double flops = 0;
  double logits = 0;       // whose softmax is taken: of the text for its gradients, and of all probes
  double solutions = 0;    // of a weight, on average: widths and group sizes that are solved
  int64_t host_bytes = 0;  // the residual streams at all borders of blocks
};

/// Nothing of a plan that is not measured. An upper estimate.
MeasureWork MeasureWorkOf(const ModelConfig& config, const CompressSpec& spec, DeviceKind device);

}  // namespace pivot

#endif  // PIVOT_ENGINE_PLAN_MEASURE_WORK_H_
