// SPDX-License-Identifier: Apache-2.0
#include "engine/format/output_format.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pivot {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(OutputFormatTest, NamesSurviveTheWayThroughLayouts) {
  for (const char* name : {"compressed_tensors", "gptq", "gptq_v2", "bf16", "both", "mixed_gptq"})
    EXPECT_EQ(OutputFormatName(LayoutsOf(name)), name);
  EXPECT_THAT(LayoutsOf("awq"), IsEmpty());
}

TEST(OutputFormatTest, SeveralLayoutsLieBelowTheOutput) {
  const auto both = LayoutsOf("both");
  EXPECT_THAT(both, ElementsAre(CodeLayout::kPackQuantized, CodeLayout::kGptqV1));
  EXPECT_EQ(FolderOf("/out", CodeLayout::kPackQuantized, both), "/out/compressed-tensors");
  EXPECT_EQ(FolderOf("/out", CodeLayout::kGptqV1, both), "/out/gptq");
  EXPECT_EQ(FolderOf("/out", CodeLayout::kGptqV1, LayoutsOf("gptq")), "/out");
}

TEST(OutputFormatTest, BothIsForWhatAllReadersAgreeAbout) {
  const auto both = LayoutsOf("both");
  for (const int bits : {4, 8}) EXPECT_EQ(WhyNotInAll({.bits = bits, .group_size = 32}, both), "");
  EXPECT_THAT(WhyNotInAll({.bits = 3, .group_size = 32}, both), HasSubstr("has 3 bits; both has 4 and 8"));
  const WeightScheme asymmetric{.bits = 4, .group_size = 32, .symmetry = Symmetry::kAsymmetric};
  EXPECT_THAT(WhyNotInAll(asymmetric, both), HasSubstr("zero points"));
  EXPECT_EQ(WhyNotInAll(asymmetric, LayoutsOf("gptq_v2")), "");
}

}  // namespace
}  // namespace pivot
