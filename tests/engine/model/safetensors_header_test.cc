// SPDX-License-Identifier: Apache-2.0
// Every rule of the format, broken one at a time.
#include <limits>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/model/safetensors.h"
#include "proto/status/reason.h"
#include "tests/engine/model/raw_safetensors.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

absl::StatusOr<SafetensorsHeader> Parse(const std::string& file) {
  return ParseSafetensorsHeader(file, static_cast<int64_t>(file.size()), "w.safetensors");
}

void ExpectMalformed(const absl::StatusOr<SafetensorsHeader>& header, absl::string_view problem) {
  EXPECT_THAT(header, StatusIs(absl::StatusCode::kInvalidArgument,
                               AllOf(StartsWith("w.safetensors: "), HasSubstr(std::string(problem)))));
  EXPECT_EQ(ReasonOf(header.status()), "MALFORMED_WEIGHTS");
}

struct Rule {
  const char* name;
  std::string header;
  int payload_bytes;
  const char* problem;
};

class SafetensorsRuleTest : public ::testing::TestWithParam<Rule> {};

TEST_P(SafetensorsRuleTest, IsEnforced) {
  ExpectMalformed(Parse(RawSafetensors(GetParam().header, std::string(GetParam().payload_bytes, '\0'))),
                  GetParam().problem);
}

std::string Tensor(absl::string_view name, absl::string_view dtype, absl::string_view shape,
                   absl::string_view offsets) {
  return absl::StrCat("\"", name, R"(":{"dtype":")", dtype, R"(","shape":)", shape, R"(,"data_offsets":)", offsets,
                      "}");
}

/// A header of one tensor "a".
std::string One(absl::string_view dtype, absl::string_view shape, absl::string_view offsets) {
  return absl::StrCat("{", Tensor("a", dtype, shape, offsets), "}");
}

std::string Two(absl::string_view first_offsets, absl::string_view second_offsets) {
  return absl::StrCat("{", Tensor("a", "U8", "[4]", first_offsets), ",", Tensor("b", "U8", "[4]", second_offsets), "}");
}

constexpr char kSize[] = "does not take its";
constexpr char kShape[] = "the shape of tensor a is wrong";
constexpr char kOffsets[] = "data_offsets of tensor a are wrong";

