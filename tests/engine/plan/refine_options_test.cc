// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/refine_options.h"

#include "gtest/gtest.h"

#include "engine/plan/compress_spec.h"
#include "engine/plan/refine_work.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

TEST(RefineOptionsTest, AutomaticGoesByTheBitsWithScales) {
  CompressSpec spec;
  spec.refine.stages = RefineStages::kAutomatic;
  EXPECT_EQ(DecideStages(spec, 3.25).stages, RefineStages::kGlobal);
  EXPECT_EQ(DecideStages(spec, 4.25).stages, RefineStages::kNone);
  spec.refine.stages = RefineStages::kBlockwise;
  EXPECT_EQ(DecideStages(spec, 8).stages, RefineStages::kBlockwise);
}

TEST(RefineWorkTest, CountsWhatTheModelWrites) {
  const TemporaryFolder folder;
  ASSERT_OK(WriteTinyModel(folder / "model"));
  ASSERT_OK_AND_ASSIGN(const ModelFolder model, ModelFolder::Open(folder / "model"));
  CompressSpec spec;
  spec.calibration = {.num_samples = 128, .sequence_length = 256};
  RefineOptions options{
      .stages = RefineStages::kGlobal, .step_tokens = 2048, .block_steps = 10, .global_epochs = 2, .self_text = 0};
  const RefineWork bare = RefineWorkOf(model.config(), spec, options, DeviceKind::kCpu);
  options.self_text = 1;
  const RefineWork mixed = RefineWorkOf(model.config(), spec, options, DeviceKind::kCpu);
  EXPECT_NEAR(mixed.global / bare.global, 2, 1e-6);
  EXPECT_GT(mixed.blockwise, bare.blockwise);
  EXPECT_GT(mixed.bytes, bare.bytes);
  options.stages = RefineStages::kNone;
  EXPECT_EQ(RefineWorkOf(model.config(), spec, options, DeviceKind::kCpu).bytes, 0);
}

}  // namespace
}  // namespace pivot
