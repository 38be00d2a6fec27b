// SPDX-License-Identifier: Apache-2.0
#include "client/pull.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "proto/status/reason.h"
#include "tests/client/fake_checkpoint.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kCheckpoint[] = "projects/default/jobs/j/checkpoints/0";
constexpr char kShard[] = "model-00001-of-00002.safetensors";

std::string Content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

class PullTest : public ::testing::Test {
 protected:
  PullTest() {
    checkpoint_.files = {
        {"config.json", "{}"}, {"empty", ""}, {kShard, SomeBytes(4500, 1)}, {"pivot/plan.json", SomeBytes(1000, 2)}};
    options_.fetch.backoff = {
        .first = absl::Milliseconds(1), .longest = absl::Milliseconds(5), .give_up_after = absl::Seconds(5)};
    options_.fetch.silence_limit = absl::Seconds(5);
  }

  absl::StatusOr<PullSummary> Pull() {
    FakeMethods methods;
    checkpoint_.Serve(&methods);
    if (manifest_json_.has_value()) {
      methods.get_manifest = [this](const v1::GetManifestRequest&, v1::Manifest* manifest) {
        *manifest = ManifestMessage(*manifest_json_);
        return grpc::Status::OK;
      };
    }
    const FakeService service(std::move(methods));
    return PullCheckpoint(*Connect(service.address()), kCheckpoint, folder_, options_);
  }

  void ExpectComplete() const {
    for (const auto& [path, bytes] : checkpoint_.files) EXPECT_EQ(Content(folder_ + "/" + path), bytes) << path;
    EXPECT_EQ(Content(folder_ + "/pivot/manifest.json"), ManifestToJson(checkpoint_.Manifest()));
    std::vector<std::string> faults;
    EXPECT_OK(CompareFolder(folder_, checkpoint_.Manifest(), [&](const std::string& path, const std::string& fault) {
      faults.push_back(path + " " + fault);
    }));
    EXPECT_THAT(faults, ElementsAre());
  }

  bool Exists(const std::string& path) const { return std::filesystem::exists(folder_ + "/" + path); }

  TemporaryFolder parent_;
  std::string folder_ = parent_ / "out";
  FakeCheckpoint checkpoint_;
  PullOptions options_;
  std::optional<std::string> manifest_json_;
};

TEST_F(PullTest, WritesEveryFileAndTheManifest) {
  std::vector<int64_t> done;
  options_.on_progress = [&](const PullProgress& progress) {
    done.push_back(progress.done_bytes);
    EXPECT_EQ(progress.total_bytes, 5502);
  };
  const auto summary = Pull();
  ASSERT_OK(summary);
  ExpectComplete();
  EXPECT_EQ(summary->fetched_bytes, 5502);
  EXPECT_EQ(summary->kept_bytes, 0);
  EXPECT_TRUE(std::is_sorted(done.begin(), done.end()));
  EXPECT_EQ(done.back(), 5502);
}

TEST_F(PullTest, ReadsABadPieceOnceMore) {
  int flips = 0;
  std::vector<int64_t> offsets;
  checkpoint_.on_message = [&](const v1::ReadFileRequest& request, v1::ReadFileResponse* response) {
    if (request.path() == kShard && (offsets.empty() || offsets.back() != request.offset()))
      offsets.push_back(request.offset());
    if (request.path() == kShard && response->offset() >= 2000 && flips++ == 0) (*response->mutable_data())[7] ^= 1;
    return true;
  };
  ASSERT_OK(Pull());
  ExpectComplete();
  EXPECT_THAT(offsets, ElementsAre(0, 2000));
}

