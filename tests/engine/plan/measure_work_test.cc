// SPDX-License-Identifier: Apache-2.0
// Numbers worked out by hand for the tiny model: weights of a block in q, k and v 8,192, in o 4,096, in gate and up
// 16,384 and in down 8,192; rows of 64 but for down's of 128.
#include "engine/plan/measure_work.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/plan/work.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

using ::nlohmann::json;

constexpr double kRowsOf64 = 8192 + 4096 + 16384;
constexpr double kRowsOf128 = 8192;

class MeasureWorkTest : public ::testing::Test {
 protected:
  MeasureWorkTest() : source_(Make()) {}

  ModelFolder Make() {
    EXPECT_OK(WriteTinyModel(folder_ / "source"));
    return *ModelFolder::Open(folder_ / "source");
  }

  CompressSpec Spec(const json& members) {
    json task = {{"source", {{"path", folder_ / "source"}}}, {"group_size", 32}, {"plan_kind", "auto"}};
    task.merge_patch(members);
    return *ResolveCompressSpec(task, source_, DeviceKind::kCpu);
  }

  MeasureWork Work(const json& members) { return MeasureWorkOf(source_.config(), Spec(members), DeviceKind::kCpu); }

  TemporaryFolder folder_;
  ModelFolder source_;
};

TEST_F(MeasureWorkTest, IsNothingForAUniformPlan) {
  const MeasureWork work = Work({{"bits", 3}, {"plan_kind", "uniform"}});
  EXPECT_EQ(work.flops, 0);
  EXPECT_EQ(work.solutions, 0);
  EXPECT_EQ(work.host_bytes, 0);
}

TEST_F(MeasureWorkTest, SolvesNarrowWidthsInEveryGroupSize) {
  // 2 and 3 bits, in groups of 32, 64 and, where rows are so long, 128.
  EXPECT_DOUBLE_EQ(Work({{"bits", 3}}).solutions, (kRowsOf64 * 2 * 2 + kRowsOf128 * 2 * 3) / (kRowsOf64 + kRowsOf128));
  EXPECT_DOUBLE_EQ(Work({{"bits", 3}, {"group_size", 64}}).solutions,
                   (kRowsOf64 * 2 + kRowsOf128 * 2 * 2) / (kRowsOf64 + kRowsOf128));
}

TEST_F(MeasureWorkTest, SolvesTheNarrowestWhereAFormatHasWideCodesOnly) {
  EXPECT_DOUBLE_EQ(Work({{"bits", 4}, {"asymmetric", true}, {"group_size", 64}}).solutions,
                   (kRowsOf64 + kRowsOf128 * 2) / (kRowsOf64 + kRowsOf128));
}

TEST_F(MeasureWorkTest, CountsTheArithmeticOfEverySolution) {
  const MeasureWork few = Work({{"bits", 3}, {"group_size", 64}});
  const MeasureWork many = Work({{"bits", 3}});
  CompressSpec spec = Spec({{"bits", 3}});
  spec.calibration.num_samples = MeasuredWindows(spec, DeviceKind::kCpu);
  spec.quantize.qep_alpha = 0;
  spec.quantize.qep_residual = 0;
  spec.quantize.refine_sweeps = 0;
  const double solve = WorkOf(source_.config(), spec, 0).solve;
  EXPECT_NEAR(many.flops - few.flops, (many.solutions - few.solutions) * solve, 1e-9 * many.flops);
}

TEST_F(MeasureWorkTest, CountsTheLogitsOfTheTextAndOfEveryProbe) {
  // 8,192 tokens of windows of 512; of each of eight sets of fused layers, and of the original, 2,048.
  EXPECT_DOUBLE_EQ(Work({{"bits", 3}}).logits, 320.0 * (8192 + 9 * 2048));
}

TEST(IsSolvedWidthTest, TellsWidthsThatAreSolvedFromThoseThatAreExtended) {
  EXPECT_TRUE(IsSolvedWidth(2, 2));
  EXPECT_TRUE(IsSolvedWidth(3, 2));
  EXPECT_FALSE(IsSolvedWidth(4, 2));
  EXPECT_TRUE(IsSolvedWidth(4, 4));
  EXPECT_FALSE(IsSolvedWidth(8, 4));
}

}  // namespace
}  // namespace pivot
