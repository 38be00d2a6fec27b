// SPDX-License-Identifier: Apache-2.0
#include "engine/calibration/text_windows.h"

#include <ATen/ATen.h>
#include <numeric>

#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

std::vector<int32_t> Count(int32_t size) {
  std::vector<int32_t> tokens(static_cast<size_t>(size));
  std::iota(tokens.begin(), tokens.end(), 0);
  return tokens;
}

// torch.randint(0, 593806 - 2048 + 1, (4,), generator=torch.Generator().manual_seed(0)) in PyTorch 2.11.
TEST(RandomWindowsTest, BeginWherePyTorchWouldBegin) {
  ASSERT_OK_AND_ASSIGN(const at::Tensor windows, RandomWindows(Count(593806), 4, 2048, 0));
  EXPECT_TRUE(at::equal(windows.select(1, 0), at::tensor({159947, 501021, 485723, 386367}, at::kLong)));
  EXPECT_TRUE(at::equal(windows[2], at::arange(2048) + windows[2][0]));
}

TEST(RandomWindowsTest, DifferWithTheSeed) {
  const std::vector<int32_t> tokens = Count(5000);
  EXPECT_TRUE(at::equal(*RandomWindows(tokens, 8, 100, 3), *RandomWindows(tokens, 8, 100, 3)));
  EXPECT_FALSE(at::equal(*RandomWindows(tokens, 8, 100, 3), *RandomWindows(tokens, 8, 100, 4)));
}

TEST(RandomWindowsTest, TakeATextOfExactlyOneWindow) {
  ASSERT_OK_AND_ASSIGN(const at::Tensor windows, RandomWindows(Count(64), 3, 64, 0));
  EXPECT_TRUE(at::equal(windows[1], at::arange(64)));
}

TEST(RandomWindowsTest, RefuseAShorterText) {
  const auto windows = RandomWindows(Count(63), 3, 64, 0);
  EXPECT_THAT(windows,
              StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("has 63 tokens, one window needs 64")));
  EXPECT_EQ(ReasonOf(windows.status()), "TEXT_TOO_SHORT");
}

TEST(ConsecutiveWindowsTest, EndWithAPartialOne) {
  ASSERT_OK_AND_ASSIGN(const auto windows, ConsecutiveWindows(Count(25), 10, 0));
  ASSERT_EQ(windows.size(), 3U);
  EXPECT_EQ(windows[2].size(1), 5);
  EXPECT_EQ(windows[2][0][0].item<int64_t>(), 20);
}

TEST(ConsecutiveWindowsTest, LeaveOutASingleTokenAtTheEnd) {
  ASSERT_OK_AND_ASSIGN(const auto windows, ConsecutiveWindows(Count(21), 10, 0));
  EXPECT_EQ(windows.size(), 2U);
}

TEST(ConsecutiveWindowsTest, UseAtMostTheTokensAskedFor) {
  ASSERT_OK_AND_ASSIGN(const auto windows, ConsecutiveWindows(Count(100), 10, 32));
  ASSERT_EQ(windows.size(), 4U);
  EXPECT_EQ(windows[3].size(1), 2);
}

TEST(ConsecutiveWindowsTest, RefuseATextWithNothingToPredict) {
  EXPECT_THAT(ConsecutiveWindows(Count(1), 10, 0), StatusIs(absl::StatusCode::kInvalidArgument, ::testing::_));
}

TEST(TokenizeJoinedTest, TokenizesAPlainTextAsItIs) {
  const Documents documents{.name = "text.txt", .sha256 = "digest", .texts = {"the end "}};
  ASSERT_OK_AND_ASSIGN(const Tokenizer tokenizer, Tokenizer::FromJson(TinyTokenizerJson()));
  ASSERT_OK_AND_ASSIGN(const TokenizedText text, TokenizeJoined(documents, tokenizer, kTinyVocabulary));
  EXPECT_EQ(text.name, "text.txt");
  EXPECT_EQ(text.sha256, "digest");
  EXPECT_EQ(tokenizer.Decode(text.tokens, SpecialText::kKeep), "the end ");
}

}  // namespace
}  // namespace pivot
