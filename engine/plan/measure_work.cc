// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/measure_work.h"

#include <algorithm>
#include <vector>

#include "engine/plan/allocation.h"
#include "engine/plan/work.h"

namespace pivot {
namespace {

constexpr int64_t kTokens = 16384;
constexpr int64_t kTokensOnCpu = 8192;
constexpr int64_t kProbeTokens = 2048;
constexpr int kProbes = 512;
constexpr int kProbesOnCpu = 16;
// Forward to the gradients, forward again, and two products for each in the backward pass; forward for the moments.
constexpr double kPasses = 5;
constexpr int kWidestSolved = 3;

int64_t SolutionsOf(const ModelConfig& config, const CompressSpec& spec, const PlanUnit& unit) {
  const std::vector<WeightScheme> schemes = UnitSchemes(config, spec, unit);
  int narrowest = kMaxBits;
  for (const WeightScheme& scheme : schemes) narrowest = std::min(narrowest, scheme.bits);
  return std::count_if(schemes.begin(), schemes.end(),
                       [narrowest](const WeightScheme& scheme) { return IsSolvedWidth(scheme.bits, narrowest); });
}

/// Of a weight, on average over the units.
double MeanSolutions(const ModelConfig& config, const CompressSpec& spec, const std::vector<PlanUnit>& units) {
  double weights = 0;
  double solutions = 0;
  for (const PlanUnit& unit : units) {
    weights += static_cast<double>(unit.weights);
    solutions += static_cast<double>(unit.weights * SolutionsOf(config, spec, unit));
  }
  return weights > 0 ? solutions / weights : 0;
}

}  // namespace

bool IsSolvedWidth(int bits, int narrowest_bits) { return bits <= kWidestSolved || bits == narrowest_bits; }

int64_t MeasuredWindows(const CompressSpec& spec, DeviceKind device) {
  const int64_t length = spec.calibration.sequence_length;
  const int64_t tokens = device == DeviceKind::kCuda ? kTokens : kTokensOnCpu;
  return std::clamp<int64_t>((tokens + length - 1) / length, 1, spec.calibration.num_samples);
}

int64_t ProbeWindows(const CompressSpec& spec) {
  return std::max<int64_t>(1, kProbeTokens / spec.calibration.sequence_length);
}

int MaxProbes(DeviceKind device) { return device == DeviceKind::kCuda ? kProbes : kProbesOnCpu; }

MeasureWork MeasureWorkOf(const ModelConfig& config, const CompressSpec& spec, DeviceKind device) {
  if (!spec.measures_plan()) return {};
  CompressSpec measured = spec;
  measured.calibration.num_samples = MeasuredWindows(spec, device);
  measured.quantize.qep_alpha = 0;
  measured.quantize.qep_residual = 0;
  measured.quantize.refine_sweeps = 0;
  const CompressWork work = WorkOf(config, measured, 0);
  const std::vector<PlanUnit> units = PlanUnits(config);
  const auto probes = static_cast<double>(std::min<size_t>(units.size(), static_cast<size_t>(MaxProbes(device))));
  const int64_t length = spec.calibration.sequence_length;
  const int64_t probe_tokens = ProbeWindows(spec) * length;
  const auto blocks = static_cast<double>(config.num_blocks);
  const double head = 2.0 * static_cast<double>(config.vocab_size * config.hidden_size);
  const auto tokens = measured.calibration.num_tokens();
  MeasureWork result{.solutions = MeanSolutions(config, spec, units)};
  // A probe runs half of the blocks on average.
  result.flops = kPasses * work.forward + work.statistics + result.solutions * work.solve +
                 3 * head * static_cast<double>(tokens) +
                 probes * (blocks / 2 * BlockForwardFlops(config, probe_tokens, length) +
                           head * static_cast<double>(probe_tokens));
  // One probe more, of the original.
  result.logits = static_cast<double>(config.vocab_size) *
                  (static_cast<double>(tokens) + (probes + 1) * static_cast<double>(probe_tokens));
  const int64_t element = spec.dtype == ComputeDtype::kBfloat16 || device == DeviceKind::kCuda ? 2 : 4;
  result.host_bytes = tokens * config.hidden_size * element * (config.num_blocks + 2);
  return result;
}

}  // namespace pivot
