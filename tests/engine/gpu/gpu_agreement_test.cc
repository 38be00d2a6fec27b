// SPDX-License-Identifier: Apache-2.0
// The engine on a GPU beside the engine on the CPU.

#include <ATen/ATen.h>
#include <map>
#include <utility>

#include "engine/calibration/block_pass.h"
#include "engine/ops/device.h"
#include "engine/ops/tf32_parts.h"
#include "engine/ops/triangles.h"
#include "engine/quantize/gptq.h"
#include "engine/quantize/solve_group.h"
#include "tests/engine/quantize/reference.h"
#include "tests/engine/support/placed_windows.h"
#include "tests/engine/support/random_block.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

constexpr int64_t kTokens = 4096;
constexpr int64_t kTileWindows = 4;

class GpuTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { device_ = new absl::StatusOr<ComputeDevice>(OpenDevice("cuda:0", 0)); }
  static void TearDownTestSuite() { delete device_; }
  void SetUp() override {
    if (!device_->ok()) GTEST_SKIP() << device_->status().message();
  }
  static at::Device Gpu() { return (**device_).device; }

 private:
  static inline absl::StatusOr<ComputeDevice>* device_ = nullptr;
};

struct Problem {
  std::vector<at::Tensor> weights;
  InputMoments moments;
};

Problem MakeProblem(int64_t in_features) {
  const at::Tensor original = CorrelatedInputs(kTokens, in_features, 1);
  InputStatistics statistics(in_features, CrossTerm::kGathered, at::kCPU);
  statistics.Add(original + 0.05 * CorrelatedInputs(kTokens, in_features, 2), original,
                 CorrelatedInputs(kTokens, 256, 3));
  at::manual_seed(4);
  return {.weights = {(0.02 * at::randn({256, in_features})).to(at::kBFloat16)},
          .moments = std::move(statistics).Finish()};
}

InputMoments On(at::Device device, const InputMoments& moments) {
  const auto move = [&](const at::Tensor& x) { return x.defined() ? x.to(device) : x; };
  return {.hessian = move(moments.hessian),
          .cross = move(moments.cross),
          .difference = move(moments.difference),
          .drift = move(moments.drift),
          .residual = move(moments.residual),
          .num_tokens = moments.num_tokens};
}

SolvedLinear SolveOn(at::Device device, const Problem& problem, const WeightScheme& scheme,
                     const QuantizeOptions& options) {
  auto solved = SolveGroup({problem.weights[0].to(device)}, On(device, problem.moments), scheme, options);
  EXPECT_OK(solved);
  return (*solved)[0];
}

class GpuSolveTest : public GpuTest, public ::testing::WithParamInterface<WeightScheme> {};

TEST_P(GpuSolveTest, GivesTheCodesOfTheCpu) {
  const Problem problem = MakeProblem(1024);
  for (const int64_t sweeps : {0, 4}) {
    const QuantizeOptions options{.refine_sweeps = sweeps};
    const SolvedLinear cpu = SolveOn(at::kCPU, problem, GetParam(), options);
    const SolvedLinear gpu = SolveOn(Gpu(), problem, GetParam(), options);
    const at::Tensor same = gpu.quantized.codes.to(at::kCPU).eq(cpu.quantized.codes);
    EXPECT_GE(same.to(at::kDouble).mean().item<double>(), 0.999) << sweeps << " sweeps";
    const auto loss = [&](const SolvedLinear& solved) {
      const at::Tensor weight = problem.weights[0].to(at::kFloat);
      return MeasureProxyLoss(weight, solved.dequantized.to(at::kCPU), problem.moments.hessian).loss;
    };
    EXPECT_NEAR(loss(gpu), loss(cpu), 1e-3 * loss(cpu)) << sweeps << " sweeps";
    // What is reported is summed from products in TF32.
    EXPECT_NEAR(gpu.report.loss, cpu.report.loss, 3e-3 * cpu.report.loss);
    EXPECT_NEAR(*gpu.report.output_error, *cpu.report.output_error, 3e-3 * *cpu.report.output_error);
    EXPECT_NEAR(gpu.report.correction, cpu.report.correction, 1e-4 * cpu.report.correction);
  }
}

TEST_P(GpuSolveTest, GivesTheSameBitsTwice) {
  const Problem problem = MakeProblem(1024);
  const SolvedLinear first = SolveOn(Gpu(), problem, GetParam(), {});
  const SolvedLinear second = SolveOn(Gpu(), problem, GetParam(), {});
  EXPECT_TRUE(at::equal(first.quantized.codes, second.quantized.codes));
  EXPECT_TRUE(at::equal(first.quantized.scale, second.quantized.scale));
}

