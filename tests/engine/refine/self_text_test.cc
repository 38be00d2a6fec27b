// SPDX-License-Identifier: Apache-2.0
#include "engine/refine/self_text.h"

#include <ATen/ATen.h>

#include "gtest/gtest.h"

#include "engine/refine/refine_text.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

class SelfTextTest : public ::testing::Test {
 protected:
  SelfTextTest() {
    EXPECT_OK(WriteTinyModel(path_, {.num_blocks = 2, .tied_embeddings = false}));
    auto folder = OpenCheckpoint(path_);
    EXPECT_OK(folder);
    folder_ = std::make_unique<CheckpointFolder>(*std::move(folder));
    reader_ = std::make_unique<WeightReader>(*folder_, at::kFloat, at::kCPU);
  }

  at::Tensor Write(const SelfTextOptions& options) const {
    auto text = WriteSelfText(*reader_, options, {});
    EXPECT_OK(text);
    return *std::move(text);
  }

  TemporaryFolder temporary_;
  std::string path_ = temporary_ / "model";
  std::unique_ptr<CheckpointFolder> folder_;
  std::unique_ptr<WeightReader> reader_;
};

TEST_F(SelfTextTest, TokensComeAsOftenAsTheModelHasThem) {
  const at::Tensor text = Write({.windows = 4000, .length = 2, .seed = 1});
  ASSERT_OK_AND_ASSIGN(const at::Tensor logits, ComputeLogits(text.narrow(1, 0, 1), *reader_, {}));
  const at::Tensor shares = at::log_softmax(logits.select(1, 0), -1);
  const double written = shares.gather(1, text.narrow(1, 1, 1)).mean().item<double>();
  const double expected = (shares.exp() * shares).sum(-1).mean().item<double>();
  const double drawn_evenly = shares.mean().item<double>();
  EXPECT_NEAR(written, expected, 0.03);
  EXPECT_GT(expected - drawn_evenly, 0.1) << "or the test could not tell";
}

TEST_F(SelfTextTest, TheSameSeedGivesTheSameText) {
  const SelfTextOptions options{.windows = 3, .length = 40, .seed = 7};
  const at::Tensor text = Write(options);
  EXPECT_EQ(text.sizes(), at::IntArrayRef({3, 40}));
  EXPECT_TRUE(at::equal(text, Write(options)));
  EXPECT_FALSE(at::equal(text, Write({.windows = 3, .length = 40, .seed = 8})));
}

TEST_F(SelfTextTest, EveryDocumentBeginsWithTheFirstTokens) {
  const at::Tensor text = Write({.windows = 5, .length = 30, .first_tokens = {11, 12}, .seed = 2});
  EXPECT_TRUE(text.select(1, 0).eq(11).all().item<bool>());
  EXPECT_TRUE(text.select(1, 1).eq(12).all().item<bool>());
  EXPECT_FALSE(text.select(1, 2).eq(text[0][2]).all().item<bool>()) << "the next one is drawn";
}

TEST_F(SelfTextTest, ACancelledJobStops) {
  const auto text = WriteSelfText(*reader_, {.windows = 5, .length = 30}, {.is_cancelled = [] { return true; }});
  EXPECT_THAT(text, StatusIs(absl::StatusCode::kCancelled, ::testing::_));
}

TEST_F(SelfTextTest, BothKindsOfWindowAreHeldOut) {
  CompressSpec spec;
  spec.refine.self_text = 0.5;
  const at::Tensor calibration = at::zeros({40, 16}, at::kLong);
  ASSERT_OK_AND_ASSIGN(const RefineText text, MakeRefineText(*reader_, spec, calibration, {3}, {}));
  EXPECT_EQ(text.windows.sizes(), at::IntArrayRef({60, 16}));
  EXPECT_EQ(text.held_out, 2 + 1);
  const at::Tensor is_written = text.windows.ne(0).any(1);
  EXPECT_EQ(is_written.narrow(0, 0, 38).sum().item<int64_t>(), 0) << "calibration first";
  EXPECT_EQ(is_written.narrow(0, 38, 19).sum().item<int64_t>(), 19);
  EXPECT_EQ(is_written.narrow(0, 57, 2).sum().item<int64_t>(), 0);
  EXPECT_EQ(is_written.narrow(0, 59, 1).sum().item<int64_t>(), 1);
}

TEST_F(SelfTextTest, WithoutSelfTextTheCalibrationIsAllThereIs) {
  CompressSpec spec;
  spec.refine.self_text = 0;
  const at::Tensor calibration = at::zeros({4, 16}, at::kLong);
  ASSERT_OK_AND_ASSIGN(const RefineText text, MakeRefineText(*reader_, spec, calibration, {}, {}));
  EXPECT_EQ(text.windows.size(0), 4);
  EXPECT_EQ(text.held_out, 1);
}

}  // namespace
}  // namespace pivot