INSTANTIATE_TEST_SUITE_P(
    Text, SafetensorsRuleTest,
    ::testing::Values(
        Rule{"length_one", "{", 0, "length"}, Rule{"length_zero", "", 0, "length"},
        Rule{"begins_with_space", R"( {"a":1})", 0, "does not begin with {"},
        Rule{"is_list", "[]", 0, "does not begin with {"}, Rule{"no_json", "{\"a\":}", 0, "not valid JSON"},
        Rule{"no_utf8", "{\"\xFF\":1}", 0, "not valid JSON"}, Rule{"text_after", "{}x", 0, "not valid JSON"},
        Rule{"nul_padding", std::string("{}\0\0", 4), 0, "not valid JSON"},
        Rule{"name_twice",
             absl::StrCat("{", Tensor("a", "U8", "[1]", "[0,1]"), ",", Tensor("a", "U8", "[1]", "[1,2]"), "}"), 2,
             "\"a\" twice"},
        Rule{"key_twice", R"({"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1,
             "\"dtype\" twice"},
        Rule{"metadata_list", R"({"__metadata__":[]})", 0, "__metadata__ is not an object"},
        Rule{"metadata_number", R"({"__metadata__":{"epoch":1}})", 0, "something else than strings"},
        Rule{"metadata_nested", R"({"__metadata__":{"a":{"b":"c"}}})", 0, "something else than strings"}),
    [](const auto& rule) { return std::string(rule.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Entry, SafetensorsRuleTest,
    ::testing::Values(Rule{"entry_number", R"({"a":5})", 0, "is not an object"},
                      Rule{"entry_list", R"({"a":[]})", 0, "is not an object"},
                      Rule{"no_dtype", R"({"a":{"shape":[1],"data_offsets":[0,1]}})", 1, "no known dtype"},
                      Rule{"dtype_unknown", One("F7", "[1]", "[0,1]"), 1, "no known dtype"},
                      Rule{"dtype_lower_case", One("u8", "[1]", "[0,1]"), 1, "no known dtype"},
                      Rule{"dtype_number", R"({"a":{"dtype":3,"shape":[1],"data_offsets":[0,1]}})", 1,
                           "no known dtype"},
                      Rule{"no_shape", R"({"a":{"dtype":"U8","data_offsets":[0,1]}})", 1, kShape},
                      Rule{"shape_number", One("U8", "1", "[0,1]"), 1, kShape},
                      Rule{"shape_negative", One("U8", "[-1,-1]", "[0,1]"), 1, kShape},
                      Rule{"shape_fraction", One("U8", "[1.0]", "[0,1]"), 1, kShape},
                      Rule{"shape_text", One("U8", "[\"1\"]", "[0,1]"), 1, kShape},
                      Rule{"shape_beyond_int64", One("U8", "[9223372036854775808]", "[0,1]"), 1, kShape},
                      Rule{"shape_of_17", One("U8", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[0,1]"), 1, kShape},
                      Rule{"no_offsets", R"({"a":{"dtype":"U8","shape":[1]}})", 1, kOffsets},
                      Rule{"one_offset", One("U8", "[1]", "[0]"), 1, kOffsets},
                      Rule{"three_offsets", One("U8", "[1]", "[0,1,1]"), 1, kOffsets},
                      Rule{"offsets_descend", One("U8", "[1]", "[1,0]"), 1, kOffsets},
                      Rule{"offset_negative", One("U8", "[1]", "[-1,0]"), 1, kOffsets},
                      Rule{"offset_fraction", One("U8", "[1]", "[0,1.0]"), 1, kOffsets}),
    [](const auto& rule) { return std::string(rule.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Size, SafetensorsRuleTest,
    ::testing::Values(Rule{"too_few_bytes", One("F32", "[2]", "[0,4]"), 4, kSize},
                      Rule{"too_many_bytes", One("F32", "[2]", "[0,12]"), 12, kSize},
                      Rule{"empty_with_bytes", One("F32", "[2,0]", "[0,8]"), 8, kSize},
                      Rule{"scalar_of_two", One("F32", "[]", "[0,8]"), 8, kSize},
                      Rule{"product_2_to_64", One("U8", "[4294967296,4294967296]", "[0,0]"), 0, kSize},
                      Rule{"product_2_to_63", One("U8", "[4294967296,2147483648]", "[0,0]"), 0, kSize},
                      Rule{"bytes_2_to_64", One("U64", "[2305843009213693952]", "[0,0]"), 0, kSize},
                      Rule{"product_before_zero", One("U8", "[4294967296,4294967296,0]", "[0,0]"), 0, kSize},
                      Rule{"half_a_byte", One("F4", "[3]", "[0,1]"), 1, kSize},
                      Rule{"three_quarters", One("F6_E2M3", "[1]", "[0,1]"), 1, kSize}),
    [](const auto& rule) { return std::string(rule.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Coverage, SafetensorsRuleTest,
    ::testing::Values(Rule{"late_start", One("U8", "[4]", "[1,5]"), 5, "begins at 1 instead of 0"},
                      Rule{"hole", Two("[0,4]", "[5,9]"), 9, "tensor b begins at 5 instead of 4"},
                      Rule{"overlap", Two("[0,4]", "[3,7]"), 7, "tensor b begins at 3 instead of 4"},
                      Rule{"same_place", Two("[0,4]", "[0,4]"), 4, "tensor b begins at 0 instead of 4"},
                      Rule{"tail", Two("[0,4]", "[4,8]"), 9, "speaks of 8 bytes of tensors, the file holds 9"},
                      Rule{"missing_end", Two("[0,4]", "[4,8]"), 7, "speaks of 8 bytes of tensors, the file holds 7"},
                      Rule{"nothing_but_payload", "{}", 1, "speaks of 0 bytes"},
                      Rule{"empty_in_the_middle_of_another",
                           absl::StrCat("{", Tensor("a", "U8", "[4]", "[0,4]"), ",", Tensor("b", "U8", "[0]", "[2,2]"),
                                        "}"),
                           4, "tensor b begins at 2"}),
    [](const auto& rule) { return std::string(rule.param.name); });

TEST(SafetensorsHeaderTest, RefusesALengthBeyondTheLimitOrTheFile) {
  const std::string body(200, ' ');
  ExpectMalformed(Parse(LengthWord(100'000'001) + body), "between 2 and 100,000,000");
  ExpectMalformed(Parse(LengthWord(~uint64_t{0}) + body), "between 2 and 100,000,000");
  ExpectMalformed(Parse(LengthWord(uint64_t{1} << 63) + body), "between 2 and 100,000,000");
  ExpectMalformed(Parse(LengthWord(100'000'000) + body), "should have 100000000 bytes, the file has only 208");
  ExpectMalformed(Parse(LengthWord(201) + body), "should have 201 bytes");
}

TEST(SafetensorsHeaderTest, RefusesAFileTruncatedAnywhere) {
  const std::string whole = SmallSafetensors();
  for (size_t size = 0; size < whole.size(); ++size) {
    SCOPED_TRACE(size);
    ExpectMalformed(Parse(whole.substr(0, size)), "damaged or was not downloaded completely");
  }
  EXPECT_OK(Parse(whole));
}

TEST(SafetensorsHeaderTest, RefusesAHeadThatIsShorterThanTheHeader) {
  const std::string whole = SmallSafetensors();
  ExpectMalformed(ParseSafetensorsHeader(absl::string_view(whole).substr(0, 95), 104, "w.safetensors"),
                  "should have 88 bytes");
  EXPECT_OK(ParseSafetensorsHeader(absl::string_view(whole).substr(0, 96), 104, "w.safetensors"));
}

TEST(SafetensorsHeaderTest, ReadsTheSmallestFile) {
  ASSERT_OK_AND_ASSIGN(const SafetensorsHeader header, Parse(RawSafetensors("{}")));
  EXPECT_THAT(header.tensors, IsEmpty());
  EXPECT_THAT(header.metadata, IsEmpty());
  EXPECT_EQ(header.payload_offset, 10);
}

TEST(SafetensorsHeaderTest, AcceptsEmptyTensorsAndScalars) {
  const std::string header =
      absl::StrCat("{", Tensor("z", "F32", "[0]", "[0,0]"), ",", Tensor("scalar", "F64", "[]", "[0,8]"), ",",
                   Tensor("e", "BF16", "[3,0,5]", "[8,8]"), ",", Tensor("a", "U8", "[2]", "[8,10]"), ",",
                   Tensor("end", "U8", "[0]", "[10,10]"), "}");
  ASSERT_OK_AND_ASSIGN(const SafetensorsHeader parsed, Parse(RawSafetensors(header, std::string(10, 'x'))));
  ASSERT_THAT(parsed.tensors, SizeIs(5));
  EXPECT_EQ(parsed.tensors[0].name, "z");
  EXPECT_EQ(parsed.tensors[1].name, "scalar");
  EXPECT_THAT(parsed.tensors[1].shape, IsEmpty());
  EXPECT_EQ(parsed.tensors[4].name, "end");
}

TEST(SafetensorsHeaderTest, PutsTensorsInTheOrderOfTheirBytes) {
  ASSERT_OK_AND_ASSIGN(const SafetensorsHeader parsed,
                       Parse(RawSafetensors(Two("[4,8]", "[0,4]"), std::string(8, 'x'))));
  EXPECT_EQ(parsed.tensors[0].name, "b");
  EXPECT_EQ(parsed.tensors[1].name, "a");
}

TEST(SafetensorsHeaderTest, ReadsEveryDtypeWithItsSize) {
  const std::vector<std::pair<const char*, int>> dtypes = {
      {"BOOL", 8},    {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6},     {"U8", 8},          {"I8", 8},
      {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
      {"U16", 16},    {"F16", 16},    {"BF16", 16},   {"I32", 32},        {"U32", 32},        {"F32", 32},
      {"C64", 64},    {"F64", 64},    {"I64", 64},    {"U64", 64}};
  for (const auto& [name, bits] : dtypes) {
    const std::string text = One(name, "[4]", absl::StrCat("[0,", bits / 2, "]"));
    ASSERT_OK_AND_ASSIGN(const SafetensorsHeader parsed,
                         Parse(RawSafetensors(text, std::string(static_cast<size_t>(bits) / 2, 'x'))));
    EXPECT_EQ(DtypeName(parsed.tensors[0].dtype), name);
    EXPECT_EQ(DtypeBits(parsed.tensors[0].dtype), bits) << name;
    EXPECT_EQ(DtypeFromName(name), parsed.tensors[0].dtype);
  }
  EXPECT_EQ(DtypeFromName("F128"), std::nullopt);
  EXPECT_EQ(DtypeFromName(""), std::nullopt);
}

TEST(SafetensorsHeaderTest, KeepsMetadataAndIgnoresFurtherKeys) {
  ASSERT_OK_AND_ASSIGN(
      const SafetensorsHeader parsed,
      Parse(RawSafetensors(
          R"({"a":{"dtype":"U8","shape":[],"data_offsets":[0,1],"note":[1]},"__metadata__":{"x":"y","z":""}})", "1")));
  EXPECT_EQ(parsed.metadata, (std::map<std::string, std::string>{{"x", "y"}, {"z", ""}}));
  EXPECT_THAT(parsed.tensors, SizeIs(1));
}

TEST(SafetensorsHeaderTest, RefusesMoreThanAMillionTensorsBeforeItReadsThem) {
  std::string text = "{\"0\":0";
  for (int i = 1; i <= 1'000'000; ++i) absl::StrAppend(&text, ",\"", i, "\":0");
  ExpectMalformed(Parse(RawSafetensors(text + "}")), "more than 1,000,000 tensors");
}

TEST(NumElementsTest, MultipliesOrRefuses) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(*NumElements({}), 1);
  EXPECT_EQ(*NumElements({3, 4, 5}), 60);
  EXPECT_EQ(*NumElements({kMax}), kMax);
  EXPECT_EQ(*NumElements({0, kMax, kMax}), 0);
  EXPECT_THAT(NumElements({kMax, 2}), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("64 bits")));
  EXPECT_THAT(NumElements({int64_t{1} << 32, int64_t{1} << 31}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("64 bits")));
  EXPECT_THAT(NumElements({2, -3}), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("negative")));
}

TEST(ShapeTextTest, IsForPeople) {
  EXPECT_EQ(ShapeText({}), "[]");
  EXPECT_EQ(ShapeText({576, 1536}), "[576, 1536]");
}

}  // namespace
}  // namespace pivot