INSTANTIATE_TEST_SUITE_P(
    Schemes, GpuSolveTest,
    ::testing::Values(WeightScheme{.bits = 4, .group_size = 128}, WeightScheme{.bits = 3, .group_size = 64},
                      WeightScheme{.bits = 2, .group_size = 64},
                      WeightScheme{.bits = 4, .group_size = 128, .symmetry = Symmetry::kAsymmetric},
                      WeightScheme{.bits = 4, .group_size = 1024}),
    [](const auto& test) {
      return "bits" + std::to_string(test.param.bits) + "_group" + std::to_string(test.param.group_size) +
             (test.param.is_symmetric() ? "" : "_asymmetric");
    });

/// What a product, or an inverse, misses of the one in fp64.
double LargestError(const at::Tensor& result, const at::Tensor& exact) {
  return (result.cpu().to(at::kDouble) - exact).abs().max().item<double>();
}

TEST_F(GpuTest, ProductsOfTf32PartsHaveTheDigitsOfFloat) {
  at::manual_seed(6);
  const at::Tensor left = at::randn({300, 1500});
  const at::Tensor right = at::randn({1500, 700});
  const at::Tensor start = at::randn({300, 700});
  const at::Tensor exact = at::mm(left.to(at::kDouble), right.to(at::kDouble));
  const at::Tensor rest = start.to(at::kDouble) - exact;
  const at::Tensor l = left.to(Gpu());
  const at::Tensor r = right.to(Gpu());
  const double in_float = LargestError(at::mm(l, r), exact);
  // A tensor core cuts off what it has no digits for, where fp32 rounds: errors of a sum add up in one direction.
  EXPECT_LE(LargestError(Product(SplitTf32(l), SplitTf32(r)), exact), 4 * in_float);
  at::Tensor parts = start.to(Gpu());
  SubtractProduct(SplitTf32(l), SplitTf32(r), parts);
  EXPECT_LE(LargestError(parts, rest), 4 * in_float);
  at::Tensor once = start.to(Gpu());
  SubtractProduct(l, r, once);
  EXPECT_LE(LargestError(once, rest), 6 * in_float);
  const Tf32Parts high_alone{SplitTf32(l).high, at::zeros_like(l)};
  EXPECT_GT(LargestError(Product(high_alone, SplitTf32(r)), exact), 20 * in_float) << "what the rest is for";
}

TEST_F(GpuTest, TrianglesAreInvertedAndSolvedAsOnTheCpu) {
  at::manual_seed(7);
  const at::Tensor inputs = at::randn({2900, 2600}, at::kDouble);
  const at::Tensor moment = at::mm(inputs.t(), inputs) / 2900;
  const at::Tensor lower = at::linalg_cholesky(moment);
  const at::Tensor inverse = lower.to(Gpu());
  InvertLower(inverse);
  EXPECT_LT(LargestError(at::mm(lower.to(Gpu()), inverse), at::eye(2600, at::kDouble)), 1e-9);
  const at::Tensor rows = at::randn({90, 2600});
  const at::Tensor exact = at::cholesky_solve(rows.t().to(at::kDouble), lower).t();
  const at::Tensor substituted = at::cholesky_solve(rows.t().to(Gpu()), lower.to(at::kFloat).to(Gpu())).t();
  const at::Tensor solved = rows.to(Gpu());
  SolveRows(lower.to(Gpu()), solved);
  // Two passes of products whose sums are cut off, four times fp32's error each.
  EXPECT_LE(LargestError(solved, exact), 16 * LargestError(substituted, exact));
}

class GpuStatisticsTest : public GpuTest, public ::testing::WithParamInterface<int64_t> {};

TEST_P(GpuStatisticsTest, SumsProductsOfBf16InFloat) {
  const int64_t features = GetParam();
  const at::Tensor original = CorrelatedInputs(kTokens, features, 5).to(at::kBFloat16);
  const at::Tensor quantized = (original + 0.1 * CorrelatedInputs(kTokens, features, 6)).to(at::kBFloat16);
  const at::Tensor difference = original - quantized;
  InputStatistics statistics(features, CrossTerm::kGathered, Gpu());
  for (const int64_t first : {0, 1000}) {
    const int64_t count = first == 0 ? 1000 : kTokens - 1000;
    const auto tile = [&](const at::Tensor& x) { return x.narrow(0, first, count).to(Gpu()); };
    statistics.Add(tile(quantized), tile(original), tile(difference.narrow(1, 0, 40).contiguous()));
  }
  const InputMoments moments = On(at::kCPU, std::move(statistics).Finish());
  // Sums of 4096 products in float, each product exact.
  const auto expect_moment = [](const at::Tensor& found, const at::Tensor& x, const at::Tensor& y) {
    const at::Tensor exact = Moment(x.to(at::kFloat), y.to(at::kFloat));
    EXPECT_LT(((found.to(at::kDouble) - exact).abs().max() / exact.abs().max()).item<double>(), 4096 * 6e-8);
  };
  expect_moment(moments.hessian, quantized, quantized);
  expect_moment(moments.cross, difference, quantized);
  expect_moment(moments.difference, difference, difference);
  expect_moment(moments.residual, difference.narrow(1, 0, 40), quantized);
  EXPECT_TRUE(at::equal(moments.hessian, moments.hessian.t()));
}

