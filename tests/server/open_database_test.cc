// SPDX-License-Identifier: Apache-2.0
#include "server/store/open_database.h"

#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "proto/files/durable_file.h"
#include "proto/status/reason.h"
#include "server/store/schema.h"
#include "server/store/store.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot {
namespace {

using ::testing::HasSubstr;

std::string Pragma(Database& database, const std::string& name) {
  Statement row = database.Query(absl::StrCat("PRAGMA ", name));
  EXPECT_TRUE(row.Step().value_or(false));
  return row.Bytes(0);
}

class OpenDatabaseTest : public ::testing::Test {
 protected:
  TemporaryFolder folder_;
  std::string path_ = folder_ / "pivot.db";
};

TEST_F(OpenDatabaseTest, SyncsEveryCommit) {
  ASSERT_OK_AND_ASSIGN(const auto database, OpenDatabase(path_));
  EXPECT_EQ(Pragma(*database, "journal_mode"), "wal");
  EXPECT_EQ(Pragma(*database, "synchronous"), "2");
  EXPECT_EQ(Pragma(*database, "foreign_keys"), "1");
  EXPECT_EQ(Pragma(*database, "trusted_schema"), "0");
  EXPECT_EQ(Pragma(*database, "application_id"), absl::StrCat(kStoreApplicationId));
  EXPECT_EQ(Pragma(*database, "user_version"), absl::StrCat(StoreMigrations().size()));
}

TEST_F(OpenDatabaseTest, OpensItsOwnFileAgain) {
  ASSERT_OK(OpenDatabase(path_));
  EXPECT_OK(OpenDatabase(path_));
}

TEST_F(OpenDatabaseTest, TakesTheFirstVersionsJobsAlong) {
  {
    ASSERT_OK_AND_ASSIGN(const auto database, Database::Open(path_, Database::Mode::kReadWrite));
    ASSERT_OK(database->Execute(StoreMigrations()[0]));
    ASSERT_OK(database->Execute(absl::StrCat("PRAGMA application_id = ", kStoreApplicationId,
                                             "; PRAGMA user_version = 1; INSERT INTO project VALUES ('p', 1, 1)")));
    ASSERT_OK(database->Run(
        "INSERT INTO job (uid, project, id, state, priority, device, spec_pb, spec_sha256, staging_uid, attempt, "
        "create_us, update_us) VALUES ('u', 'p', 'old', ?, 50, 'auto', x'', '', 'u', 2, 1, 1)",
        v1::STATE_FAILED));
    ASSERT_OK(database->Run("INSERT INTO request VALUES ('p', 'r', 'hash', 'u', 1)"));
  }
  ASSERT_OK_AND_ASSIGN(const auto store, Store::Open(path_));
  ASSERT_OK_AND_ASSIGN(const JobRecord record, store->ReadJob("u"));
  EXPECT_EQ(record.job.name(), "projects/p/jobs/old");
  EXPECT_EQ(record.retried_after, 0);
  EXPECT_EQ(record.job.priority(), 50);
  EXPECT_NE(record.job.etag(), "");
  NewJob asked{.project = "p", .request_id = "r", .content_sha256 = "hash"};
  EXPECT_EQ(store->FindRequest(asked).value(), "u");
  EXPECT_OK(store->SteerJob("u", Steer::kRetry));
  EXPECT_EQ(store->ReadJob("u")->retried_after, 2);
}

TEST_F(OpenDatabaseTest, TakesTheSecondVersionsJobsAlong) {
  {
    ASSERT_OK_AND_ASSIGN(const auto database, Database::Open(path_, Database::Mode::kReadWrite));
    for (int i = 0; i < 2; ++i) ASSERT_OK(database->Execute(StoreMigrations()[i]));
    ASSERT_OK(database->Execute(absl::StrCat("PRAGMA application_id = ", kStoreApplicationId,
                                             "; PRAGMA user_version = 2; INSERT INTO project VALUES ('p', 1, 1)")));
    ASSERT_OK(database->Run(
        "INSERT INTO job (uid, project, id, state, priority, device, spec_pb, spec_sha256, staging_uid, retried_after, "
        "create_us, update_us) VALUES ('u', 'p', 'old', ?, 60, 'auto', x'', '', 'u', 3, 1, 1)",
        v1::STATE_CANCELLED));
    ASSERT_OK(database->Run("INSERT INTO request VALUES ('p', 'r', 'hash', 'u', 1)"));
  }
  ASSERT_OK_AND_ASSIGN(const auto store, Store::Open(path_));
  EXPECT_EQ(store->ReadJob("u")->retried_after, 3);
  EXPECT_EQ(store->ReadJob("u")->job.priority(), 60);
  EXPECT_FALSE(store->ReadJob("u")->job.has_ttl());
  EXPECT_EQ(store->ReadNextDeadline().value(), absl::InfiniteFuture());
  EXPECT_OK(store->DeleteJob("u", store->ReadJob("u")->job.etag()));
  NewJob asked{.project = "p", .request_id = "r", .content_sha256 = "hash"};
  EXPECT_EQ(ReasonOf(store->FindRequest(asked).status()), "JOB_DELETED");
}

TEST_F(OpenDatabaseTest, TakesTheThirdVersionsQueueAlong) {
  {
    ASSERT_OK_AND_ASSIGN(const auto database, Database::Open(path_, Database::Mode::kReadWrite));
    for (int i = 0; i < 3; ++i) ASSERT_OK(database->Execute(StoreMigrations()[i]));
    ASSERT_OK(database->Execute(absl::StrCat("PRAGMA application_id = ", kStoreApplicationId,
                                             "; PRAGMA user_version = 3; INSERT INTO project VALUES ('p', 1, 1)")));
    ASSERT_OK(database->Run(
        "INSERT INTO job (uid, project, id, state, priority, device, spec_pb, spec_sha256, staging_uid, create_us, "
        "update_us) VALUES ('u', 'p', 'old', ?, 60, 'auto', x'', '', 'u', 7, 9)",
        v1::STATE_QUEUED));
  }
  ASSERT_OK_AND_ASSIGN(const auto store, Store::Open(path_));
  ASSERT_OK_AND_ASSIGN(const QueueSnapshot snapshot, store->ReadSnapshot());
  ASSERT_EQ(snapshot.queued.size(), 1U);
  EXPECT_EQ(snapshot.queued[0].queue_us, 7) << "it has waited since then";
  EXPECT_EQ(snapshot.queued[0].needs.gpu_bytes, 0);
  EXPECT_OK(store->Claim(snapshot.queued[0], "cpu", "cpu"));
}

TEST_F(OpenDatabaseTest, ReadsPlansWhereTheFifthVersionKeptThem) {
  v1::Plan plan;
  plan.set_num_blocks(2);
  plan.add_modules()->set_bits(4);
  const std::string bytes = plan.SerializeAsString();
  {
    ASSERT_OK_AND_ASSIGN(const auto database, Database::Open(path_, Database::Mode::kReadWrite));
    for (int i = 0; i < 5; ++i) ASSERT_OK(database->Execute(StoreMigrations()[i]));
    ASSERT_OK(database->Execute(absl::StrCat("PRAGMA application_id = ", kStoreApplicationId,
                                             "; PRAGMA user_version = 5; INSERT INTO project VALUES ('p', 1, 1)")));
    ASSERT_OK(database->Run(
        "INSERT INTO job (uid, project, id, state, priority, device, spec_pb, spec_sha256, plan_pb, staging_uid, "
        "create_us, update_us) VALUES ('u', 'p', 'old', ?, 60, 'auto', x'', '', ?, 'u', 7, 9)",
        v1::STATE_FAILED, Blob{bytes}));
  }
  ASSERT_OK_AND_ASSIGN(const auto store, Store::Open(path_));
  EXPECT_EQ(store->ReadJob("u")->job.plan().SerializeAsString(), bytes);
  const v1::Plan listed = store->ListJobs({.project = "p"})->jobs.at(0).plan();
  EXPECT_EQ(listed.num_blocks(), 2);
  EXPECT_EQ(listed.modules_size(), 0);
  EXPECT_OK(store->DeleteJob("u", ""));
}

TEST_F(OpenDatabaseTest, RefusesANewerVersion) {
  {
    ASSERT_OK_AND_ASSIGN(const auto database, OpenDatabase(path_));
    ASSERT_OK(database->Execute("PRAGMA user_version = 99"));
  }
  const auto opened = OpenDatabase(path_);
  EXPECT_THAT(opened, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("newer pivotd (version 99")));
  EXPECT_EQ(ReasonOf(opened.status()), "STORE_NEWER");
}