TEST_F(PullTest, ReportsAByteThatStaysFlipped) {
  checkpoint_.on_message = [&](const v1::ReadFileRequest& request, v1::ReadFileResponse* response) {
    const int64_t flipped = 2100 - response->offset();
    const bool has_it = flipped >= 0 && flipped < static_cast<int64_t>(response->data().size());
    if (request.path() == kShard && has_it) (*response->mutable_data())[static_cast<size_t>(flipped)] ^= 0x40;
    return true;
  };
  const auto summary = Pull();
  EXPECT_THAT(summary, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("damaged between byte 2000 and 3000")));
  EXPECT_EQ(ReasonOf(summary.status()), "CHECKSUM_MISMATCH");
  EXPECT_FALSE(Exists("pivot/manifest.json"));
  EXPECT_FALSE(Exists(kShard));
}

TEST_F(PullTest, ReportsAShortFile) {
  manifest_json_ = ManifestToJson(checkpoint_.Manifest());
  checkpoint_.files[kShard].resize(4100);
  EXPECT_THAT(Pull(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("(4100 bytes) is not the manifest's (4500 bytes)")));
}

TEST_F(PullTest, TakesOfALongFileWhatTheManifestHas) {
  manifest_json_ = ManifestToJson(checkpoint_.Manifest());
  checkpoint_.files[kShard] += "more";
  ASSERT_OK(Pull());
  checkpoint_.files[kShard].resize(4500);
  ExpectComplete();
}

TEST_F(PullTest, GoesOnInAFileAfterALostConnection) {
  int messages = 0;
  std::vector<int64_t> offsets;
  checkpoint_.on_message = [&](const v1::ReadFileRequest& request, v1::ReadFileResponse*) {
    if (request.path() != kShard) return true;
    if (offsets.empty() || offsets.back() != request.offset()) offsets.push_back(request.offset());
    return ++messages % 9 != 0;
  };
  ASSERT_OK(Pull());
  ExpectComplete();
  EXPECT_THAT(offsets, ElementsAre(0, 2000, 4000));
}

TEST_F(PullTest, GivesUpOnAServerThatStaysAway) {
  options_.fetch.backoff.give_up_after = absl::Milliseconds(30);
  checkpoint_.on_message = [](const v1::ReadFileRequest&, v1::ReadFileResponse*) { return false; };
  EXPECT_THAT(Pull(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("does not answer")));
}

TEST_F(PullTest, FetchesOnlyWhatIsMissingOrWrong) {
  ASSERT_OK(Pull());
  std::filesystem::remove(folder_ + "/config.json");
  std::ofstream(folder_ + "/pivot/plan.json", std::ios::binary) << "something else";
  std::vector<std::string> read;
  checkpoint_.on_message = [&](const v1::ReadFileRequest& request, v1::ReadFileResponse*) {
    if (read.empty() || read.back() != request.path()) read.push_back(request.path());
    return true;
  };
  const auto summary = Pull();
  ASSERT_OK(summary);
  ExpectComplete();
  EXPECT_THAT(read, ElementsAre("config.json", "pivot/plan.json"));
  EXPECT_EQ(summary->kept_bytes, 4500);
}

TEST_F(PullTest, TakesOverTheRightPiecesOfAnUnfinishedFile) {
  std::string part = checkpoint_.files[kShard].substr(0, 3500);
  part[2100] ^= 1;  // the third piece is bad, so the first two count
  std::filesystem::create_directories(folder_);
  std::ofstream(folder_ + "/" + kShard + ".part", std::ios::binary) << part;
  std::vector<int64_t> offsets;
  checkpoint_.on_message = [&](const v1::ReadFileRequest& request, v1::ReadFileResponse*) {
    if (request.path() == kShard) offsets.push_back(request.offset());
    return true;
  };
  ASSERT_OK(Pull());
  ExpectComplete();
  EXPECT_EQ(offsets.front(), 2000);
}

TEST_F(PullTest, CutsAnUnfinishedFileThatIsTooLong) {
  std::filesystem::create_directories(folder_);
  std::ofstream(folder_ + "/config.json.part", std::ios::binary) << "{}and more";
  ASSERT_OK(Pull());
  ExpectComplete();
}

