// SPDX-License-Identifier: Apache-2.0
#include "engine/refine/trainable_linear.h"

#include <ATen/ATen.h>

#include "gtest/gtest.h"

namespace pivot {
namespace {

constexpr int kBf16Digits = 8;

QuantizedLinear RandomLinear(int bits, bool has_zero_point = false) {
  at::manual_seed(bits);
  const int64_t end = int64_t{1} << (bits - 1);
  QuantizedLinear linear{.codes = at::randint(-end, end, {6, 32}, at::kLong).to(at::kChar),
                         .scale = (at::rand({6, 4}) * 0.1 + 0.05).to(at::kBFloat16).to(at::kFloat),
                         .scheme = {.bits = bits, .group_size = 8}};
  if (has_zero_point) linear.zero_point = at::randint(-2, 2, {6, 4}, at::kLong).to(at::kChar);
  return linear;
}

/// A weight that is near the codes' own, some of it beyond the next code.
at::Tensor NearbyWeight(const QuantizedLinear& linear) {
  at::manual_seed(99);
  return Dequantize(linear) + at::randn({6, 32}) * linear.scale.repeat_interleave(8, 1) * 0.4;
}

TEST(TrainableLinearTest, BeginsAsTheQuantizedLayer) {
  for (const int bits : {2, 3, 4, 8}) {
    const QuantizedLinear linear = RandomLinear(bits, bits == 4);
    TrainableLinear trainable(linear, NearbyWeight(linear), kBf16Digits, at::kCPU);
    EXPECT_TRUE(at::equal(trainable.MakeWeight(at::kFloat), Dequantize(linear))) << bits;
    EXPECT_TRUE(at::equal(trainable.Rounded().codes, linear.codes)) << bits;
    EXPECT_TRUE(at::equal(trainable.Rounded().scale, linear.scale)) << bits;
    EXPECT_EQ(trainable.MovedShare(), 0) << bits;
  }
}

/// dL/dt of L = sum(c W(t)) by W(t) = s0 (1 + t) (codes - z), in fp64.
TEST(TrainableLinearTest, ScalesFollowTheirGradient) {
  const QuantizedLinear linear = RandomLinear(4, true);
  TrainableLinear trainable(linear, {}, kBf16Digits, at::kCPU);
  at::manual_seed(5);
  const at::Tensor factors = at::randn({6, 32});
  trainable.MakeWeight(at::kFloat).mul(factors).sum().backward();
  trainable.Learn({.scales = 0.01}, 1);
  const at::Tensor expected = (Dequantize(linear) * factors).to(at::kDouble).unflatten(1, {4, 8}).sum(2);  // at t = 0
  // The first step of Adam goes against the gradient's sign, by the rate.
  const at::Tensor change = trainable.Save().change;
  EXPECT_TRUE(at::allclose(change, expected.sign().to(at::kFloat) * -0.01, 0, 1e-6)) << change;
}

TEST(TrainableLinearTest, CodesFollowTheirGradientAndMoveByOneAtMost) {
  const QuantizedLinear linear = RandomLinear(3);
  TrainableLinear trainable(linear, NearbyWeight(linear), kBf16Digits, at::kCPU);
  at::manual_seed(6);
  const at::Tensor factors = at::randn({6, 32});
  for (int64_t n = 1; n <= 200; ++n) {
    trainable.MakeWeight(at::kFloat).mul(factors).sum().backward();
    trainable.Learn({.codes = 0.05}, n);
  }
  // Everything has gone as far as it may: against the sign of s dL/dW.
  const at::Tensor wanted = (linear.codes - factors.sign()).clamp(-4, 3).to(at::kChar);
  EXPECT_TRUE(at::equal(trainable.Rounded().codes, wanted));
  EXPECT_TRUE(at::equal(trainable.Rounded().scale, linear.scale));
  EXPECT_GT(trainable.MovedShare(), 0.7);
}

TEST(TrainableLinearTest, LearnedScalesAreExactInTheFile) {
  const QuantizedLinear linear = RandomLinear(4);
  TrainableLinear trainable(linear, {}, kBf16Digits, at::kCPU);
  at::manual_seed(7);
  for (int64_t n = 1; n <= 20; ++n) {
    trainable.MakeWeight(at::kFloat).mul(at::randn({6, 32})).sum().backward();
    trainable.Learn({.scales = 0.003}, n);
  }
  const at::Tensor scale = trainable.Rounded().scale;
  EXPECT_FALSE(at::equal(scale, linear.scale));
  EXPECT_TRUE(at::equal(scale.to(at::kBFloat16).to(at::kFloat), scale));
  EXPECT_TRUE(at::equal(scale.to(at::kHalf).to(at::kFloat), scale));
}

TEST(TrainableLinearTest, WhatIsSavedIsAllThereIsOnceItHasSettled) {
  for (const int bits : {3, 8}) {
    const QuantizedLinear linear = RandomLinear(bits);
    TrainableLinear learned(linear, NearbyWeight(linear), kBf16Digits, at::kCPU);
    at::manual_seed(8);
    const at::Tensor factors = at::randn({6, 32});
    learned.MakeWeight(at::kFloat).mul(factors).sum().backward();
    learned.Learn({.codes = 0.3, .scales = 0.02}, 1);
    learned.Settle();
    TrainableLinear restored(linear, NearbyWeight(linear), kBf16Digits, at::kCPU);
    restored.Restore(learned.Save());
    for (TrainableLinear* one : {&learned, &restored}) {
      one->MakeWeight(at::kFloat).mul(factors).square().sum().backward();
      one->Learn({.codes = 0.01, .scales = 0.001}, 1);
    }
    EXPECT_TRUE(at::equal(learned.Save().latent, restored.Save().latent)) << bits;
    EXPECT_TRUE(at::equal(learned.Save().change, restored.Save().change)) << bits;
  }
}

TEST(TrainableLinearTest, AnExpertWithoutTokensStaysAsItIs) {
  const QuantizedLinear linear = RandomLinear(3);
  TrainableLinear trainable(linear, NearbyWeight(linear), kBf16Digits, at::kCPU);
  trainable.MakeWeight(at::kFloat);
  trainable.Learn({.codes = 1, .scales = 1}, 1);
  EXPECT_TRUE(at::equal(trainable.Rounded().codes, linear.codes));
  EXPECT_TRUE(at::equal(trainable.Rounded().scale, linear.scale));
}

TEST(TrainableLinearTest, AGroupOfScaleZeroIsNoTrouble) {
  QuantizedLinear linear = RandomLinear(4);
  linear.codes.narrow(1, 0, 8).zero_();
  const at::Tensor weight = NearbyWeight(linear);
  weight.narrow(1, 0, 8).zero_();
  linear.scale.select(1, 0).fill_(1.0 / (1 << 24));
  TrainableLinear trainable(linear, weight, kBf16Digits, at::kCPU);
  EXPECT_TRUE(at::isfinite(trainable.MakeWeight(at::kFloat)).all().item<bool>());
}

}  // namespace
}  // namespace pivot
