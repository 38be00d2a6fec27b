// SPDX-License-Identifier: Apache-2.0
#include "client/output_folder.h"

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "client/exit_code.h"
#include "client/folder_lock.h"
#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot::client {
namespace {

using ::testing::HasSubstr;

absl::Status Check(const std::string& folder, Existing existing) {
  return CheckOutputFolder(folder, "/the/model", existing);
}

TEST(CheckOutputFolderTest, TakesWhatDoesNotExistOrIsEmpty) {
  const TemporaryFolder folder;
  EXPECT_OK(Check(folder / "new", Existing::kRefuse));
  EXPECT_OK(Check(folder / "deep/er/new", Existing::kRefuse));
  EXPECT_OK(Check(folder.path(), Existing::kRefuse));
}

TEST(CheckOutputFolderTest, TakesAFullFolderOnlyToReplaceIt) {
  const TemporaryFolder folder;
  folder.Write("file", "x");
  const absl::Status refused = Check(folder.path(), Existing::kRefuse);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("add --overwrite")));
  EXPECT_EQ(ExitCodeOf(refused), ExitCode::kUsage);
  EXPECT_OK(Check(folder.path(), Existing::kReplace));
}

TEST(CheckOutputFolderTest, RefusesFilesAndTheModelItself) {
  const TemporaryFolder folder;
  const std::string file = folder.Write("file", "x");
  EXPECT_THAT(Check(file, Existing::kReplace), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is a file")));
  EXPECT_THAT(Check(file + "/below", Existing::kReplace),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is a file")));
  for (const char* output : {"/the/model", "/the", "/"}) {
    EXPECT_FALSE(Check(output, Existing::kReplace).ok()) << output;
  }
}

TEST(AbsolutePathTest, FollowsLinksAndDropsATrailingSlash) {
  const TemporaryFolder folder;
  std::filesystem::create_directory_symlink(folder.path(), folder / "link");
  const std::string real = std::filesystem::canonical(folder.path());
  EXPECT_EQ(*AbsolutePath(folder / "link/new"), real + "/new");
  EXPECT_EQ(*AbsolutePath(folder / "new/"), real + "/new");
  EXPECT_EQ(*AbsolutePath(folder / "a/../new"), real + "/new");
}

TEST(WorkFolderTest, LiesBesideTheOutput) { EXPECT_EQ(WorkFolderOf("/a/b/model-4bit"), "/a/b/.model-4bit.pivot"); }

TEST(PutIntoPlaceTest, TakesTheNameOfNothingOrOfAnEmptyFolder) {
  const TemporaryFolder folder;
  folder.Write("finished/file", "x");
  ASSERT_OK(PutIntoPlace(folder / "finished", folder / "out", Existing::kRefuse));
  EXPECT_TRUE(std::filesystem::exists(folder / "out/file"));
  std::filesystem::create_directory(folder / "empty");
  ASSERT_OK(PutIntoPlace(folder / "out", folder / "empty", Existing::kRefuse));
  EXPECT_TRUE(std::filesystem::exists(folder / "empty/file"));
}

TEST(PutIntoPlaceTest, ReplacesAFullFolderOnlyWhenTold) {
  const TemporaryFolder folder;
  folder.Write("finished/new", "x");
  folder.Write("out/old", "x");
  EXPECT_FALSE(PutIntoPlace(folder / "finished", folder / "out", Existing::kRefuse).ok());
  EXPECT_TRUE(std::filesystem::exists(folder / "out/old"));
  ASSERT_OK(PutIntoPlace(folder / "finished", folder / "out", Existing::kReplace));
  EXPECT_TRUE(std::filesystem::exists(folder / "out/new"));
  EXPECT_FALSE(std::filesystem::exists(folder / "out/old"));
  EXPECT_FALSE(std::filesystem::exists(folder / "finished"));
}

TEST(FolderLockTest, IsHeldByOneAtATime) {
  const TemporaryFolder folder;
  {
    const auto first = FolderLock::Acquire(folder / "work");
    ASSERT_OK(first);
    const auto second = FolderLock::Acquire(folder / "work");
    EXPECT_THAT(second, StatusIs(absl::StatusCode::kFailedPrecondition,
                                 HasSubstr("process " + std::to_string(getpid()) + " works in ")));
    EXPECT_EQ(ReasonOf(second.status()), "FOLDER_IN_USE");
  }
  EXPECT_OK(FolderLock::Acquire(folder / "work"));
}

}  // namespace
}  // namespace pivot::client
