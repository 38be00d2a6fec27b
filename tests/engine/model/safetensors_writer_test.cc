// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/model/safetensors.h"
#include "proto/files/durable_file.h"
#include "proto/files/sha256.h"
#include "proto/status/reason.h"
#include "tests/engine/model/raw_safetensors.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> NamesOf(const SafetensorsLayout& layout) {
  std::vector<std::string> names;
  for (const TensorInfo& tensor : layout.tensors) names.push_back(tensor.name);
  return names;
}

std::vector<std::string> FilesIn(const TemporaryFolder& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder.path())) names.push_back(entry.path().filename().string());
  return names;
}

TEST(LayOutSafetensorsTest, PutsLargerAlignmentFirstThenDtypeThenName) {
  EXPECT_THAT(NamesOf(LayOutSafetensors({{"b", Dtype::kBfloat16, {1}},
                                         {"c", Dtype::kUint8, {1}},
                                         {"z", Dtype::kInt64, {2}},
                                         {"a", Dtype::kBfloat16, {1}},
                                         {"p", Dtype::kInt32, {1}},
                                         {"q", Dtype::kFloat32, {1}},
                                         {"A", Dtype::kFloat16, {1}}})),
              ElementsAre("z", "q", "p", "a", "b", "A", "c"));
}

TEST(LayOutSafetensorsTest, AlignsEveryTensor) {
  const SafetensorsLayout layout = LayOutSafetensors({{"x", Dtype::kUint8, {3}},
                                                      {"y", Dtype::kInt64, {1}},
                                                      {"w", Dtype::kFloat32, {5}},
                                                      {"v", Dtype::kBfloat16, {3}},
                                                      {"u", Dtype::kBool, {1}}});
  EXPECT_EQ(layout.head.size() % 8, 0U);
  int64_t position = 0;
  for (const TensorInfo& tensor : layout.tensors) {
    EXPECT_EQ(tensor.begin, position);
    EXPECT_EQ(tensor.begin % (DtypeBits(tensor.dtype) / 8), 0) << tensor.name;
    position = tensor.end;
  }
  EXPECT_EQ(layout.file_bytes, static_cast<int64_t>(layout.head.size()) + position);
}

TEST(LayOutSafetensorsTest, PadsTheHeaderWithSpacesForEveryLengthOfName) {
  for (size_t length = 1; length <= 16; ++length) {
    const SafetensorsLayout layout = LayOutSafetensors({{std::string(length, 'n'), Dtype::kUint8, {1}}});
    EXPECT_EQ(layout.head.size() % 8, 0U);
    const size_t end = layout.head.find_last_not_of(' ');
    EXPECT_EQ(layout.head[end], '}');
    EXPECT_LT(layout.head.size() - end - 1, 8U);
    EXPECT_EQ(layout.head.substr(0, 8), LengthWord(layout.head.size() - 8));
  }
}

TEST(LayOutSafetensorsTest, IsReadBackAsItWasLaidOut) {
  const SafetensorsLayout layout = LayOutSafetensors({{"a \"quoted\" \n name \xC3\xA9", Dtype::kFloat16, {2, 3}},
                                                      {"scalar", Dtype::kFloat64, {}},
                                                      {"empty", Dtype::kInt32, {0, 4}},
                                                      {"nibbles", Dtype::kFloat4, {6}}});
  ASSERT_OK_AND_ASSIGN(const SafetensorsHeader header, ParseSafetensorsHeader(layout.head, layout.file_bytes, "w"));
  ASSERT_EQ(header.tensors.size(), 4U);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(header.tensors[i].name, layout.tensors[i].name);
    EXPECT_EQ(header.tensors[i].dtype, layout.tensors[i].dtype);
    EXPECT_EQ(header.tensors[i].shape, layout.tensors[i].shape);
    EXPECT_EQ(header.tensors[i].begin, layout.tensors[i].begin);
    EXPECT_EQ(header.tensors[i].end, layout.tensors[i].end);
  }
  EXPECT_EQ(header.metadata, (std::map<std::string, std::string>{{"format", "pt"}}));
  EXPECT_EQ(header.payload_offset, static_cast<int64_t>(layout.head.size()));
}

