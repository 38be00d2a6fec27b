// SPDX-License-Identifier: Apache-2.0
#include "engine/refine/teacher_loss.h"

#include <ATen/ATen.h>

#include "gtest/gtest.h"

#include "engine/forward/ends.h"
#include "tests/engine/support/random_block.h"

namespace pivot {
namespace {

class TeacherLossTest : public ::testing::Test {
 protected:
  TeacherLossTest() {
    at::manual_seed(3);
    heads_.original.norm.weight = at::rand({config_.hidden_size}) + 0.5;
    heads_.original.head.weight = at::randn({50, config_.hidden_size});
    heads_.quantized = heads_.original;
    stream_ = at::randn({2, 300, config_.hidden_size});
    teacher_ = stream_ + at::randn({2, 300, config_.hidden_size}) * 0.3;
  }

  /// Mean over positions, by the definition, as a function of the stream.
  at::Tensor ByDefinition(const at::Tensor& stream) const {
    const auto logits = [&](const at::Tensor& x) {
      return ComputeHead(config_, heads_.original, HeadInput(config_, heads_.original, x));
    };
    const at::Tensor p = at::softmax(logits(teacher_), -1);
    const at::Tensor q = at::softmax(logits(stream), -1);
    return (p * (p.log() - q.log())).sum() / 600.0;
  }

  ModelConfig config_ = SmallConfig();
  TeacherPair heads_;
  at::Tensor stream_;
  at::Tensor teacher_;
};

TEST_F(TeacherLossTest, GradientsAreThoseOfTheMeanDivergence) {
  const at::Tensor leaf = stream_.clone().requires_grad_(true);
  const at::Tensor expected = ByDefinition(leaf);
  expected.backward();
  const TeacherLoss loss = LossAgainstTeacher(config_, heads_, stream_, teacher_);
  EXPECT_NEAR(loss.kl / 600, expected.item<double>(), 1e-5);
  EXPECT_TRUE(at::allclose(loss.gradients, leaf.grad(), 1e-3, 1e-7));
  EXPECT_GT(loss.gradients.abs().max().item<double>(), 1e-5);
}

TEST_F(TeacherLossTest, TheDivergenceAloneIsTheSame) {
  const TeacherLoss loss = LossAgainstTeacher(config_, heads_, stream_, teacher_);
  EXPECT_NEAR(KlAgainstTeacher(config_, heads_, stream_, teacher_), loss.kl, 1e-6 * loss.kl);
  EXPECT_NEAR(KlAgainstTeacher(config_, heads_, teacher_, teacher_), 0, 1e-6);
}

}  // namespace
}  // namespace pivot