TEST_F(PullTest, StopsAndGoesOnLater) {
  std::stop_source stop;
  options_.fetch.stop = stop.get_token();
  checkpoint_.on_message = [&](const v1::ReadFileRequest& request, v1::ReadFileResponse* response) {
    if (request.path() == kShard && response->offset() >= 3000) stop.request_stop();
    return true;
  };
  const auto stopped = Pull();
  EXPECT_TRUE(IsInterrupted(stopped.status())) << stopped.status();
  EXPECT_FALSE(Exists("pivot/manifest.json"));
  options_.fetch.stop = {};
  checkpoint_.on_message = nullptr;
  ASSERT_OK(Pull());
  ExpectComplete();
}

TEST_F(PullTest, RefusesPathsThatLeaveTheFolder) {
  for (const std::string path : {"../evil", "/etc/evil", "a/../../evil", "a\\b"}) {
    FakeCheckpoint hostile;
    hostile.files = {{path, "x"}};
    manifest_json_ = ManifestToJson(hostile.Manifest());
    EXPECT_THAT(Pull(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("makes no sense"))) << path;
  }
  EXPECT_FALSE(std::filesystem::exists(parent_ / "evil"));
}

TEST_F(PullTest, RefusesAManifestThatListsItself) {
  FakeCheckpoint hostile;
  hostile.files = {{"pivot/manifest.json", "x"}};
  manifest_json_ = ManifestToJson(hostile.Manifest());
  EXPECT_THAT(Pull(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("lists itself")));
}

TEST_F(PullTest, FollowsNoLinkOutOfTheFolder) {
  const std::string outside = parent_ / "outside";
  std::filesystem::create_directories(outside);
  std::filesystem::create_directories(folder_);
  std::filesystem::create_directory_symlink(outside, folder_ + "/pivot");
  EXPECT_FALSE(Pull().ok());
  EXPECT_TRUE(std::filesystem::is_empty(outside));
}

TEST_F(PullTest, WritesThroughNoLinkInPlaceOfAFile) {
  const std::string outside = parent_.Write("outside", "precious");
  std::filesystem::create_directories(folder_);
  std::filesystem::create_symlink(outside, folder_ + "/config.json.part");
  EXPECT_FALSE(Pull().ok());
  EXPECT_EQ(Content(outside), "precious");
}

TEST_F(PullTest, LeavesAFolderOfSomebodyElsesAlone) {
  std::filesystem::create_directories(folder_);
  std::ofstream(folder_ + "/thesis.tex") << "x";
  const auto summary = Pull();
  EXPECT_THAT(summary, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("holds thesis.tex")));
  EXPECT_FALSE(Exists("config.json"));
}

TEST_F(PullTest, RefusesADamagedManifest) {
  FakeMethods methods;
  methods.get_manifest = [](const v1::GetManifestRequest&, v1::Manifest* manifest) {
    *manifest = ManifestMessage("{}");
    manifest->set_json("{ }");
    return grpc::Status::OK;
  };
  const FakeService service(std::move(methods));
  EXPECT_THAT(PullCheckpoint(*Connect(service.address()), kCheckpoint, folder_, options_),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("arrived damaged")));
}

TEST_F(PullTest, RefusesToFillTheDisk) {
  options_.spare_bytes = std::numeric_limits<int64_t>::max() / 2;
  const auto summary = Pull();
  EXPECT_THAT(summary,
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("bytes free and the checkpoint needs")));
  EXPECT_EQ(ReasonOf(summary.status()), "DISK_FULL");
  EXPECT_FALSE(Exists("config.json"));
}

TEST_F(PullTest, FetchesASingleFile) {
  FakeMethods methods;
  checkpoint_.Serve(&methods);
  const FakeService service(std::move(methods));
  const auto connection = Connect(service.address());
  const std::string destination = parent_ / "shard.bin";
  ASSERT_OK(PullFile(*connection, kCheckpoint, kShard, destination, options_));
  EXPECT_EQ(Content(destination), checkpoint_.files[kShard]);
  EXPECT_THAT(PullFile(*connection, kCheckpoint, "other", destination, options_),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("has no file other")));
}

}  // namespace
}  // namespace pivot::client
