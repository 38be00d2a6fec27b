// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/solve_group.h"

#include <ATen/ATen.h>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "engine/ops/kernel_calls.h"
#include "kernels/storable_scale.h"
#include "tests/engine/quantize/reference.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

constexpr int64_t kFeatures = 64;
const WeightScheme kScheme{.bits = 3, .group_size = 32};

InputMoments MakeMoments(CrossTerm cross) {
  InputStatistics statistics(kFeatures, cross, at::kCPU);
  const at::Tensor original = CorrelatedInputs(500, kFeatures, 1);
  statistics.Add(original + 0.05 * CorrelatedInputs(500, kFeatures, 2), original, {});
  return std::move(statistics).Finish();
}

std::vector<at::Tensor> MakeWeights() {
  at::manual_seed(3);
  return {at::randn({8, kFeatures}), at::randn({4, kFeatures}), at::randn({4, kFeatures})};
}

TEST(SolveGroupTest, GivesEachMemberItsOwnRows) {
  const InputMoments moments = MakeMoments(CrossTerm::kNone);
  const std::vector<at::Tensor> weights = MakeWeights();
  ASSERT_OK_AND_ASSIGN(const auto together, SolveGroup(weights, moments, kScheme, {}));
  ASSERT_EQ(together.size(), 3U);
  for (size_t i = 0; i < weights.size(); ++i) {
    ASSERT_OK_AND_ASSIGN(const auto alone, SolveGroup({weights[i]}, moments, kScheme, {}));
    EXPECT_TRUE(at::equal(together[i].quantized.codes, alone[0].quantized.codes)) << i;
    EXPECT_TRUE(at::equal(together[i].quantized.scale, alone[0].quantized.scale)) << i;
  }
}

TEST(SolveGroupTest, ScalesAreExactInBf16) {
  const InputMoments moments = MakeMoments(CrossTerm::kGathered);
  ASSERT_OK_AND_ASSIGN(const auto solved, SolveGroup(MakeWeights(), moments, kScheme, {}));
  for (const SolvedLinear& linear : solved) {
    EXPECT_TRUE(at::equal(linear.quantized.scale.to(at::kBFloat16).to(at::kFloat), linear.quantized.scale));
  }
}

TEST(SolveGroupTest, DequantizedIsScaleTimesCode) {
  const InputMoments moments = MakeMoments(CrossTerm::kGathered);
  ASSERT_OK_AND_ASSIGN(const auto solved, SolveGroup(MakeWeights(), moments, kScheme, {}));
  const QuantizedLinear& linear = solved[0].quantized;
  for (const int64_t column : {0, 31, 32, 63}) {
    const at::Tensor expected = linear.codes.select(1, column).to(at::kFloat) * linear.scale.select(1, column / 32);
    EXPECT_TRUE(at::equal(solved[0].dequantized.select(1, column), expected));
  }
}

TEST(SolveGroupTest, PropagationChangesTheCodesAndIsReported) {
  const InputMoments moments = MakeMoments(CrossTerm::kGathered);
  ASSERT_OK_AND_ASSIGN(const auto with, SolveGroup(MakeWeights(), moments, kScheme, {.qep_alpha = 0.5}));
  ASSERT_OK_AND_ASSIGN(const auto without, SolveGroup(MakeWeights(), moments, kScheme, {.qep_alpha = 0}));
  EXPECT_GT(with[0].report.correction, 0);
  EXPECT_EQ(without[0].report.correction, 0);
  EXPECT_FALSE(at::equal(with[0].quantized.codes, without[0].quantized.codes));
}

TEST(SolveGroupTest, EveryOptionMatters) {
  const InputMoments moments = MakeMoments(CrossTerm::kNone);
  const std::vector<at::Tensor> weights = MakeWeights();
  ASSERT_OK_AND_ASSIGN(const auto standard, SolveGroup(weights, moments, kScheme, {}));
  for (const QuantizeOptions& other :
       {QuantizeOptions{.percdamp = 0.5}, QuantizeOptions{.regularization = 0},
        QuantizeOptions{.clip_search = ClipSearch::kNone}, QuantizeOptions{.scale_signs = ScaleSigns::kPositive},
        QuantizeOptions{.act_order = ActOrder::kNone}, QuantizeOptions{.refine_sweeps = 0}}) {
    ASSERT_OK_AND_ASSIGN(const auto solved, SolveGroup(weights, moments, kScheme, other));
    EXPECT_FALSE(at::equal(solved[0].dequantized, standard[0].dequantized));
  }
}

TEST(SolveGroupTest, CorrectsForTheResidualStreamWhereItIsKnown) {
  const at::Tensor inputs = CorrelatedInputs(500, kFeatures, 1);
  const at::Tensor residual_error = 0.3 * CorrelatedInputs(500, 8, 6);
  InputStatistics statistics(kFeatures, CrossTerm::kGathered, at::kCPU);
  statistics.Add(inputs, inputs, residual_error);
  const InputMoments moments = std::move(statistics).Finish();
  const std::vector<at::Tensor> weights = {MakeWeights()[0]};
  ASSERT_OK_AND_ASSIGN(const auto with, SolveGroup(weights, moments, kScheme, {.qep_residual = 0.5}));
  ASSERT_OK_AND_ASSIGN(const auto without, SolveGroup(weights, moments, kScheme, {.qep_residual = 0}));
  EXPECT_GT(with[0].report.correction, 0);
  EXPECT_EQ(without[0].report.correction, 0);
}

