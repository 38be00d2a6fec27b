// SPDX-License-Identifier: Apache-2.0
#include "server/artifact/publisher.h"

#include <filesystem>
#include <string>
#include <sys/stat.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "proto/files/durable_file.h"
#include "proto/files/sha256.h"
#include "proto/status/reason.h"
#include "server/artifact/checkpoint_reader.h"
#include "server/errors.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class PublisherTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(data_, DataFolder::Open(folder_ / "data"));
    ASSERT_OK_AND_ASSIGN(store_, Store::Open(data_->database()));
    NewJob job{.project = "p", .id = "j", .max_queued = 10};
    job.spec.mutable_compress();
    uid_ = store_->CreateJob(job).value();
    key_ = store_->Claim(store_->ReadQueue()->at(0), "cpu", "cpu").value();
    Stage({{"config.json", "{}"}, {"model.safetensors", weights_}, {"pivot/plan.json", "{}"}});
  }

  std::string Staged(const std::string& path) const { return data_->staging(uid_) + "/" + path; }

  /// Writes pivot-0 and a list that names exactly these files.
  void Stage(const std::map<std::string, std::string>& files) {
    json list = json::array();
    for (const auto& [path, content] : files) {
      folder_.Write("data/staging/" + uid_ + "/pivot-0/" + path, content);
      list.push_back({{"path", path}, {"pieces", path == "model.safetensors" ? json{0, 100} : json{0}}});
    }
    WriteList({{"schema", 1}, {"files", list}});
  }
  void WriteList(const json& list) { folder_.Write("data/staging/" + uid_ + "/pivot-0.files.json", list.dump()); }

  absl::StatusOr<v1::CheckpointRef> Publish() {
    return Publisher(store_.get(), data_.get())
        .Publish({.key = key_,
                  .job_name = "projects/p/jobs/j",
                  .staging_folder = data_->staging(uid_),
                  .pivot = {.number = 0,
                            .directory = "pivot-0",
                            .bits_per_weight = 4.25,
                            .seconds = 2,
                            .source_name = "s",
                            .source_digest = "d"}});
  }

  void ExpectRefused(const std::string& words) {
    const auto refused = Publish();
    EXPECT_FALSE(refused.ok());
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr(words));
    EXPECT_THAT(std::string(refused.status().message()), Not(HasSubstr(data_->path()))) << "no paths of the server";
    EXPECT_FALSE(fs::exists(Staged("pivot-0"))) << "the folder is gone";
    EXPECT_TRUE(fs::is_empty(data_->objects()));
    EXPECT_TRUE(absl::IsNotFound(store_->ReadCheckpoint(uid_, 0).status()));
  }

  TemporaryFolder folder_;
  std::unique_ptr<DataFolder> data_;
  std::unique_ptr<Store> store_;
  std::string uid_;
  AttemptKey key_;
  const std::string weights_ = std::string(1000, 'w');
};

TEST_F(PublisherTest, MovesTheFolderAndMakesItVisible) {
  ASSERT_OK_AND_ASSIGN(const v1::CheckpointRef ref, Publish());
  EXPECT_EQ(ref.name(), "projects/p/jobs/j/checkpoints/0");
  ASSERT_OK_AND_ASSIGN(const CheckpointRecord record, store_->ReadCheckpoint(uid_, 0));
  EXPECT_EQ(record.ref.SerializeAsString(), ref.SerializeAsString());
  EXPECT_FALSE(fs::exists(Staged("pivot-0")));
  EXPECT_FALSE(fs::exists(Staged("pivot-0.files.json")));
  struct stat info{};
  ASSERT_EQ(stat((data_->object(record.object) + "/model.safetensors").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0444U);
}

TEST_F(PublisherTest, WritesAManifestOfEveryFile) {
  ASSERT_OK_AND_ASSIGN(const v1::CheckpointRef ref, Publish());
  const CheckpointRecord record = store_->ReadCheckpoint(uid_, 0).value();
  ASSERT_OK_AND_ASSIGN(const std::string text, CheckpointReader(data_.get()).ReadManifest(record));
  EXPECT_EQ(Sha256Of(text), ref.manifest_sha256());
  ASSERT_OK_AND_ASSIGN(const ManifestData manifest, ManifestFromJson(text));
  EXPECT_EQ(manifest.job, "projects/p/jobs/j");
  EXPECT_EQ(manifest.uid, uid_);
  EXPECT_EQ(manifest.attempt, 1);
  EXPECT_EQ(manifest.source_digest, "d");
  EXPECT_EQ(manifest.content_sha256, ref.content_sha256());
  ASSERT_EQ(manifest.files.size(), 3U);
  EXPECT_EQ(manifest.files[1].path, "model.safetensors");
  EXPECT_EQ(manifest.files[1].sha256, Sha256Of(weights_));
  EXPECT_EQ(manifest.files[1].pieces.size(), 2U) << "cut where the list says";
  EXPECT_EQ(ref.bytes(), static_cast<int64_t>(1000 + 2 + 2 + text.size()));
  std::vector<std::string> faults;
  EXPECT_OK(CompareFolder(data_->object(record.object), manifest,
                          [&](const auto& path, const auto& fault) { faults.push_back(path + fault); }));
  EXPECT_THAT(faults, IsEmpty());
}

TEST_F(PublisherTest, GivesTheCheckpointThatIsThereWhenItComesAgain) {
  const v1::CheckpointRef first = Publish().value();
  Stage({{"config.json", "other"}});
  const v1::CheckpointRef second = Publish().value();
  EXPECT_EQ(second.manifest_sha256(), first.manifest_sha256());
  EXPECT_FALSE(fs::exists(Staged("pivot-0")));
}

TEST_F(PublisherTest, RefusesAnUnlistedFile) {
  folder_.Write("data/staging/" + uid_ + "/pivot-0/extra.py", "import os");
  ExpectRefused("extra.py is not in its list");
}

TEST_F(PublisherTest, RefusesAMissingFile) {
  fs::remove(Staged("pivot-0/config.json"));
  ExpectRefused("config.json");
}

TEST_F(PublisherTest, RefusesALink) {
  fs::remove(Staged("pivot-0/config.json"));
  fs::create_symlink("/etc/passwd", Staged("pivot-0/config.json"));
  ExpectRefused("config.json is not a plain file");
}

TEST_F(PublisherTest, RefusesALinkToAFolder) {
  fs::remove_all(Staged("pivot-0/pivot"));
  fs::create_directory_symlink("/tmp", Staged("pivot-0/pivot"));
  ExpectRefused("pivot is not a plain file");
}

TEST_F(PublisherTest, RefusesAPipe) {
  fs::remove(Staged("pivot-0/config.json"));
  ASSERT_EQ(mkfifo(Staged("pivot-0/config.json").c_str(), 0644), 0);
  ExpectRefused("config.json is not a plain file");
}

TEST_F(PublisherTest, RefusesAFolderThatIsALink) {
  fs::rename(Staged("pivot-0"), Staged("elsewhere"));
  fs::create_directory_symlink(Staged("elsewhere"), Staged("pivot-0"));
  ExpectRefused("not a folder");
  EXPECT_TRUE(fs::exists(Staged("elsewhere/config.json"))) << "what the link points to is left alone";
}

TEST_F(PublisherTest, RefusesUnsafePathsInTheList) {
  for (const char* path : {"../config.json", "/etc/passwd", "a//b", "", "a/./b", "pivot/manifest.json"}) {
    Stage({{"config.json", "{}"}});
    WriteList({{"schema", 1}, {"files", {{{"path", path}, {"pieces", {0}}}}}});
    const auto refused = Publish();
    EXPECT_THAT(refused, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("list of files"))) << path;
  }
}

