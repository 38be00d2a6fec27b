// SPDX-License-Identifier: Apache-2.0
#include "server/artifact/recovery.h"

#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;

class RecoveryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(data_, DataFolder::Open(folder_ / "data"));
    ASSERT_OK_AND_ASSIGN(store_, Store::Open(data_->database()));
  }

  /// A compress or evaluate job that has come to this state, with a staging folder.
  std::string JobIn(v1::State state, bool compress = true, const std::string& staging_uid = "") {
    NewJob job{.project = "p", .staging_uid = staging_uid, .max_queued = 100};
    compress ? static_cast<void>(job.spec.mutable_compress()) : static_cast<void>(job.spec.mutable_evaluate());
    const std::string uid = store_->CreateJob(job).value();
    folder_.Write("data/staging/" + (staging_uid.empty() ? uid : staging_uid) + "/journal.jsonl", "");
    if (state == v1::STATE_QUEUED) return uid;
    const std::vector<QueuedJob> queue = store_->ReadQueue().value();
    for (const QueuedJob& queued : queue) {
      if (queued.uid != uid) continue;
      const AttemptKey key = store_->Claim(queued, "device-of-" + uid, "cpu").value();
      if (state == v1::STATE_CANCELLED) {
        EXPECT_OK(store_->SteerJob(uid, Steer::kCancel));
      }
      const v1::State from = state == v1::STATE_CANCELLED ? v1::STATE_CANCELLING : v1::STATE_RUNNING;
      if (state != v1::STATE_RUNNING) {
        EXPECT_OK(store_->EndAttempt(key, from, {}, {.to = state}));
      }
    }
    return uid;
  }

  bool HasStaging(const std::string& uid) const { return fs::exists(data_->staging(uid)); }

  TemporaryFolder folder_;
  std::unique_ptr<DataFolder> data_;
  std::unique_ptr<Store> store_;
};

TEST_F(RecoveryTest, KeepsTheStagingThatSomeoneCanGoOnFrom) {
  const std::string queued = JobIn(v1::STATE_QUEUED);
  const std::string running = JobIn(v1::STATE_RUNNING);
  const std::string failed = JobIn(v1::STATE_FAILED);
  const std::string cancelled = JobIn(v1::STATE_CANCELLED);
  ASSERT_OK(Recover(*store_, *data_));
  for (const std::string& uid : {queued, running, failed, cancelled}) EXPECT_TRUE(HasStaging(uid));
  EXPECT_EQ(store_->ReadJobHead(running)->state, v1::STATE_QUEUED);
}

TEST_F(RecoveryTest, RemovesTheStagingThatNobodyNeeds) {
  const std::string succeeded = JobIn(v1::STATE_SUCCEEDED);
  const std::string evaluated = JobIn(v1::STATE_FAILED, /*compress=*/false);
  folder_.Write("data/staging/unknown/file", "");
  ASSERT_OK(Recover(*store_, *data_));
  EXPECT_TRUE(fs::is_empty(data_->staging()));
}

TEST_F(RecoveryTest, RemovesTheStagingOfAFailedJobOnceAnotherFinishedIt) {
  const std::string failed = JobIn(v1::STATE_FAILED);
  const std::string resumed = JobIn(v1::STATE_RUNNING, true, failed);
  ASSERT_OK(TidyStaging(*store_, *data_, failed));
  EXPECT_TRUE(HasStaging(failed));
  JobIn(v1::STATE_QUEUED);
  ASSERT_OK(store_->EndLostAttempts());
  ASSERT_OK(store_->SteerJob(resumed, Steer::kCancel));
  JobIn(v1::STATE_SUCCEEDED, true, failed);
  ASSERT_OK(TidyStaging(*store_, *data_, failed));
  EXPECT_FALSE(HasStaging(failed));
}