TEST(SolveGroupTest, OutputErrorIsThatOfTheOutputs) {
  const at::Tensor original = CorrelatedInputs(500, kFeatures, 1);
  const at::Tensor quantized = original + 0.05 * CorrelatedInputs(500, kFeatures, 2);
  InputStatistics statistics(kFeatures, CrossTerm::kGathered, at::kCPU);
  statistics.Add(quantized, original, {});
  const InputMoments moments = std::move(statistics).Finish();
  const std::vector<at::Tensor> weights = MakeWeights();
  ASSERT_OK_AND_ASSIGN(const auto solved, SolveGroup(weights, moments, kScheme, {}));
  for (size_t i = 0; i < weights.size(); ++i) {
    const at::Tensor wanted = at::mm(original.to(at::kDouble), weights[i].to(at::kDouble).t());
    const at::Tensor found = at::mm(quantized.to(at::kDouble), solved[i].dequantized.to(at::kDouble).t());
    const double expected = ((wanted - found).square().sum() / wanted.square().sum()).item<double>();
    ASSERT_TRUE(solved[i].report.output_error.has_value());
    EXPECT_NEAR(*solved[i].report.output_error, expected, 1e-4 * expected);
  }
  const InputMoments one_stream = MakeMoments(CrossTerm::kNone);
  ASSERT_OK_AND_ASSIGN(const auto without, SolveGroup(weights, one_stream, kScheme, {}));
  EXPECT_FALSE(without[0].report.output_error.has_value());
}

TEST(SolveGroupTest, SignedScalesAreUsedUnlessPositiveOnesAreAskedFor) {
  const InputMoments moments = MakeMoments(CrossTerm::kNone);
  ASSERT_OK_AND_ASSIGN(const auto either, SolveGroup(MakeWeights(), moments, kScheme, {}));
  EXPECT_TRUE(either[0].quantized.scale.lt(0).any().item<bool>());
  ASSERT_OK_AND_ASSIGN(const auto positive,
                       SolveGroup(MakeWeights(), moments, kScheme, {.scale_signs = ScaleSigns::kPositive}));
  EXPECT_FALSE(positive[0].quantized.scale.lt(0).any().item<bool>());
}

TEST(SolveGroupTest, RoundsToNearestWithoutStatistics) {
  const std::vector<at::Tensor> weights = MakeWeights();
  ASSERT_OK_AND_ASSIGN(const auto solved, SolveGroup(weights, {}, kScheme, {.method = Method::kRtn}));
  const at::Tensor scale = solved[0].quantized.scale.repeat_interleave(32, 1);
  const at::Tensor expected = (weights[0] / scale).round().clamp(-4, 3).to(at::kChar);
  EXPECT_TRUE(at::equal(solved[0].quantized.codes, expected));
  EXPECT_NEAR(solved[0].report.loss, (weights[0] - solved[0].dequantized).square().sum().item<double>(), 1e-3);
}

TEST(KernelCallsTest, StorableScalesAreExactInBothTypesAndKeepTheirSign) {
  const at::Tensor scale = at::tensor({0.1F, -0.1F, 1e-9F, -1e-9F, 3.7e-6F, 60000.0F}).unsqueeze(0);
  for (const int digits : {7, 8}) {
    const at::Tensor stored = StorableScales(scale, digits);
    EXPECT_TRUE(at::equal(stored.to(at::kHalf).to(at::kFloat), stored));
    EXPECT_TRUE(at::equal(stored.to(at::kBFloat16).to(at::kFloat), stored));
    EXPECT_TRUE(at::equal(stored.sign(), scale.sign()));
    EXPECT_LE(((stored - scale) / scale).abs().select(1, 0).item<float>(), std::exp2(-digits));
  }
}

TEST(KernelCallsTest, StorableScalesAreTheKernelsBitForBit) {
  // Numbers of any exponent and sign, ties, and what is no number.
  at::Tensor bits =
      at::randint(std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max(), {2, 100000}, at::kLong)
          .to(at::kInt);
  bits.select(0, 0).bitwise_and_(-0x8000);
  at::Tensor scale = bits.view(at::kFloat);
  const std::vector<float> special = {0.0F, -0.0F, 1e-45F, 0x1p-126F, 65408.0F, -65519.0F, 65536.0F, INFINITY, NAN};
  scale = at::cat({scale.flatten(), at::rand({100000}).mul(44).sub(26).exp2(), at::tensor(special)});
  for (int digits = 1; digits <= 8; ++digits) {
    const at::Tensor stored = StorableScales(scale, digits);
    const float* in = scale.const_data_ptr<float>();
    const float* out = stored.const_data_ptr<float>();
    for (int64_t i = 0; i < scale.numel(); ++i) {
      const float expected = StorableScale(in[i], digits);
      if (std::isnan(expected) && std::isnan(out[i])) continue;
      ASSERT_EQ(std::bit_cast<int32_t>(out[i]), std::bit_cast<int32_t>(expected)) << in[i] << " " << digits;
    }
  }
}

TEST(KernelCallsTest, PackingIsUndoneByUnpacking) {
  for (int bits = 2; bits <= 8; ++bits) {
    const int64_t limit = int64_t{1} << (bits - 1);
    const at::Tensor codes = at::randint(-limit, limit, {5, 77}, at::kLong).to(at::kChar);
    ASSERT_OK_AND_ASSIGN(const at::Tensor words, PackCodes(codes, bits));
    ASSERT_OK_AND_ASSIGN(const at::Tensor unpacked, UnpackCodes(words, 77, bits));
    EXPECT_TRUE(at::equal(unpacked, codes)) << bits;
  }
}

}  // namespace
}  // namespace pivot