TEST_F(PublisherTest, RefusesListsThatMakeNoSense) {
  const json entry = {{"path", "config.json"}, {"pieces", {0}}};
  for (const json& list :
       {json(5), json::object(), json{{"schema", 2}, {"files", {entry}}}, json{{"schema", 1}, {"files", json::array()}},
        json{{"schema", 1}, {"files", {entry, entry}}}, json{{"schema", 1}, {"files", {{{"path", "config.json"}}}}},
        json{{"schema", 1}, {"files", {{{"path", "config.json"}, {"pieces", {"x"}}}}}},
        json{{"schema", 1}, {"files", {{{"path", "config.json"}, {"pieces", {5}}}}}}}) {
    fs::remove_all(Staged("pivot-0"));
    Stage({{"config.json", "{}"}});
    WriteList(list);
    ExpectRefused("");
  }
}

TEST_F(PublisherTest, RefusesToPublishForAnEarlierOwner) {
  key_.token -= 1;
  EXPECT_TRUE(IsStateMovedOn(Publish().status()));
  EXPECT_TRUE(fs::is_empty(data_->objects()));
}

TEST_F(PublisherTest, StopsWithTheServer) {
  Publisher publisher(store_.get(), data_.get());
  publisher.Stop();
  const auto stopped = publisher.Publish(
      {.key = key_, .job_name = "j", .staging_folder = data_->staging(uid_), .pivot = {.directory = "pivot-0"}});
  EXPECT_TRUE(absl::IsUnavailable(stopped.status()));
  EXPECT_TRUE(fs::is_empty(data_->objects()));
}

TEST_F(PublisherTest, ReadsOnlyWhatTheManifestLists) {
  ASSERT_OK(Publish());
  const CheckpointRecord record = store_->ReadCheckpoint(uid_, 0).value();
  CheckpointReader reader(data_.get());
  EXPECT_EQ(reader.Open(record, "model.safetensors")->size, 1000);
  for (const char* path :
       {"", "missing", "../pivot.db", "/etc/passwd", "pivot/manifest.json", "./config.json", "pivot/../config.json"}) {
    EXPECT_EQ(ReasonOf(reader.Open(record, path).status()), "FILE_NOT_FOUND") << path;
  }
}

TEST_F(PublisherTest, NoticesDamageWhenReading) {
  ASSERT_OK(Publish());
  CheckpointRecord record = store_->ReadCheckpoint(uid_, 0).value();
  CheckpointReader reader(data_.get());
  ASSERT_OK(reader.Open(record, "config.json"));
  fs::remove(data_->object(record.object) + "/config.json");
  folder_.Write("data/objects/" + record.object + "/config.json", "longer than before");
  EXPECT_TRUE(absl::IsDataLoss(reader.Open(record, "config.json").status()));
  fs::remove(data_->object(record.object) + "/config.json");
  EXPECT_TRUE(absl::IsDataLoss(reader.Open(record, "config.json").status()));
  fs::remove(data_->object(record.object) + "/pivot/manifest.json");
  folder_.Write("data/objects/" + record.object + "/pivot/manifest.json", "{}");
  EXPECT_EQ(ReasonOf(reader.ReadManifest(record).status()), "CHECKSUM_MISMATCH");
}

}  // namespace
}  // namespace pivot
