// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/float_grid.h"

#include <ATen/ATen.h>
#include <cmath>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/checkpoint/quantized_linear.h"
#include "engine/quantize/gptq.h"
#include "engine/quantize/solve_group.h"
#include "kernels/code_grid.h"
#include "proto/status/reason.h"
#include "tests/engine/quantize/reference.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

constexpr int64_t kColumns = 64;

at::Tensor Weight() {
  at::manual_seed(11);
  return at::randn({24, kColumns});
}

WeightScheme Scheme(const std::string& name) { return FloatScheme(name)->ForRow(kColumns); }

double ErrorOf(const at::Tensor& weight, const QuantizationGrid& grid, const WeightScheme& scheme) {
  const auto codes = RoundToFloats(weight, grid, scheme.type);
  const QuantizedLinear linear{
      .codes = *codes, .scale = grid.scale, .global_scale = grid.global_scale, .scheme = scheme};
  return (weight - Dequantize(linear)).square().sum().item<double>();
}

class FloatGridTest : public ::testing::TestWithParam<std::string> {};

TEST_P(FloatGridTest, RoundsAsTheKernelDoes) {
  const WeightScheme scheme = Scheme(GetParam());
  const at::Tensor weight = Weight();
  ASSERT_OK_AND_ASSIGN(const QuantizationGrid grid,
                       SearchFloatGrid(weight, at::ones({kColumns}), scheme, ClipSearch::kNone));
  ASSERT_OK_AND_ASSIGN(const at::Tensor codes, RoundToFloats(weight, grid, scheme.type));
  // With the identity for a factor nothing is passed on: what is left is rounding.
  const PanelTensors panel{.weight = weight,
                           .factor = at::eye(kColumns),
                           .scale = EffectiveScale(grid),
                           .group = at::floor_divide(at::arange(kColumns), scheme.group_size).to(at::kInt),
                           .codes = at::empty_like(codes),
                           .errors = at::empty_like(weight)};
  ASSERT_OK(QuantizePanel(panel, scheme));
  EXPECT_TRUE(at::equal(DecodeFloats(panel.codes, scheme.type), DecodeFloats(codes, scheme.type)));
}

TEST_P(FloatGridTest, KeepsTheLargestOfEachGroupWithoutASearch) {
  if (GetParam() == "mxfp4") GTEST_SKIP() << "powers of two cut it off";
  const WeightScheme scheme = Scheme(GetParam());
  const at::Tensor weight = Weight();
  ASSERT_OK_AND_ASSIGN(const QuantizationGrid grid,
                       SearchFloatGrid(weight, at::ones({kColumns}), scheme, ClipSearch::kNone));
  const at::Tensor largest = weight.view({24, -1, scheme.group_size}).abs().amax(-1);
  const double top = scheme.type == CodeType::kFloat8 ? Float8Grid::kMax : Float4Grid::kMax;
  // A scale is rounded to 4 significant bits at worst.
  EXPECT_TRUE(at::allclose(EffectiveScale(grid) * top, largest, /*rtol=*/1.0 / 16));
}

TEST_P(FloatGridTest, LosesLessWithASearch) {
  const WeightScheme scheme = Scheme(GetParam());
  const at::Tensor weight = Weight();
  const at::Tensor importance = at::ones({kColumns});
  ASSERT_OK_AND_ASSIGN(const QuantizationGrid plain, SearchFloatGrid(weight, importance, scheme, ClipSearch::kNone));
  ASSERT_OK_AND_ASSIGN(const QuantizationGrid searched,
                       SearchFloatGrid(weight, importance, scheme, ClipSearch::kConditional));
  EXPECT_LT(ErrorOf(weight, searched, scheme), 0.97 * ErrorOf(weight, plain, scheme));
}

TEST_P(FloatGridTest, HasNoScaleOfZero) {
  const WeightScheme scheme = Scheme(GetParam());
  at::Tensor weight = Weight();
  weight.slice(1, 0, 32).zero_();
  weight[3].zero_();
  ASSERT_OK_AND_ASSIGN(const QuantizationGrid grid,
                       SearchFloatGrid(weight, at::ones({kColumns}), scheme, ClipSearch::kConditional));
  EXPECT_GT(grid.scale.min().item<float>(), 0);
  ASSERT_OK_AND_ASSIGN(const at::Tensor codes, RoundToFloats(weight, grid, scheme.type));
  EXPECT_TRUE(at::equal(DecodeFloats(codes[3], scheme.type), at::zeros({kColumns})));
}

TEST_P(FloatGridTest, RefusesWhatIsNotFinite) {
  at::Tensor weight = Weight();
  weight[1][1] = std::nanf("");
  const auto refused = SearchFloatGrid(weight, at::ones({kColumns}), Scheme(GetParam()), ClipSearch::kConditional);
  EXPECT_EQ(ReasonOf(refused.status()), "NUMERICAL_FAILURE");
}

INSTANTIATE_TEST_SUITE_P(Types, FloatGridTest, ::testing::Values("fp8", "nvfp4", "mxfp4"),
                         [](const auto& test) { return test.param; });

TEST(FloatGridNvfp4Test, SharesOneGlobalScaleAmongStackedLayers) {
  const WeightScheme scheme = *FloatScheme("nvfp4");
  const std::vector<at::Tensor> weights = {Weight(), Weight() * 9};
  ASSERT_OK_AND_ASSIGN(const std::vector<SolvedLinear> solved, SolveGroup(weights, {}, scheme, {}));
  ASSERT_EQ(solved.size(), 2U);
  EXPECT_TRUE(at::equal(solved[0].quantized.global_scale, solved[1].quantized.global_scale));
  const float largest = weights[1].abs().max().item<float>();
  EXPECT_FLOAT_EQ(solved[0].quantized.global_scale.item<float>(), 448.0F * 6.0F / largest);
}

TEST(FloatGridGptqTest, LosesLessThanRounding) {
  InputStatistics statistics(kColumns, CrossTerm::kNone, at::kCPU);
  const at::Tensor inputs = CorrelatedInputs(500, kColumns, 5);
  statistics.Add(inputs, inputs, {});
  const InputMoments moments = std::move(statistics).Finish();
  const at::Tensor& hessian = moments.hessian;
  for (const std::string name : {"fp8", "nvfp4", "mxfp4"}) {
    ASSERT_OK_AND_ASSIGN(const auto by_gptq, SolveGroup({Weight()}, moments, Scheme(name), {.qep_alpha = 0}));
    ASSERT_OK_AND_ASSIGN(const auto rounded, SolveGroup({Weight()}, {}, Scheme(name), {}));
    const double loss = MeasureProxyLoss(Weight(), by_gptq[0].dequantized, hessian).loss;
    EXPECT_LT(loss, 0.8 * MeasureProxyLoss(Weight(), rounded[0].dequantized, hessian).loss) << name;
  }
}

}  // namespace
}  // namespace pivot
