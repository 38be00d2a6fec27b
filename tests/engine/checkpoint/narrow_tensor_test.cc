// SPDX-License-Identifier: Apache-2.0
#include "engine/checkpoint/narrow_tensor.h"

#include <ATen/ATen.h>
#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/format/narrow_ends.h"
#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

/// The nearest value of E4M3 from its definition: 4 digits from 2^-6 on, multiples of 2^-9 below.
double Nearest(double value) {
  if (value == 0) return 0;
  const int exponent = std::max(-6, std::ilogb(value));
  const double step = std::ldexp(1, exponent - 3);
  return std::nearbyint(value / step) * step;  // to even
}

TEST(NarrowTensorTest, RoundsToTheNearestValueOfE4m3) {
  at::manual_seed(1);
  const at::Tensor values = at::cat({at::randn({4000}) * 0.1, at::randn({4000}) * 40, at::randn({1000}) * 0.003,
                                     at::tensor({0.0F, 448.0F, -448.0F, 0.0009765625F, 17.0F, 19.0F})})
                                .clamp(-kFloat8Max, kFloat8Max);
  const at::Tensor rounded = RoundToFloat8(values);
  for (int64_t i = 0; i < values.size(0); ++i)
    ASSERT_EQ(rounded[i].item<double>(), Nearest(values[i].item<double>())) << values[i].item<double>();
  ASSERT_OK_AND_ASSIGN(const at::Tensor bytes, NarrowTensor(values, "x"));
  EXPECT_EQ(bytes.element_size(), 1);
  EXPECT_TRUE(at::equal(bytes.to(at::kFloat), rounded));
  EXPECT_FALSE(at::equal(values, rounded));
}

TEST(NarrowTensorTest, KeepsTheDtypeAndIsTheSameFromBf16) {
  const at::Tensor values = (at::randn({100, 8}) * 0.1).to(at::kBFloat16);
  EXPECT_EQ(RoundToFloat8(values).scalar_type(), at::kBFloat16);
  EXPECT_TRUE(at::equal(RoundToFloat8(values).to(at::kFloat), RoundToFloat8(values.to(at::kFloat))));
}

TEST(NarrowTensorTest, RefusesWhatHasNoRoomByName) {
  for (const float bad : {449.0F, -1e6F, std::numeric_limits<float>::infinity(), std::nanf("")}) {
    const auto narrowed = NarrowTensor(at::tensor({1.0F, bad}), "model.embed_tokens.weight");
    EXPECT_THAT(narrowed, StatusIs(absl::StatusCode::kInvalidArgument,
                                   ::testing::HasSubstr("model.embed_tokens.weight holds values beyond 448")))
        << bad;
    EXPECT_EQ(ReasonOf(narrowed.status()), "MALFORMED_WEIGHTS");
  }
}

}  // namespace
}  // namespace pivot
