// SPDX-License-Identifier: Apache-2.0
// Manifests and files over the wire.
#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "proto/files/manifest.h"
#include "proto/files/sha256.h"
#include "tests/server/running_server.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using nlohmann::json;

constexpr size_t kChunk = 256 << 10;

class FilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (size_t i = 0; large_.size() < 2 * kChunk + 12345; ++i) large_ += static_cast<char>('a' + i * i % 23);
    server_.SetScript(
        {{{"pivot", {{"files", {{"large.safetensors", large_}, {"empty.txt", ""}, {"pivot/plan.json", "{}"}}}}}},
         {{"send", "Done"}}});
    server_.Start();
    checkpoint_ = server_.AwaitEnd(server_.Create(server_.CompressRequest()).name()).checkpoints(0);
  }

  v1::Manifest GetManifest() {
    grpc::ClientContext context;
    v1::GetManifestRequest request;
    request.set_name(checkpoint_.name());
    v1::Manifest manifest;
    EXPECT_TRUE(server_.checkpoints().GetManifest(&context, request, &manifest).ok());
    return manifest;
  }

  std::string large_;
  RunningServer server_;
  v1::CheckpointRef checkpoint_;
};

TEST_F(FilesTest, GivesTheManifestByteForByte) {
  const v1::Manifest manifest = GetManifest();
  EXPECT_EQ(manifest.sha256(), checkpoint_.manifest_sha256());
  EXPECT_EQ(Sha256Of(manifest.json()), manifest.sha256());
  ASSERT_OK_AND_ASSIGN(const ManifestData parsed, ManifestFromJson(manifest.json()));
  EXPECT_EQ(parsed.content_sha256, checkpoint_.content_sha256());
  EXPECT_EQ(parsed.files.size(), 3U);
}

TEST_F(FilesTest, GivesWholeFiles) {
  const auto large = server_.ReadFile(checkpoint_.name(), "large.safetensors");
  EXPECT_TRUE(large.status.ok());
  EXPECT_EQ(large.bytes, large_);
  EXPECT_EQ(large.tail.total_size(), static_cast<int64_t>(large_.size()));
  EXPECT_EQ(large.tail.sha256(), Sha256Of(large_));
  EXPECT_EQ(large.largest_chunk, kChunk);
  const auto empty = server_.ReadFile(checkpoint_.name(), "empty.txt");
  EXPECT_TRUE(empty.status.ok());
  EXPECT_EQ(empty.bytes, "");
  EXPECT_EQ(empty.tail.sha256(), Sha256Of(""));
  EXPECT_EQ(server_.ReadFile(checkpoint_.name(), "pivot/plan.json").bytes, "{}");
}

TEST_F(FilesTest, GivesTheRangeAskedFor) {
  const auto size = static_cast<int64_t>(large_.size());
  struct Range {
    int64_t offset;
    int64_t limit;
  };
  for (const Range& range : {Range{0, 1}, Range{1, 0}, Range{100, 5}, Range{kChunk - 1, 2}, Range{kChunk, kChunk},
                             Range{size - 3, 100}, Range{size, 0}, Range{5, size}}) {
    const auto part = server_.ReadFile(checkpoint_.name(), "large.safetensors", range.offset, range.limit);
    EXPECT_TRUE(part.status.ok());
    EXPECT_EQ(part.bytes, large_.substr(static_cast<size_t>(range.offset),
                                        range.limit == 0 ? std::string::npos : static_cast<size_t>(range.limit)));
    EXPECT_EQ(part.tail.total_size(), size);
    EXPECT_EQ(part.tail.sha256(), Sha256Of(large_)) << "of the whole file";
  }
}

TEST_F(FilesTest, RefusesRangesOutsideTheFile) {
  const auto beyond = server_.ReadFile(checkpoint_.name(), "empty.txt", 1);
  EXPECT_EQ(beyond.status.error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(ReasonIn(beyond.status), "OFFSET_BEYOND_END");
  EXPECT_EQ(FieldIn(server_.ReadFile(checkpoint_.name(), "empty.txt", -1).status), "offset");
  EXPECT_EQ(FieldIn(server_.ReadFile(checkpoint_.name(), "empty.txt", 0, -1).status), "limit");
}

TEST_F(FilesTest, FindsOnlyWhatTheManifestLists) {
  for (const char* path :
       {"", "/etc/passwd", "../../pivot.db", "large.safetensors/", "./large.safetensors", "pivot/manifest.json"}) {
    const auto read = server_.ReadFile(checkpoint_.name(), path);
    EXPECT_EQ(read.status.error_code(), grpc::StatusCode::NOT_FOUND) << path;
    EXPECT_EQ(ReasonIn(read.status), "FILE_NOT_FOUND") << path;
  }
  EXPECT_EQ(
      ReasonIn(server_.ReadFile(checkpoint_.name().substr(0, checkpoint_.name().size() - 1) + "7", "empty.txt").status),
      "CHECKPOINT_NOT_FOUND");
  EXPECT_EQ(ReasonIn(server_.ReadFile("projects/test/jobs/no/checkpoints/0", "empty.txt").status),
            "CHECKPOINT_NOT_FOUND");
  EXPECT_EQ(ReasonIn(server_.ReadFile("nonsense", "empty.txt").status), "INVALID_NAME");
}

TEST_F(FilesTest, ReportsDamage) {
  const std::filesystem::path object = std::filesystem::directory_iterator(server_.data() + "/objects")->path();
  std::filesystem::permissions(object / "large.safetensors", std::filesystem::perms::owner_write,
                               std::filesystem::perm_options::add);
  std::filesystem::resize_file(object / "large.safetensors", 10);
  const auto read = server_.ReadFile(checkpoint_.name(), "large.safetensors");
  EXPECT_EQ(read.status.error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_EQ(ReasonIn(read.status), "CHECKSUM_MISMATCH");
}

TEST_F(FilesTest, EndsWhenTheReaderLeaves) {
  grpc::ClientContext context;
  v1::ReadFileRequest request;
  request.set_checkpoint(checkpoint_.name());
  request.set_path("large.safetensors");
  const auto reader = server_.checkpoints().ReadFile(&context, request);
  v1::ReadFileResponse response;
  ASSERT_TRUE(reader->Read(&response));
  context.TryCancel();
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_EQ(server_.ReadFile(checkpoint_.name(), "large.safetensors").bytes, large_);
}

}  // namespace
}  // namespace pivot