TEST_F(OpenDatabaseTest, RefusesAnotherProgramsDatabaseAndLeavesItAlone) {
  {
    ASSERT_OK_AND_ASSIGN(const auto database, Database::Open(path_, Database::Mode::kReadWrite));
    ASSERT_OK(database->Execute("CREATE TABLE theirs (x)"));
  }
  const std::string before = ReadSmallFile(path_, 1 << 20).value();
  EXPECT_EQ(ReasonOf(OpenDatabase(path_).status()), "STORE_FOREIGN");
  EXPECT_EQ(ReadSmallFile(path_, 1 << 20).value(), before);
}

TEST_F(OpenDatabaseTest, RefusesAFileThatIsNoDatabase) {
  folder_.Write("pivot.db", std::string(5000, 'x'));
  EXPECT_EQ(ReasonOf(OpenDatabase(path_).status()), "STORE_FOREIGN");
}

TEST_F(OpenDatabaseTest, FindsDamage) {
  {
    ASSERT_OK_AND_ASSIGN(const auto database, OpenDatabase(path_));
    ASSERT_OK(database->Execute("INSERT INTO project (id, create_us) VALUES ('p', 1)"));
  }
  std::string bytes = ReadSmallFile(path_, 1 << 20).value();
  ASSERT_GT(bytes.size(), 8192U);
  for (size_t i = 4096; i < 8192; ++i) bytes[i] = '\x55';
  folder_.Write("pivot.db", bytes);
  EXPECT_THAT(OpenDatabase(path_), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("pivot.db")));
}

