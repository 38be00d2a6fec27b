// SPDX-License-Identifier: Apache-2.0
#include "engine/calibration/quality_filter.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pivot {
namespace {

using ::testing::Eq;
using ::testing::Optional;

std::string Repeat(absl::string_view text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) absl::StrAppend(&all, text);
  return all;
}

// 24 words, 112 characters, two sentences.
constexpr char kProse[] =
    "The river ran fast that spring, and we kept the boats in. Nobody crossed it until the rain had ended and "
    "the bridge was whole.";

TEST(QualityFilterTest, KeepsProse) { EXPECT_THAT(BrokenRule(kProse), Eq(std::nullopt)); }

TEST(QualityFilterTest, DropsFewerThanAHundredCharacters) {
  const std::string text = Repeat("to be or not so. ", 7);
  EXPECT_THAT(BrokenRule(absl::string_view(text).substr(0, 99)), Optional(QualityRule::kShort));
  EXPECT_THAT(BrokenRule(absl::string_view(text).substr(0, 100)), Eq(std::nullopt));
  EXPECT_THAT(BrokenRule(Repeat("é", 99)), Optional(QualityRule::kShort)) << "characters count, not bytes";
}

TEST(QualityFilterTest, DropsWhatIsLargelyNotAscii) {
  const std::string text = Repeat("over the hill. ", 8);  // 120 characters
  EXPECT_THAT(BrokenRule(absl::StrCat(text, Repeat("ж", 30))), Eq(std::nullopt));
  EXPECT_THAT(BrokenRule(absl::StrCat(text, Repeat("ж", 31))), Optional(QualityRule::kNotAscii));
}

TEST(QualityFilterTest, DropsFewWords) {
  EXPECT_THAT(BrokenRule(Repeat("sentences. ", 19)), Optional(QualityRule::kFewWords));
  EXPECT_THAT(BrokenRule(Repeat("one sentences. ", 10)), Eq(std::nullopt));
}

TEST(QualityFilterTest, DropsWordsThatAreTooLongOrTooShort) {
  EXPECT_THAT(BrokenRule(Repeat("a b c d. ", 20)), Optional(QualityRule::kWordLength));
  EXPECT_THAT(BrokenRule(Repeat("incomprehensibilities. misunderstandings ", 12)), Optional(QualityRule::kWordLength));
}

TEST(QualityFilterTest, DropsAListWithoutSentences) {
  const std::string text = Repeat("apples pears plums ", 10);
  EXPECT_THAT(BrokenRule(absl::StrCat(text, ".")), Optional(QualityRule::kFewSentences));
  EXPECT_THAT(BrokenRule(absl::StrCat(text, ". ?")), Eq(std::nullopt));
}

TEST(QualityFilterTest, DropsAWordFiveTimesInARow) {
  EXPECT_THAT(BrokenRule(absl::StrCat(kProse, " Very very VERY very")), Eq(std::nullopt));
  EXPECT_THAT(BrokenRule(absl::StrCat(kProse, " Very very VERY very very")), Optional(QualityRule::kRepeatedWord));
}

TEST(QualityFilterTest, DropsHtmlButNotComparisons) {
  EXPECT_THAT(BrokenRule(absl::StrCat(kProse, " where 1 < x and y > 2")), Eq(std::nullopt));
  EXPECT_THAT(BrokenRule(absl::StrCat(kProse, " </div>")), Optional(QualityRule::kHtml));
  EXPECT_THAT(BrokenRule(absl::StrCat(kProse, " <a href='x'>")), Optional(QualityRule::kHtml));
  EXPECT_THAT(BrokenRule(absl::StrCat(kProse, " <!-- x")), Optional(QualityRule::kHtml));
  EXPECT_THAT(BrokenRule(absl::StrCat(kProse, " <unclosed")), Eq(std::nullopt));
}

TEST(QualityFilterTest, DropsSpecialCharactersUrlsAndDigits) {
  EXPECT_THAT(BrokenRule(absl::StrCat(kProse, " {}[]#$%^")), Optional(QualityRule::kSpecialCharacters));
  const std::string long_prose = Repeat(absl::StrCat(kProse, " "), 20);
  const std::string four_urls = Repeat("http://a.b https://c.d ", 2);
  EXPECT_THAT(BrokenRule(absl::StrCat(long_prose, four_urls, "https://www.e")), Eq(std::nullopt));
  EXPECT_THAT(BrokenRule(absl::StrCat(long_prose, four_urls, "https://www.e www.f")), Optional(QualityRule::kUrls));
  EXPECT_THAT(BrokenRule(Repeat("1234 words. ", 12)), Optional(QualityRule::kDigits));
}

TEST(QualityFilterTest, TakesAnEmptyText) { EXPECT_THAT(BrokenRule(""), Optional(QualityRule::kShort)); }

}  // namespace
}  // namespace pivot
