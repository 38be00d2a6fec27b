// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/stat.h>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/model/mapped_file.h"
#include "engine/model/safetensors.h"
#include "proto/status/reason.h"
#include "tests/engine/model/raw_safetensors.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(SafetensorsFileTest, ReadsTheSmallFile) {
  const TemporaryFolder folder;
  ASSERT_EQ(SmallSafetensors().size(), 104U);
  const std::string path = folder.Write("w.safetensors", SmallSafetensors());
  ASSERT_OK_AND_ASSIGN(const SafetensorsFile file, SafetensorsFile::Open(path));
  EXPECT_EQ(file.path(), path);
  EXPECT_EQ(file.file_bytes(), 104);
  EXPECT_EQ(file.header().payload_offset, 96);
  EXPECT_EQ(file.header().metadata.at("format"), "pt");
  const TensorInfo* tensor = file.Find("a");
  ASSERT_NE(tensor, nullptr);
  EXPECT_EQ(tensor->dtype, Dtype::kFloat32);
  EXPECT_EQ(tensor->shape, std::vector<int64_t>{2});
  EXPECT_EQ(file.Bytes(*tensor), absl::string_view("\x00\x00\x80\x3F\x00\x00\x00\xC0", 8));
  EXPECT_EQ(file.Find("b"), nullptr);
  EXPECT_EQ(file.Find(""), nullptr);
}

TEST(SafetensorsFileTest, GivesEachTensorItsBytes) {
  const TemporaryFolder folder;
  const std::string header =
      R"({"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"a":{"dtype":"U8","shape":[3],"data_offsets":[2,5]},)"
      R"("empty":{"dtype":"U8","shape":[0],"data_offsets":[5,5]}})";
  const std::string path = folder.Write("w.safetensors", RawSafetensors(header, "bbaaa"));
  ASSERT_OK_AND_ASSIGN(SafetensorsFile opened, SafetensorsFile::Open(path));
  const TensorInfo* before = opened.Find("a");
  const SafetensorsFile file = std::move(opened);
  EXPECT_EQ(file.Find("a"), before) << "whoever holds a pointer may move the file";
  EXPECT_EQ(file.Bytes(*file.Find("b")), "bb");
  EXPECT_EQ(file.Bytes(*file.Find("a")), "aaa");
  EXPECT_EQ(file.Bytes(*file.Find("empty")), "");
}

TEST(SafetensorsFileTest, ReadsFilesBeyondFourGibibytes) {
  const TemporaryFolder folder;
  constexpr int64_t kBytes = (int64_t{4} << 30) + 8;
  const std::string header = R"({"big":{"dtype":"U8","shape":[4294967304],"data_offsets":[0,4294967304]},)"
                             R"("end":{"dtype":"U8","shape":[2],"data_offsets":[4294967304,4294967306]}})";
  const std::string path = folder.Write("w.safetensors", RawSafetensors(header));
  const auto head_bytes = static_cast<int64_t>(fs::file_size(path));
  fs::resize_file(path, static_cast<uintmax_t>(head_bytes + kBytes));
  std::ofstream(path, std::ios::app | std::ios::binary) << "ok";
  ASSERT_OK_AND_ASSIGN(const SafetensorsFile file, SafetensorsFile::Open(path));
  EXPECT_EQ(file.Find("big")->bytes(), kBytes);
  EXPECT_EQ(file.Bytes(*file.Find("end")), "ok");
  const std::vector<int64_t> offsets = PieceOffsets(file.header(), file.file_bytes());
  EXPECT_THAT(offsets, SizeIs(1 + 257 + 0));
  EXPECT_EQ(offsets.back(), head_bytes + (int64_t{4} << 30));
}

TEST(SafetensorsFileTest, NamesAFileThatItRefuses) {
  const TemporaryFolder folder;
  const std::string path = folder.Write("cut.safetensors", SmallSafetensors().substr(0, 100));
  const auto file = SafetensorsFile::Open(path);
  EXPECT_THAT(file, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(path)));
  EXPECT_EQ(ReasonOf(file.status()), "MALFORMED_WEIGHTS");
  EXPECT_THAT(SafetensorsFile::Open(folder.Write("empty.safetensors", "")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("shorter than the 8 bytes")));
}

TEST(MappedFileTest, ShowsTheBytes) {
  const TemporaryFolder folder;
  ASSERT_OK_AND_ASSIGN(const auto file, MappedFile::Open(folder.Write("f", "content")));
  EXPECT_EQ(file->bytes(), "content");
  EXPECT_EQ(file->size(), 7);
  ASSERT_OK_AND_ASSIGN(const auto empty, MappedFile::Open(folder.Write("e", "")));
  EXPECT_EQ(empty->bytes(), "");
}

TEST(MappedFileTest, ShowsTheSameBytesWhenPagesWereLetGo) {
  const TemporaryFolder folder;
  std::string content(100'000, 'x');
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i % 251);
  ASSERT_OK_AND_ASSIGN(const auto file, MappedFile::Open(folder.Write("f", content)));
  for (const auto& [begin, size] :
       {std::pair<size_t, size_t>{0, 100'000}, {1, 4096}, {4095, 9000}, {99'990, 10}, {5, 0}})
    ReleasePages(file->bytes().substr(begin, size));
  EXPECT_EQ(file->bytes(), content);
}

TEST(MappedFileTest, RefusesWhatIsNoRegularFileWithoutWaiting) {
  const TemporaryFolder folder;
  ASSERT_EQ(mkfifo((folder / "fifo").c_str(), 0600), 0);
  for (const std::string& path : {folder / "fifo", folder.path(), std::string("/dev/null")}) {
    EXPECT_THAT(MappedFile::Open(path), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not a regular file")));
  }
  EXPECT_THAT(MappedFile::Open(folder / "no"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("no")));
}

}  // namespace
}  // namespace pivot