TEST_F(OpenDatabaseTest, WritesTheLogOfTheServerBeforeIntoTheDatabase) {
  const std::string copy = folder_ / "copy/pivot.db";
  {
    ASSERT_OK_AND_ASSIGN(const auto database, OpenDatabase(path_));
    ASSERT_OK(database->Execute("INSERT INTO project (id, create_us) VALUES ('p', 1)"));
    std::filesystem::create_directory(folder_ / "copy");
    std::filesystem::copy(path_, copy);
    std::filesystem::copy(path_ + "-wal", copy + "-wal");
  }
  ASSERT_GT(std::filesystem::file_size(copy + "-wal"), 0U) << "as after kill -9";
  ASSERT_OK_AND_ASSIGN(const auto database, OpenDatabase(copy));
  EXPECT_EQ(std::filesystem::file_size(copy + "-wal"), 0U);
}

TEST_F(OpenDatabaseTest, KeepsTheLogShort) {
  ASSERT_OK_AND_ASSIGN(const auto database, OpenDatabase(path_));
  const auto before = std::filesystem::file_size(path_);
  for (int i = 0; i < 8; ++i) {
    ASSERT_OK(database->Run("INSERT INTO project (id, create_us) VALUES (?, 1)",
                            std::string(1 << 20, static_cast<char>('a' + i))));
  }
  EXPECT_GT(std::filesystem::file_size(path_), before + (1 << 20));
  EXPECT_LT(std::filesystem::file_size(path_ + "-wal"), size_t{16} << 20);
}

TEST_F(OpenDatabaseTest, RollsBackWhatWasNotCommitted) {
  ASSERT_OK_AND_ASSIGN(const auto database, OpenDatabase(path_));
  {
    ASSERT_OK_AND_ASSIGN(Transaction transaction, Transaction::Begin(*database, Transaction::Kind::kWrite));
    ASSERT_OK(database->Run("INSERT INTO project (id, create_us) VALUES (?, ?)", std::string("p"), 1));
  }
  Statement row = database->Query("SELECT count(*) FROM project");
  ASSERT_TRUE(row.Step().value());
  EXPECT_EQ(row.Integer(0), 0);
}

}  // namespace
}  // namespace pivot