INSTANTIATE_TEST_SUITE_P(Widths, GpuStatisticsTest, ::testing::Values(64, 193, 1024, 8200),
                         [](const auto& test) { return "features" + std::to_string(test.param); });

struct BlockRun {
  at::Tensor quantized;
  at::Tensor original;
  std::map<BlockInput, at::Tensor> hessians;
};

/// A block in bf16 on a device, its weights rounded to seven steps by nobody's solver but the same everywhere.
BlockRun RunBlock(at::Device device, bool recomputes_hidden, int64_t resident_windows = 100) {
  const ModelConfig config = SmallConfig();
  BlockWeights original = RandomBlock(config, 1, at::kBFloat16);
  for (Norm& norm : original.norms) {
    if (norm.weight.defined()) norm.weight = norm.weight.to(device);
  }
  for (Linear& linear : original.linears) {
    if (linear.weight.defined()) linear.weight = linear.weight.to(device);
    if (linear.bias.defined()) linear.bias = linear.bias.to(device);
  }
  const RotaryTable rotary = MakeRotaryTable(config, 64, at::kBFloat16, at::kCPU);
  at::manual_seed(7);
  const at::Tensor x = at::randn({22, 64, config.hidden_size});
  BlockRun run;
  Streams streams;
  streams.original = Placed(x.to(at::kBFloat16).to(device), kTileWindows, resident_windows);
  streams.quantized =
      Placed((x + 0.02 * at::randn_like(x)).to(at::kBFloat16).to(device), kTileWindows, resident_windows);
  const auto solver = [&](const LinearGroup& group, const InputMoments& moments, BlockWeights& weights) {
    run.hessians[group.input] = moments.hessian.to(at::kCPU);
    for (const LinearRole role : group.members) {
      at::Tensor& weight = weights.linear(role).weight;
      weight = (weight * 32).round() / 32;
    }
    return absl::OkStatus();
  };
  EXPECT_OK(CalibrateBlock(config, original, {rotary.cosine.to(device), rotary.sine.to(device)},
                           {.tile_windows = kTileWindows, .recomputes_hidden = recomputes_hidden}, solver, streams));
  run.original = Collected(streams.original, kTileWindows);
  run.quantized = Collected(streams.quantized, kTileWindows);
  return run;
}

double Distance(const at::Tensor& a, const at::Tensor& b) {
  const auto exact = [](const at::Tensor& x) { return x.to(at::kCPU).to(at::kDouble); };
  return (at::linalg_vector_norm(exact(a) - exact(b)) / at::linalg_vector_norm(exact(b))).item<double>();
}

TEST_F(GpuTest, ABlockInBf16ComesOutAsOnTheCpu) {
  const BlockRun gpu = RunBlock(Gpu(), false);
  const BlockRun cpu = RunBlock(at::kCPU, false);
  // A rounding to bf16 is 2^-9 on average; a value passes about ten in a block.
  EXPECT_LT(Distance(gpu.original, cpu.original), 10.0 / 512);
  EXPECT_LT(Distance(gpu.quantized, cpu.quantized), 10.0 / 512);
  for (const auto& [input, hessian] : cpu.hessians) EXPECT_LT(Distance(gpu.hessians.at(input), hessian), 10.0 / 512);
}

TEST_F(GpuTest, ABlockGivesTheSameBitsWhateverIsComputedTwiceOrInHostMemory) {
  const BlockRun first = RunBlock(Gpu(), false);
  for (const bool recomputes_hidden : {false, true}) {
    for (const int64_t resident_windows : {100, 8, 0}) {
      const BlockRun again = RunBlock(Gpu(), recomputes_hidden, resident_windows);
      EXPECT_TRUE(at::equal(first.quantized, again.quantized)) << resident_windows;
      EXPECT_TRUE(at::equal(first.original, again.original)) << resident_windows;
      for (const auto& [input, hessian] : first.hessians) EXPECT_TRUE(at::equal(hessian, again.hessians.at(input)));
    }
  }
}

}  // namespace
}  // namespace pivot