TEST(LayOutSafetensorsTest, TakesTimeInProportionToTheTensors) {
  std::vector<TensorSpec> specs;
  for (int i = 0; i < 100'000; ++i) specs.push_back({absl::StrCat("t", i), Dtype::kUint8, {1}});
  EXPECT_EQ(LayOutSafetensors(specs).tensors.size(), 100'000U);
}

TEST(WriteSafetensorsTest, WritesTheSmallFileByteForByte) {
  const TemporaryFolder folder;
  ASSERT_OK_AND_ASSIGN(
      const WrittenFile written,
      WriteSafetensors(folder / "w.safetensors",
                       {{{"a", Dtype::kFloat32, {2}}, absl::string_view("\x00\x00\x80\x3F\x00\x00\x00\xC0", 8)}}));
  EXPECT_EQ(*ReadSmallFile(folder / "w.safetensors", 1000), SmallSafetensors());
  EXPECT_EQ(written.size, 104);
  EXPECT_EQ(written.sha256, Sha256Of(SmallSafetensors()));
  EXPECT_THAT(FilesIn(folder), ElementsAre("w.safetensors"));
}

TEST(WriteSafetensorsTest, WritesAFileWithoutTensors) {
  const TemporaryFolder folder;
  ASSERT_OK(WriteSafetensors(folder / "w.safetensors", {}));
  EXPECT_EQ(*ReadSmallFile(folder / "w.safetensors", 1000), RawSafetensors(R"({"__metadata__":{"format":"pt"}})"));
  EXPECT_OK(SafetensorsFile::Open(folder / "w.safetensors"));
}

TEST(WriteSafetensorsTest, GivesBackTheBytesOfEveryTensor) {
  const TemporaryFolder folder;
  const std::vector<TensorBytes> tensors = {{{"u", Dtype::kUint8, {3}}, "abc"},
                                            {{"i", Dtype::kInt64, {2}}, "0123456789ABCDEF"},
                                            {{"h", Dtype::kBfloat16, {2, 1}}, "wxyz"},
                                            {{"e", Dtype::kFloat32, {0}}, ""}};
  ASSERT_OK_AND_ASSIGN(const WrittenFile written, WriteSafetensors(folder / "w", tensors));
  ASSERT_OK_AND_ASSIGN(const SafetensorsFile file, SafetensorsFile::Open(folder / "w"));
  EXPECT_EQ(file.file_bytes(), written.size);
  for (const TensorBytes& tensor : tensors) {
    ASSERT_NE(file.Find(tensor.spec.name), nullptr);
    EXPECT_EQ(file.Bytes(*file.Find(tensor.spec.name)), tensor.bytes);
  }
}

TEST(WriteSafetensorsTest, DoesNotDependOnTheOrderOfTheTensors) {
  const TemporaryFolder folder;
  std::vector<TensorBytes> tensors = {
      {{"a", Dtype::kUint8, {1}}, "a"}, {{"b", Dtype::kUint8, {1}}, "b"}, {{"c", Dtype::kInt16, {1}}, "cc"}};
  ASSERT_OK_AND_ASSIGN(const WrittenFile first, WriteSafetensors(folder / "w", tensors));
  std::reverse(tensors.begin(), tensors.end());
  ASSERT_OK_AND_ASSIGN(const WrittenFile second, WriteSafetensors(folder / "w", tensors));
  EXPECT_EQ(first.sha256, second.sha256);
}

TEST(WriteSafetensorsTest, RefusesBytesOfAnotherLengthAndKeepsWhatWasThere) {
  const TemporaryFolder folder;
  folder.Write("w", "before");
  EXPECT_THAT(WriteSafetensors(folder / "w", {{{"a", Dtype::kFloat32, {2}}, "1234567"}}),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("tensor a has 7 bytes instead of 8")));
  EXPECT_EQ(*ReadSmallFile(folder / "w", 1000), "before");
  EXPECT_THAT(FilesIn(folder), ElementsAre("w"));
}

TEST(WriteSafetensorsTest, SaysThatTheDiskIsFull) {
  const TemporaryFolder folder;
  fs::create_symlink("/dev/full", folder / "w.part");
  const auto written = WriteSafetensors(folder / "w", {{{"a", Dtype::kUint8, {1}}, "1"}});
  EXPECT_THAT(written, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr(folder / "w")));
  EXPECT_EQ(ReasonOf(written.status()), "DISK_FULL");
  EXPECT_TRUE(FilesIn(folder).empty());
}

