// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/time_estimate.h"

#include <algorithm>
#include <thread>

#include "engine/model/block_linears.h"
#include "engine/plan/refine_work.h"

namespace pivot {
namespace {

// FLOP/s of a core, as products of bf16 or fp32 in a job reach them.
constexpr double kFloat32PerCore = 80e9;
constexpr double kBfloat16PerCore = 350e9;
constexpr double kTilesPerCore = 600e9;
// Seconds of one thread for each weight: GPTQ with its factorizations, refinement, rounding with a search of scales.
constexpr double kSolvePerWeight = 0.4e-6;
constexpr double kRefinePerWeight = 0.25e-6;
constexpr double kRoundPerWeight = 0.09e-6;
// Softmax and sums of an evaluation take nearly as long as its products.
constexpr double kEvaluationFactor = 1.8;
// Seconds of a thread for each logit that a measurement makes a probability of: what its memory takes.
constexpr double kPerMeasuredLogit = 15e-9;
constexpr double kStart = 1;

constexpr double kGpuFlops = 450e12;
constexpr double kGpuEvaluationFlops = 150e12;
constexpr double kGpuRefineFlops = 200e12;
constexpr double kGpuPerBlock = 0.25;
constexpr double kGpuEvaluationPerBlock = 0.05;
constexpr double kGpuStart = 3;

double WeightsOf(const ModelConfig& config) {
  double weights = 0;
  for (int block = 0; block < config.num_blocks; ++block) {
    for (const BlockLinear& linear : BlockLinears(config, block))
      weights += static_cast<double>(linear.shape.out_features) * static_cast<double>(linear.shape.in_features);
  }
  return weights;
}

double RateOf(const Machine& machine) {
  const double per_core = machine.unit == ProductUnit::kTiles      ? kTilesPerCore
                          : machine.unit == ProductUnit::kBfloat16 ? kBfloat16PerCore
                                                                   : kFloat32PerCore;
  return per_core * std::max(1, machine.threads);
}

double CpuLayerwise(const CompressSpec& spec, const CompressWork& work, double weights, const Machine& machine) {
  const int threads = std::max(1, machine.threads);
  if (spec.quantize.method == Method::kRtn) return weights * kRoundPerWeight;
  const double refine = spec.quantize.refine_sweeps > 0 ? kRefinePerWeight : 0;
  return (work.forward + work.statistics) / RateOf(machine) + work.solve / (kFloat32PerCore * threads) +
         weights * (kSolvePerWeight + refine);
}

}  // namespace

Machine ThisMachine(DeviceKind kind) {
  Machine machine{.kind = kind, .threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()))};
#if defined(__x86_64__) && !defined(__clang__)
  if (__builtin_cpu_supports("avx512bf16") != 0) machine.unit = ProductUnit::kBfloat16;
  if (__builtin_cpu_supports("amx-bf16") != 0) machine.unit = ProductUnit::kTiles;
#endif
  return machine;
}

double TimeEstimate::total() const {
  double seconds = start_seconds;
  for (const StageTime& stage : stages) seconds += stage.seconds;
  return seconds;
}

namespace {

void AddRefinement(const ModelConfig& config, const CompressSpec& spec, const RefineOptions& refine,
                   const Machine& machine, double rate, TimeEstimate& estimate) {
  const RefineWork work = RefineWorkOf(config, spec, refine, machine.kind);
  if (refine.runs_blockwise()) estimate.stages.push_back({"blockwise", work.blockwise / rate});
  if (refine.runs_globally()) estimate.stages.push_back({"global", work.global / rate});
}

}  // namespace

TimeEstimate EstimateTime(const ModelConfig& config, const CompressSpec& spec, const CompressWork& work,
                          const MeasureWork& measure, const RefineOptions& refine, const Machine& machine) {
  const double weights = WeightsOf(config);
  const auto blocks = static_cast<double>(config.num_blocks);
  const double layerwise = work.forward + work.statistics + work.solve;
  TimeEstimate estimate;
  if (machine.kind == DeviceKind::kCuda) {
    estimate.start_seconds = kGpuStart;
    if (spec.measures_plan())
      estimate.stages.push_back({"measure", measure.flops / kGpuEvaluationFlops + blocks * kGpuPerBlock});
    estimate.stages.push_back({"layerwise", layerwise / kGpuFlops + blocks * kGpuPerBlock});
    const double evaluation = work.evaluation / kGpuEvaluationFlops + blocks * kGpuEvaluationPerBlock;
    estimate.stages.push_back({"evaluate", spec.evaluation.skip ? 0 : evaluation});
    AddRefinement(config, spec, refine, machine, kGpuRefineFlops, estimate);
    return estimate;
  }
  Machine cpu = machine;
  if (spec.dtype == ComputeDtype::kFloat32) cpu.unit = ProductUnit::kFloat32;
  estimate.start_seconds = kStart;
  if (spec.measures_plan()) {
    const double logits = measure.logits * kPerMeasuredLogit / std::max(1, machine.threads);
    estimate.stages.push_back(
        {"measure", measure.flops / RateOf(cpu) + logits + weights * measure.solutions * kSolvePerWeight});
  }
  estimate.stages.push_back({"layerwise", CpuLayerwise(spec, work, weights, cpu)});
  estimate.stages.push_back({"evaluate", kEvaluationFactor * work.evaluation / RateOf(cpu)});
  AddRefinement(config, spec, refine, cpu, RateOf(cpu), estimate);
  return estimate;
}

}  // namespace pivot
