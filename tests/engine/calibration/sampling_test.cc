// SPDX-License-Identifier: Apache-2.0
#include "engine/calibration/sampling.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "engine/calibration/text_windows.h"
#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

using ::testing::HasSubstr;

/// Documents of the given lengths, whose ids are 100 * document + position.
Documents Ids(const std::vector<int32_t>& lengths) {
  Documents documents{.kind = DocumentKind::kTokenIds, .name = "ids.jsonl"};
  for (size_t i = 0; i < lengths.size(); ++i) {
    std::vector<int32_t>& ids = documents.ids.emplace_back();
    for (int32_t id = 0; id < lengths[i]; ++id) ids.push_back(100 * static_cast<int32_t>(i) + id);
  }
  return documents;
}

class SamplingTest : public ::testing::Test {
 protected:
  absl::StatusOr<SampledWindows> Sample(const Documents& documents, SamplingStrategy strategy, int64_t count,
                                        int64_t length, int64_t seed = 0, bool filter = false) {
    return SampleWindows(documents, tokenizer_, /*vocab_size=*/10000,
                         {.strategy = strategy,
                          .quality_filter = filter,
                          .num_samples = count,
                          .sequence_length = length,
                          .seed = seed});
  }

  Tokenizer tokenizer_ = *Tokenizer::FromJson(TinyTokenizerJson());
};

TEST_F(SamplingTest, DropHeadTakesTheBeginningOfEachDocumentThatIsLongEnough) {
  ASSERT_OK_AND_ASSIGN(const SampledWindows sampled, Sample(Ids({5, 3, 4, 9, 9}), SamplingStrategy::kDropHead, 3, 4));
  EXPECT_TRUE(at::equal(sampled.windows.select(1, 0), at::tensor({0, 200, 300}, at::kLong)));
  EXPECT_TRUE(at::equal(sampled.windows[2], at::arange(4) + 300));
  EXPECT_EQ(sampled.counts.documents, 5);
  EXPECT_EQ(sampled.counts.read, 4);
  EXPECT_EQ(sampled.counts.kept, 3);
  EXPECT_EQ(sampled.counts.too_short, 1);
  EXPECT_EQ(sampled.counts.tokens, 18);
  EXPECT_EQ(sampled.counts.distinct_tokens, 12);
}

// g = torch.Generator().manual_seed(3); [torch.randint(0, n - 10 + 1, (1,), generator=g) for n in (50, 40, 90)] in
// PyTorch 2.11.
TEST_F(SamplingTest, DropRandomDrawsAsPyTorchForOneDocumentAfterTheOther) {
  ASSERT_OK_AND_ASSIGN(const SampledWindows sampled,
                       Sample(Ids({50, 9, 40, 90}), SamplingStrategy::kDropRandom, 3, 10, 3));
  EXPECT_TRUE(at::equal(sampled.windows.select(1, 0), at::tensor({27, 215, 364}, at::kLong)));
}

TEST_F(SamplingTest, ConcatChunkCutsAllDocumentsInOrder) {
  ASSERT_OK_AND_ASSIGN(const SampledWindows sampled, Sample(Ids({3, 1, 6}), SamplingStrategy::kConcatChunk, 2, 4));
  EXPECT_TRUE(at::equal(sampled.windows, at::tensor({0, 1, 2, 100, 200, 201, 202, 203}, at::kLong).view({2, 4})));
  EXPECT_EQ(sampled.counts.kept, 3);
  EXPECT_EQ(sampled.counts.tokens, 10);
  EXPECT_EQ(sampled.counts.distinct_tokens, 8);
}

TEST_F(SamplingTest, ConcatRandomIsWhatRandomWindowsGives) {
  const Documents documents = Ids({30, 50});
  ASSERT_OK_AND_ASSIGN(const SampledWindows sampled, Sample(documents, SamplingStrategy::kConcatRandom, 9, 7, 5));
  ASSERT_OK_AND_ASSIGN(const TokenizedText text, TokenizeJoined(documents, tokenizer_, 10000));
  EXPECT_TRUE(at::equal(sampled.windows, *RandomWindows(text.tokens, 9, 7, 5)));
  const int64_t distinct = std::get<0>(at::_unique(sampled.windows)).numel();
  EXPECT_LT(distinct, sampled.windows.numel()) << "the windows overlap";
  EXPECT_EQ(sampled.counts.distinct_tokens, distinct);
}

