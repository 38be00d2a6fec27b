// SPDX-License-Identifier: Apache-2.0
#include "kernels/refine_group.h"

#include <algorithm>
#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/kernels/refine_input.h"

namespace pivot {
namespace {

// Codes while scales stay; refine_scale_test.cc has scales.
class RefineCodesTest : public ::testing::TestWithParam<RefineCase> {
 protected:
  void SetUp() override {
    if (!IsAvailable(GetParam().device)) GTEST_SKIP() << "no GPU";
  }
  static RefineVectors Run(const RefineInput& input) { return RunRefine(GetParam(), input.start, /*scale_digits=*/0); }
};

TEST_P(RefineCodesTest, EqualsTryingEveryCodeInDoublePrecision) {
  const RefineCase& shape = GetParam();
  const RefineInput input = MakeInput(shape, 1);
  const RefineVectors output = Run(input);
  int64_t compared = 0;
  for (int64_t row = 0; row < std::min<int64_t>(shape.rows, 6); ++row) {
    RefineVectors expected = input.start;
    const int64_t sure = SweepInDouble(shape, input, row, expected);
    compared += sure;
    for (int64_t c = 0; c < sure; ++c) {
      const size_t index = Index(row, c, shape.columns);
      ASSERT_EQ(output.codes[index], expected.codes[index]) << row << " " << c;
    }
  }
  EXPECT_GT(compared, std::min<int64_t>(shape.rows, 6) * shape.columns / 3);
}

TEST_P(RefineCodesTest, LowersTheLossOfRowsThatWereRounded) {
  const RefineCase& shape = GetParam();
  if (shape.columns == 1) GTEST_SKIP() << "rounding is best for one column";
  const RefineInput input = MakeInput(shape, 2);
  const RefineVectors output = Run(input);
  double before = 0;
  double after = 0;
  for (int64_t row = 0; row < shape.rows; ++row) {
    const double start = LossOf(shape, input, input.start, row);
    const double end = LossOf(shape, input, output, row);
    EXPECT_LE(end, start * (1 + 1e-5)) << row;
    before += start;
    after += end;
  }
  EXPECT_LT(after, 0.9 * before);
}

TEST_P(RefineCodesTest, LeavesAnExactRowAlone) {
  const RefineInput input = MakeInput(GetParam(), 3);
  const RefineVectors output = Run(input);
  for (int64_t c = 0; c < GetParam().columns; ++c) {
    const auto index = static_cast<size_t>(c);
    EXPECT_EQ(output.codes[index], input.start.codes[index]);
    EXPECT_EQ(output.change[index], 0.0F);
  }
}

TEST_P(RefineCodesTest, ReportsWhatItChangedAndLeavesScales) {
  const RefineCase& shape = GetParam();
  const RefineInput input = MakeInput(shape, 4);
  const RefineVectors output = Run(input);
  EXPECT_EQ(output.scale, input.start.scale);
  for (int64_t row = 0; row < shape.rows; ++row) {
    for (int64_t c = 0; c < shape.columns; ++c) {
      const size_t index = Index(row, c, shape.columns);
      EXPECT_FLOAT_EQ(output.change[index], input.start.scale[static_cast<size_t>(row)] *
                                                static_cast<float>(output.codes[index] - input.start.codes[index]));
    }
  }
}

TEST_P(RefineCodesTest, NoticesAHessianThatIsOffByATenth) {
  if (GetParam().columns == 1) GTEST_SKIP() << "one column moves no other";
  RefineInput input = MakeInput(GetParam(), 5);
  const RefineVectors before = Run(input);
  for (float& value : input.start.hessian) value *= 1.1F;
  EXPECT_NE(Run(input).codes, before.codes);
}

TEST_P(RefineCodesTest, KeepsCodesInRange) {
  RefineInput input = MakeInput(GetParam(), 6);
  for (float& value : input.start.gradient) value *= 1000;
  const int limit = 1 << (GetParam().bits - 1);
  EXPECT_THAT(Run(input).codes, ::testing::Each(::testing::AllOf(::testing::Ge(-limit), ::testing::Lt(limit))));
}

INSTANTIATE_TEST_SUITE_P(Shapes, RefineCodesTest, ::testing::ValuesIn(RefineCases()),
                         [](const auto& test) { return RefineLabel(test.param); });

TEST(RefineRangeTest, DoesOnlyTheRowsItIsAskedFor) {
  const std::vector<float> hessian = {1, 0, 0, 1};
  const std::vector<float> gradient(6, 1.0F);
  std::vector<float> scale(3, 0.5F);
  std::vector<int8_t> code(6, 0);
  std::vector<float> change(6, 9.0F);
  const RefineGroup group{.rows = 3,
                          .columns = 2,
                          .bits = 4,
                          .hessian = hessian.data(),
                          .hessian_stride = 2,
                          .gradient = gradient.data(),
                          .gradient_stride = 2,
                          .scale = scale.data(),
                          .scale_stride = 1,
                          .code = code.data(),
                          .code_stride = 2,
                          .change = change.data(),
                          .change_stride = 2};
  RunRefineGroup(group, 1, 2);
  EXPECT_THAT(code, ::testing::ElementsAre(0, 0, 2, 2, 0, 0));
  EXPECT_THAT(change, ::testing::ElementsAre(9, 9, 1, 1, 9, 9));
}

}  // namespace
}  // namespace pivot
