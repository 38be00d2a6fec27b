// SPDX-License-Identifier: Apache-2.0
#include "engine/evaluate/quality.h"

#include <ATen/ATen.h>
#include <cmath>

#include "engine/calibration/text_windows.h"
#include "engine/evaluate/generate.h"
#include "engine/forward/block.h"
#include "engine/forward/norm.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

class QualityTest : public ::testing::Test {
 protected:
  CheckpointFolder Model(const TinyModelOptions& options) {
    const std::string path = folder_ / ("model" + std::to_string(count_++));
    EXPECT_OK(WriteTinyModel(path, options));
    return *OpenCheckpoint(path);
  }

  /// Logits of one window, block after block.
  static at::Tensor LogitsOf(const WeightReader& reader, const at::Tensor& window) {
    at::Tensor x = at::embedding(reader.ReadEmbedding()->tokens, window);
    const RotaryTable rotary = MakeRotaryTable(reader.config(), window.size(1), at::kFloat, at::kCPU);
    for (int block = 0; block < reader.config().num_blocks; ++block) {
      x = ForwardBlock(reader.config(), *reader.ReadBlock(block), x, rotary, nullptr);
    }
    const HeadWeights head = *reader.ReadHead();
    return at::linear(RmsNorm(x, head.norm.weight, reader.config().norm_eps), head.head.weight)[0];
  }

  static std::vector<at::Tensor> Windows() {
    at::manual_seed(1);
    return {at::randint(0, 260, {1, 40}, at::kLong), at::randint(0, 260, {1, 40}, at::kLong),
            at::randint(0, 260, {1, 7}, at::kLong)};
  }

  TemporaryFolder folder_;
  int count_ = 0;
};

TEST_F(QualityTest, EqualsTheDefinition) {
  const CheckpointFolder model_folder = Model({.seed = 1});
  const CheckpointFolder reference_folder = Model({.tied_embeddings = false, .seed = 2});
  const WeightReader model(model_folder, at::kFloat, at::kCPU);
  const WeightReader reference(reference_folder, at::kFloat, at::kCPU);
  ASSERT_OK_AND_ASSIGN(const Comparison found, MeasureQuality(Windows(), model, &reference, {}));
  double nll = 0, kl = 0, same = 0;
  int64_t positions = 0;
  for (const at::Tensor& window : Windows()) {
    const int64_t predicted = window.size(1) - 1;
    const at::Tensor q = at::log_softmax(LogitsOf(model, window).narrow(0, 0, predicted).to(at::kDouble), 1);
    const at::Tensor p = at::log_softmax(LogitsOf(reference, window).narrow(0, 0, predicted).to(at::kDouble), 1);
    for (int64_t t = 0; t < predicted; ++t) nll -= q[t][window[0][t + 1].item<int64_t>()].item<double>();
    kl += (p.exp() * (p - q)).sum().item<double>();
    same += static_cast<double>((p.argmax(1) == q.argmax(1)).sum().item<int64_t>());
    positions += predicted;
  }
  EXPECT_EQ(found.model.predicted, positions);
  EXPECT_EQ(found.model.tokens, 87);
  EXPECT_EQ(found.model.windows, 3);
  EXPECT_NEAR(found.model.nll, nll / static_cast<double>(positions), 1e-5);
  EXPECT_NEAR(found.model.perplexity, std::exp(found.model.nll), 1e-9);
  EXPECT_NEAR(*found.model.kl_mean, kl / static_cast<double>(positions), 1e-5);
  EXPECT_DOUBLE_EQ(*found.model.top1_agreement, same / static_cast<double>(positions));
  EXPECT_GT(*found.model.kl_p99, *found.model.kl_mean);
}