TEST_F(RecoveryTest, RemovesObjectsThatWereNeverPublished) {
  NewJob job{.project = "p", .max_queued = 10};
  const std::string uid = store_->CreateJob(job).value();
  const AttemptKey key = store_->Claim(store_->ReadQueue()->at(0), "cpu", "cpu").value();
  ASSERT_OK(store_->AddCheckpoint(key, {.object = "published"}));
  folder_.Write("data/objects/published/config.json", "{}");
  folder_.Write("data/objects/orphan/config.json", "{}");
  ASSERT_OK(Recover(*store_, *data_));
  EXPECT_TRUE(fs::exists(data_->object("published") + "/config.json"));
  EXPECT_FALSE(fs::exists(data_->object("orphan")));
}

TEST(DataFolderTest, IsUsedByOneServerAtATime) {
  const TemporaryFolder folder;
  auto first = DataFolder::Open(folder / "data");
  ASSERT_OK(first);
  EXPECT_TRUE((*first)->is_new());
  EXPECT_THAT(DataFolder::Open(folder / "data"),
              StatusIs(absl::StatusCode::kFailedPrecondition, ::testing::HasSubstr(folder / "data")));
  first->reset();
  ASSERT_OK_AND_ASSIGN(const auto second, DataFolder::Open(folder / "data/"));
  EXPECT_FALSE(second->is_new());
  EXPECT_EQ(second->path(), folder / "data");
  EXPECT_GT(second->FreeBytes(), 0);
}

TEST(DataFolderTest, CannotLieInAFile) {
  const TemporaryFolder folder;
  folder.Write("file", "");
  EXPECT_FALSE(DataFolder::Open(folder / "file/data").ok());
}

TEST_F(RecoveryTest, RemovesTheFilesOfADeletedJob) {
  const std::string uid = JobIn(v1::STATE_CANCELLED);
  folder_.Write("data/objects/o/config.json", "{}");
  folder_.Write("data/logs/" + uid + "/1/00000000000000000000.log", "");
  folder_.Write("data/logs/" + uid + ".log", "");
  ASSERT_OK_AND_ASSIGN(DeletedJob deleted, store_->DeleteJob(uid, ""));
  deleted.objects = {"o"};
  ASSERT_OK(RemoveFilesOf(deleted, *store_, *data_));
  EXPECT_FALSE(HasStaging(uid));
  EXPECT_FALSE(fs::exists(data_->object("o")));
  EXPECT_FALSE(fs::exists(data_->log(uid)));
  EXPECT_FALSE(fs::exists(data_->old_log(uid)));
  EXPECT_OK(RemoveFilesOf(deleted, *store_, *data_)) << "again: nothing";
}

TEST_F(RecoveryTest, KeepsTheBlocksThatAnotherJobGoesOnFrom) {
  const std::string first = JobIn(v1::STATE_CANCELLED);
  JobIn(v1::STATE_QUEUED, /*compress=*/true, first);
  ASSERT_OK_AND_ASSIGN(const DeletedJob deleted, store_->DeleteJob(first, ""));
  ASSERT_OK(RemoveFilesOf(deleted, *store_, *data_));
  EXPECT_TRUE(HasStaging(first));
}

TEST_F(RecoveryTest, RemovesWhatADyingServerLeftOfADeletedJob) {
  const std::string deleted = JobIn(v1::STATE_CANCELLED);
  const std::string kept = JobIn(v1::STATE_CANCELLED);
  for (const std::string& uid : {deleted, kept}) {
    folder_.Write("data/logs/" + uid + "/1/00000000000000000000.log", "");
    folder_.Write("data/logs/" + uid + ".log", "");
  }
  ASSERT_OK(store_->DeleteJob(deleted, ""));
  ASSERT_OK(Recover(*store_, *data_));
  EXPECT_FALSE(HasStaging(deleted));
  EXPECT_FALSE(fs::exists(data_->log(deleted)));
  EXPECT_FALSE(fs::exists(data_->old_log(deleted)));
  EXPECT_TRUE(HasStaging(kept));
  EXPECT_TRUE(fs::exists(data_->log(kept)));
  EXPECT_TRUE(fs::exists(data_->old_log(kept)));
}

}  // namespace
}  // namespace pivot
