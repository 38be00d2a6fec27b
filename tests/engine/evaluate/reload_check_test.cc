// SPDX-License-Identifier: Apache-2.0
#include "engine/evaluate/reload_check.h"

#include <ATen/ATen.h>
#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/forward/block.h"
#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

class ReloadCheckTest : public ::testing::Test {
 protected:
  CheckpointFolder Model(const std::string& name, uint64_t seed) {
    EXPECT_OK(WriteTinyModel(folder_ / name, {.seed = seed}));
    return *OpenCheckpoint(folder_ / name);
  }

  /// What the model in memory makes of the tokens, block by block.
  static MemoryTrace Run(const WeightReader& reader, const at::Tensor& tokens) {
    MemoryTrace trace{.tokens = tokens, .state = at::embedding(reader.ReadEmbedding()->tokens, tokens)};
    const RotaryTable rotary = MakeRotaryTable(reader.config(), tokens.size(1), reader.dtype(), reader.device());
    for (int block = 0; block < reader.config().num_blocks; ++block) {
      trace.state = ForwardBlock(reader.config(), *reader.ReadBlock(block), trace.state,
                                 rotary.Range(0, tokens.size(1)), nullptr);
    }
    return trace;
  }

  TemporaryFolder folder_;
  at::Tensor tokens_ = at::arange(kReloadTokens + 40, at::kLong).remainder(kTinyVocabulary).view({1, -1});
};

TEST_F(ReloadCheckTest, FindsTheSameModelInTheFolder) {
  const CheckpointFolder model = Model("model", 1);
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const WeightReader reader(model, dtype, at::kCPU);
    ASSERT_OK_AND_ASSIGN(const double kl, CompareWithReloaded(Run(reader, tokens_), reader, reader, {}));
    EXPECT_LT(std::abs(kl), 1e-5);
  }
}

TEST_F(ReloadCheckTest, NoticesAnotherModel) {
  const CheckpointFolder model = Model("model", 1);
  const CheckpointFolder other = Model("other", 2);
  const WeightReader reader(model, at::kFloat, at::kCPU);
  const WeightReader reloaded(other, at::kFloat, at::kCPU);
  const auto compared = CompareWithReloaded(Run(reader, tokens_), reader, reloaded, {});
  EXPECT_THAT(compared,
              StatusIs(absl::StatusCode::kDataLoss, ::testing::HasSubstr("not the model that was in memory")));
  EXPECT_EQ(ReasonOf(compared.status()), "RELOAD_DIFFERS");
}

TEST_F(ReloadCheckTest, NoticesWhatIsNotANumber) {
  const CheckpointFolder model = Model("model", 1);
  const WeightReader reader(model, at::kFloat, at::kCPU);
  MemoryTrace trace = Run(reader, tokens_);
  trace.state[0][3][5] = std::nanf("");
  EXPECT_EQ(ReasonOf(CompareWithReloaded(trace, reader, reader, {}).status()), "RELOAD_DIFFERS");
}

}  // namespace
}  // namespace pivot