TEST_F(QualityTest, AModelDoesNotDifferFromItself) {
  const CheckpointFolder folder = Model({.seed = 3});
  const WeightReader reader(folder, at::kFloat, at::kCPU);
  ASSERT_OK_AND_ASSIGN(const Comparison found, MeasureQuality(Windows(), reader, &reader, {}));
  EXPECT_NEAR(*found.model.kl_mean, 0, 1e-6);
  EXPECT_EQ(*found.model.top1_agreement, 1.0);
  EXPECT_EQ(found.model.perplexity, found.reference->perplexity);
}

TEST_F(QualityTest, HasNoKlWithoutAReference) {
  const CheckpointFolder folder = Model({});
  ASSERT_OK_AND_ASSIGN(const Comparison found,
                       MeasureQuality(Windows(), WeightReader(folder, at::kFloat, at::kCPU), nullptr, {}));
  EXPECT_FALSE(found.model.kl_mean.has_value());
  EXPECT_FALSE(found.reference.has_value());
}

TEST_F(QualityTest, RefusesTokensOutsideTheVocabulary) {
  const CheckpointFolder folder = Model({.vocab_size = 300});
  const std::vector<at::Tensor> windows = {at::full({1, 4}, 300, at::kLong)};
  EXPECT_THAT(
      MeasureQuality(windows, WeightReader(folder, at::kFloat, at::kCPU), nullptr, {}),
      StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("not in the model's vocabulary of 300")));
}

TEST_F(QualityTest, RefusesAReferenceWithAnotherVocabulary) {
  const CheckpointFolder folder = Model({.vocab_size = 300});
  const CheckpointFolder other = Model({.vocab_size = 320});
  const WeightReader reference(other, at::kFloat, at::kCPU);
  EXPECT_THAT(MeasureQuality(Windows(), WeightReader(folder, at::kFloat, at::kCPU), &reference, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("not comparable")));
}

TEST_F(QualityTest, StopsWhenCancelled) {
  const CheckpointFolder folder = Model({});
  const EvaluationHooks hooks{.is_cancelled = [] { return true; }};
  EXPECT_THAT(MeasureQuality(Windows(), WeightReader(folder, at::kFloat, at::kCPU), nullptr, hooks),
              StatusIs(absl::StatusCode::kCancelled, ::testing::_));
}

TEST_F(QualityTest, LogitsAreThoseOfTheWholeModel) {
  const CheckpointFolder folder = Model({.seed = 4});
  const WeightReader reader(folder, at::kFloat, at::kCPU);
  const at::Tensor tokens = at::randint(0, 260, {2, 9}, at::kLong);
  ASSERT_OK_AND_ASSIGN(const at::Tensor logits, ComputeLogits(tokens, reader, {}));
  EXPECT_EQ(logits.sizes(), (std::vector<int64_t>{2, 9, 320}));
  EXPECT_TRUE(at::allclose(logits[1], LogitsOf(reader, tokens.narrow(0, 1, 1)), 1e-4, 1e-5));
}

TEST_F(QualityTest, GreedyTextIsTheLikeliestTokenEachTime) {
  const CheckpointFolder folder = Model({.seed = 5});
  const WeightReader reader(folder, at::kFloat, at::kCPU);
  ASSERT_OK_AND_ASSIGN(const Generated generated, GenerateGreedily({10, 20, 30}, 12, reader, {}));
  std::vector<int64_t> tokens = {10, 20, 30};
  for (const int32_t token : generated.tokens) {
    const at::Tensor logits = LogitsOf(reader, at::tensor(tokens).unsqueeze(0));
    EXPECT_EQ(token, logits[logits.size(0) - 1].argmax().item<int64_t>());
    tokens.push_back(token);
  }
  EXPECT_TRUE(generated.reached_end || generated.tokens.size() == 12);
}

TEST_F(QualityTest, GenerationRefusesMoreThanTheModelsPositions) {
  const CheckpointFolder folder = Model({.max_positions = 16});
  EXPECT_THAT(GenerateGreedily({1, 2, 3}, 14, WeightReader(folder, at::kFloat, at::kCPU), {}),
              StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("16 positions")));
}

}  // namespace
}  // namespace pivot
