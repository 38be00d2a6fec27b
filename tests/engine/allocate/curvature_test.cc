// SPDX-License-Identifier: Apache-2.0
#include "engine/allocate/curvature.h"

#include <ATen/ATen.h>
#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/forward/block.h"
#include "engine/forward/ends.h"
#include "engine/model/block_linears.h"
#include "proto/files/durable_file.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

// Few tokens: the exact expectation takes a backward pass for every token of the vocabulary at every position.
constexpr int64_t kLength = 2;

TinyModelOptions SmallOptions() {
  return {.hidden_size = 16,
          .intermediate_size = 32,
          .num_heads = 2,
          .num_kv_heads = 1,
          .head_dim = 8,
          .vocab_size = kTinyVocabulary,
          .tied_embeddings = false};
}

using OutputSums = std::map<std::pair<LinearRole, int>, at::Tensor>;

class CurvatureTest : public ::testing::Test {
 protected:
  CheckpointFolder Model(const TinyModelOptions& options) {
    EXPECT_OK(WriteTinyModel(folder_ / "model", options));
    return *OpenCheckpoint(folder_ / "model");
  }

  static at::Tensor Windows(int64_t count, int64_t length) {
    at::manual_seed(3);
    return at::randint(0, kTinyVocabulary, {count, length}, at::kLong);
  }

  TemporaryFolder folder_;
};

/// A model whose layers' outputs can be differentiated by, run as a whole.
class WholeModel {
 public:
  WholeModel(const WeightReader& reader, int64_t length)
      : reader_(reader),
        rotary_(MakeRotaryTable(reader.config(), length, reader.dtype(), reader.device())),
        embedding_(*reader.ReadEmbedding()),
        head_(*reader.ReadHead()) {
    for (int block = 0; block < reader.config().num_blocks; ++block) weights_.push_back(*reader.ReadBlock(block));
  }

  /// Log probabilities [length, vocab] of a window [1, length]; the outputs of all layers are kept in outputs().
  at::Tensor Run(const at::Tensor& window) {
    outputs_.assign(weights_.size(), {});
    at::Tensor x = EmbedTokens(reader_.config(), embedding_, window, 0).requires_grad_(true);
    for (size_t block = 0; block < weights_.size(); ++block) {
      for (const BlockLinear& linear : BlockLinears(reader_.config(), static_cast<int>(block)))
        weights_[block].linear(linear.role, linear.expert).outputs = &outputs_[block][{linear.role, linear.expert}];
      x = ForwardBlock(reader_.config(), weights_[block], x, rotary_, nullptr);
    }
    const at::Tensor logits = ComputeHead(reader_.config(), head_, HeadInput(reader_.config(), head_, x))[0];
    return at::log_softmax(logits.to(at::kDouble), 1);
  }

  using Outputs = std::map<std::pair<LinearRole, int>, std::vector<at::Tensor>>;
  std::vector<Outputs>& outputs() { return outputs_; }

 private:
  const WeightReader& reader_;
  RotaryTable rotary_;
  EmbeddingWeights embedding_;
  HeadWeights head_;
  std::vector<BlockWeights> weights_;
  std::vector<Outputs> outputs_;  // of each block
};

/// The expectation of what MeasureCurvature draws: tokens are independent, and the gradients of their log probabilities
/// are zero on average, so squares of sums are sums of squares: for each position the mean over its prediction.
std::vector<OutputSums> ExpectedCurvature(const WeightReader& reader, const at::Tensor& windows) {
  std::vector<OutputSums> expected(static_cast<size_t>(reader.config().num_blocks));
  WholeModel model(reader, windows.size(1));
  for (int64_t window = 0; window < windows.size(0); ++window) {
    const at::Tensor log_probabilities = model.Run(windows.narrow(0, window, 1));
    for (int64_t position = 0; position < windows.size(1); ++position) {
      for (int64_t token = 0; token < kTinyVocabulary; ++token) {
        const at::Tensor chosen = log_probabilities[position][token];
        chosen.backward({}, /*retain_graph=*/true);
        const double probability = std::exp(chosen.item<double>());
        for (size_t block = 0; block < expected.size(); ++block) {
          for (auto& [layer, outputs] : model.outputs()[block]) {
            at::Tensor& gradient = outputs.front().mutable_grad();
            const at::Tensor squares = gradient.to(at::kDouble).square().flatten(0, -2).sum(0) * probability;
            at::Tensor& sum = expected[block][layer];
            sum = sum.defined() ? sum + squares : squares;
            gradient = at::Tensor();
          }
        }
      }
    }
  }
  for (OutputSums& sums : expected)
    for (auto& [layer, sum] : sums) sum /= static_cast<double>(windows.numel());
  return expected;
}

TEST_F(CurvatureTest, AveragesToTheFisherInformationOfTheOutputs) {
  const CheckpointFolder folder = Model(SmallOptions());
  const WeightReader reader(folder, at::kFloat, at::kCPU);
  const at::Tensor window = Windows(1, kLength);
  const std::vector<OutputSums> expected = ExpectedCurvature(reader, window);
  // The same window many times: its mean over so many draws.
  constexpr int64_t kDraws = 4000;
  ASSERT_OK_AND_ASSIGN(const Curvature found, MeasureCurvature(reader, window.repeat({kDraws, 1}), 500, {}));
  EXPECT_EQ(found.defect, "");
  ASSERT_EQ(found.blocks.size(), expected.size());
  double least = 1e300, most = 0;
  for (size_t block = 0; block < expected.size(); ++block) {
    ASSERT_EQ(found.blocks[block].size(), expected[block].size());
    for (const auto& [layer, exact] : expected[block]) {
      const at::Tensor drawn = found.blocks[block].at(layer).to(at::kDouble);
      ASSERT_EQ(drawn.sizes(), exact.sizes());
      EXPECT_TRUE(at::isfinite(drawn).all().item<bool>());
      EXPECT_GT(drawn.min().item<double>(), 0);
      // 8,000 draws of squares whose deviation is a few times their mean.
      EXPECT_NEAR((drawn.sum() / exact.sum()).item<double>(), 1, 0.05) << block;
      EXPECT_LT(((drawn - exact).abs() / exact).max().item<double>(), 0.25) << block;
      least = std::min(least, exact.min().item<double>());
      most = std::max(most, exact.max().item<double>());
    }
  }
  EXPECT_GT(most, 20 * least) << "what agrees is of more than one scale";
}

