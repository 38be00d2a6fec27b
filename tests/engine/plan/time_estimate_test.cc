// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/time_estimate.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

constexpr Machine kTwoCores{.threads = 2, .unit = ProductUnit::kBfloat16};
constexpr Machine kXeon{.threads = 16, .unit = ProductUnit::kTiles};
constexpr Machine kGpu{.kind = DeviceKind::kCuda};

ModelConfig SmolLm2() {
  return *ParseModelConfig(TinyConfigJson({.hidden_size = 576,
                                           .intermediate_size = 1536,
                                           .num_blocks = 30,
                                           .num_heads = 9,
                                           .num_kv_heads = 3,
                                           .head_dim = 64,
                                           .vocab_size = 49152,
                                           .max_positions = 8192}));
}

ModelConfig Llama8b() {
  return *ParseModelConfig(TinyConfigJson({.hidden_size = 4096,
                                           .intermediate_size = 14336,
                                           .num_blocks = 32,
                                           .num_heads = 32,
                                           .num_kv_heads = 8,
                                           .head_dim = 128,
                                           .vocab_size = 32000,
                                           .max_positions = 2048}));
}

/// Seconds that were measured: docs/benchmarks.md and docs/gpu-runs.json.
struct Measured {
  const char* name;
  ModelConfig (*model)();
  Machine machine;
  int samples;
  int length;
  int64_t evaluation_tokens;
  double layerwise_seconds;
  double evaluation_seconds;  // 0: not measured
  Method method = Method::kGptq;
};

class TimeEstimateTest : public ::testing::TestWithParam<Measured> {};

TEST_P(TimeEstimateTest, IsWithinAFactorOfTwoOfWhatWasMeasured) {
  const Measured& measured = GetParam();
  const ModelConfig config = measured.model();
  CompressSpec spec;
  spec.scheme.group_size = 64;
  spec.quantize.method = measured.method;
  spec.calibration.num_samples = measured.samples;
  spec.calibration.sequence_length = measured.length;
  spec.evaluation.max_tokens = measured.evaluation_tokens;
  const CompressWork work = WorkOf(config, spec, measured.evaluation_tokens);
  const TimeEstimate estimate = EstimateTime(config, spec, work, {}, {}, measured.machine);
  ASSERT_EQ(estimate.stages.size(), 2U);
  EXPECT_GT(measured.layerwise_seconds / estimate.stages[0].seconds, 0.5) << estimate.stages[0].seconds;
  EXPECT_LT(measured.layerwise_seconds / estimate.stages[0].seconds, 2) << estimate.stages[0].seconds;
  EXPECT_NEAR(estimate.total(), estimate.start_seconds + estimate.stages[0].seconds + estimate.stages[1].seconds, 1e-9);
  if (measured.evaluation_seconds == 0) return;
  EXPECT_GT(measured.evaluation_seconds / estimate.stages[1].seconds, 0.5) << estimate.stages[1].seconds;
  EXPECT_LT(measured.evaluation_seconds / estimate.stages[1].seconds, 2) << estimate.stages[1].seconds;
}

INSTANTIATE_TEST_SUITE_P(Runs, TimeEstimateTest,
                         ::testing::Values(Measured{"two_cores", SmolLm2, kTwoCores, 64, 512, 32768, 112, 45},
                                           Measured{"xeon", SmolLm2, kXeon, 64, 512, 65536, 86, 0},
                                           Measured{"gpu_smollm2", SmolLm2, kGpu, 512, 2048, 0, 6, 0},
                                           Measured{"gpu_llama_128", Llama8b, kGpu, 128, 2048, 0, 48.4, 0},
                                           Measured{"rounding", SmolLm2, kTwoCores, 0, 0, 0, 10.6, 0, Method::kRtn}),
                         [](const auto& run) { return std::string(run.param.name); });

TEST(MachineTest, IsThisOne) {
  const Machine machine = ThisMachine(DeviceKind::kCpu);
  EXPECT_GE(machine.threads, 1);
  EXPECT_EQ(ThisMachine(DeviceKind::kCuda).kind, DeviceKind::kCuda);
}

}  // namespace
}  // namespace pivot