TEST(WriteSafetensorsTest, SaysThatTheFolderIsMissing) {
  const TemporaryFolder folder;
  EXPECT_THAT(WriteSafetensors(folder / "no/w", {}), StatusIs(absl::StatusCode::kNotFound, HasSubstr("no/w")));
}

TEST(WriteSafetensorsTest, LeavesNothingWhenTheNameIsTakenByAFolder) {
  const TemporaryFolder folder;
  fs::create_directories(folder / "w/inside");
  EXPECT_FALSE(WriteSafetensors(folder / "w", {}).ok());
  EXPECT_THAT(FilesIn(folder), ElementsAre("w"));
}

TEST(WriteSafetensorsTest, TakesANameWithoutAFolder) {
  const TemporaryFolder folder;
  const fs::path before = fs::current_path();
  fs::current_path(folder.path());
  const auto written = WriteSafetensors("w", {});
  fs::current_path(before);
  EXPECT_OK(written);
}

class StreamedSafetensorsTest : public ::testing::Test {
 protected:
  std::vector<TensorSpec> specs_ = {{"a", Dtype::kBfloat16, {2}}, {"b", Dtype::kInt32, {1}}, {"c", Dtype::kUint8, {0}}};
  TemporaryFolder folder_;
  std::string path_ = folder_ / "w.safetensors";
};

TEST_F(StreamedSafetensorsTest, WritesTheSameBytesInAnyOrder) {
  ASSERT_OK(WriteSafetensors(folder_ / "whole", {{specs_[0], "wxyz"}, {specs_[1], "1234"}, {specs_[2], ""}}));
  ASSERT_OK_AND_ASSIGN(SafetensorsWriter writer, SafetensorsWriter::Create(path_, specs_));
  ASSERT_OK(writer.Put("c", ""));
  ASSERT_OK(writer.Put("a", "wxyz"));
  ASSERT_OK(writer.Put("b", "1234"));
  EXPECT_FALSE(std::filesystem::exists(path_)) << "not before it is whole";
  ASSERT_OK(writer.Finish());
  EXPECT_EQ(*ReadSmallFile(path_, 1 << 20), *ReadSmallFile(folder_ / "whole", 1 << 20));
}

TEST_F(StreamedSafetensorsTest, LeavesNothingWhenItIsNotFinished) {
  {
    ASSERT_OK_AND_ASSIGN(SafetensorsWriter writer, SafetensorsWriter::Create(path_, specs_));
    ASSERT_OK(writer.Put("a", "wxyz"));
    EXPECT_THAT(writer.Finish(), StatusIs(absl::StatusCode::kInternal, ::testing::HasSubstr("tensor b was not")));
  }
  EXPECT_TRUE(std::filesystem::is_empty(std::filesystem::path(path_).parent_path()));
}

TEST_F(StreamedSafetensorsTest, RefusesOtherTensorsThanThoseItWasToldOf) {
  ASSERT_OK_AND_ASSIGN(SafetensorsWriter writer, SafetensorsWriter::Create(path_, specs_));
  EXPECT_THAT(writer.Put("d", ""), StatusIs(absl::StatusCode::kInternal, ::testing::_));
  EXPECT_THAT(writer.Put("a", "xyz"),
              StatusIs(absl::StatusCode::kInternal, ::testing::HasSubstr("3 bytes instead of 4")));
  ASSERT_OK(writer.Put("a", "wxyz"));
  EXPECT_THAT(writer.Put("a", "wxyz"), StatusIs(absl::StatusCode::kInternal, ::testing::_)) << "twice";
}

}  // namespace
}  // namespace pivot