TEST_F(CurvatureTest, KeepsTheStreamsAroundAllBlocks) {
  const CheckpointFolder folder = Model({.num_blocks = 3});
  const WeightReader reader(folder, at::kFloat, at::kCPU);
  const at::Tensor windows = Windows(5, 12);
  ASSERT_OK_AND_ASSIGN(const Curvature found, MeasureCurvature(reader, windows, 2, {}));
  ASSERT_EQ(found.streams.size(), 4U);
  at::Tensor x = EmbedTokens(reader.config(), *reader.ReadEmbedding(), windows, 0);
  const RotaryTable rotary = MakeRotaryTable(reader.config(), 12, at::kFloat, at::kCPU);
  for (int block = 0; block < 3; ++block) {
    EXPECT_TRUE(at::allclose(found.streams[static_cast<size_t>(block)], x, 1e-5, 1e-6)) << block;
    x = ForwardBlock(reader.config(), *reader.ReadBlock(block), x, rotary, nullptr);
  }
  EXPECT_TRUE(at::allclose(found.streams[3], x, 1e-5, 1e-6));
}

TEST_F(CurvatureTest, DependsOnNothingButItsArguments) {
  const CheckpointFolder folder = Model({});
  const WeightReader reader(folder, at::kFloat, at::kCPU);
  ASSERT_OK_AND_ASSIGN(const Curvature a, MeasureCurvature(reader, Windows(6, 12), 3, {}));
  at::manual_seed(99);
  ASSERT_OK_AND_ASSIGN(const Curvature b, MeasureCurvature(reader, Windows(6, 12), 3, {}));
  for (size_t block = 0; block < a.blocks.size(); ++block)
    for (const auto& [layer, curvature] : a.blocks[block]) EXPECT_TRUE(at::equal(curvature, b.blocks[block].at(layer)));
}

TEST_F(CurvatureTest, GivesExpertsThatNoTokenWasSentToNone) {
  const CheckpointFolder folder = Model({.model_type = "mixtral", .num_experts = 8});
  const WeightReader reader(folder, at::kFloat, at::kCPU);
  ASSERT_OK_AND_ASSIGN(const Curvature found, MeasureCurvature(reader, Windows(1, 2), 1, {}));
  EXPECT_EQ(found.defect, "");
  int64_t unmet = 0;
  for (const auto& [layer, curvature] : found.blocks[0]) unmet += curvature.defined() ? 0 : 1;
  EXPECT_GE(unmet, 4 * 3) << "two tokens, each sent to two experts of eight";
}

/// `module`'s weight, in the folder's one file of bf16.
void ZeroWeight(const std::string& path, const ModelFolder& model, const std::string& module) {
  const absl::string_view bytes = model.Bytes(module + ".weight");
  std::string file = *ReadSmallFile(path, int64_t{1} << 30);
  const size_t at = file.find(std::string(bytes));
  ASSERT_NE(at, std::string::npos);
  file.replace(at, bytes.size(), bytes.size(), '\0');
  ASSERT_OK(WriteFileDurably(path, file));
}

TEST_F(CurvatureTest, NamesALayerWhoseOutputChangesNothing) {
  ASSERT_OK(WriteTinyModel(folder_ / "model", {.num_blocks = 3}));
  // What the heads compute goes no further than an output projection of zeros.
  ZeroWeight(folder_ / "model/model.safetensors", *ModelFolder::Open(folder_ / "model"),
             "model.layers.1.self_attn.o_proj");
  const CheckpointFolder folder = *OpenCheckpoint(folder_ / "model");
  const WeightReader reader(folder, at::kFloat, at::kCPU);
  ASSERT_OK_AND_ASSIGN(const Curvature found, MeasureCurvature(reader, Windows(2, 12), 2, {}));
  EXPECT_THAT(found.defect, ::testing::StartsWith("model.layers.1.self_attn."));
  const auto curvature_of = [&](size_t block, LinearRole role) {
    return found.blocks[block].at({role, kNoExpert}).sum().item<double>();
  };
  EXPECT_EQ(curvature_of(1, LinearRole::kQuery), 0);
  EXPECT_EQ(curvature_of(1, LinearRole::kValue), 0);
  EXPECT_GT(curvature_of(1, LinearRole::kAttentionOutput), 0);
  EXPECT_GT(curvature_of(1, LinearRole::kDown), 0);
  EXPECT_GT(curvature_of(0, LinearRole::kQuery), 0);
}

TEST_F(CurvatureTest, StopsWhenItIsCancelled) {
  const CheckpointFolder folder = Model({});
  const WeightReader reader(folder, at::kFloat, at::kCPU);
  EXPECT_THAT(MeasureCurvature(reader, Windows(2, 12), 1, [] { return true; }).status(),
              StatusIs(absl::StatusCode::kCancelled, ::testing::_));
}

}  // namespace
}  // namespace pivot