TEST_F(SamplingTest, TextsAreJoinedByABlankLine) {
  const Documents documents{.kind = DocumentKind::kTexts, .texts = {"one", "two"}};
  ASSERT_OK_AND_ASSIGN(const TokenizedText text, TokenizeJoined(documents, tokenizer_, 320));
  EXPECT_EQ(tokenizer_.Decode(text.tokens, SpecialText::kKeep), "one\n\ntwo");
}

TEST_F(SamplingTest, ChatsFollowEachOtherAsTheyAre) {
  const Documents documents{.kind = DocumentKind::kChats, .texts = {"one\n", "two"}};
  ASSERT_OK_AND_ASSIGN(const TokenizedText text, TokenizeJoined(documents, tokenizer_, 320));
  EXPECT_EQ(tokenizer_.Decode(text.tokens, SpecialText::kKeep), "one\ntwo");
}

TEST_F(SamplingTest, TooFewWindowsAreRefusedWithTheirNumber) {
  const auto head = Sample(Ids({5, 3, 4}), SamplingStrategy::kDropHead, 3, 4);
  EXPECT_THAT(head, StatusIs(absl::StatusCode::kInvalidArgument,
                             HasSubstr("2 of the 3 documents of ids.jsonl have a window of 4 tokens, 3 windows were")));
  EXPECT_EQ(ReasonOf(head.status()), "TEXT_TOO_SHORT");
  EXPECT_THAT(Sample(Ids({11}), SamplingStrategy::kConcatChunk, 3, 4),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("11 tokens, which is 2 windows of 4, not 3")));
  EXPECT_THAT(Sample(Ids({3}), SamplingStrategy::kConcatRandom, 3, 4),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("3 tokens, one window needs 4")));
  EXPECT_THAT(Sample(Ids({}), SamplingStrategy::kConcatRandom, 3, 4),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no document")));
}

TEST_F(SamplingTest, AnIdThatTheModelLacksIsRefused) {
  Documents documents = Ids({5});
  documents.ids[0][3] = 10000;
  const auto sampled = Sample(documents, SamplingStrategy::kConcatRandom, 1, 4);
  EXPECT_THAT(sampled, StatusIs(absl::StatusCode::kInvalidArgument,
                                HasSubstr("document 1 has the id 10000, the model has ids up to 9999")));
  EXPECT_EQ(ReasonOf(sampled.status()), "INVALID_TEXT");
}

TEST_F(SamplingTest, TheQualityFilterCountsWhatItDrops) {
  const std::string prose = PseudoEnglish(60);
  const Documents documents{.kind = DocumentKind::kTexts, .texts = {"short", prose, prose + "<br>", "tiny"}};
  ASSERT_OK_AND_ASSIGN(const SampledWindows sampled,
                       Sample(documents, SamplingStrategy::kDropHead, 1, 20, 0, /*filter=*/true));
  EXPECT_EQ(sampled.counts.documents, 4);
  EXPECT_EQ(sampled.counts.kept, 1);
  EXPECT_EQ(sampled.counts.filtered[static_cast<size_t>(QualityRule::kShort)], 2);
  EXPECT_EQ(sampled.counts.filtered[static_cast<size_t>(QualityRule::kHtml)], 1);
  EXPECT_THAT(Sample(documents, SamplingStrategy::kDropHead, 2, 20, 0, /*filter=*/true),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("3 were dropped by the quality filter")));
}

TEST_F(SamplingTest, TokenIdsHaveNoQuality) {
  const auto sampled = Sample(Ids({9}), SamplingStrategy::kDropHead, 1, 4, 0, /*filter=*/true);
  EXPECT_EQ(ReasonOf(sampled.status()), "INVALID_SPEC");
}

}  // namespace
}  // namespace pivot
