// SPDX-License-Identifier: Apache-2.0
#include "proto/files/durable_file.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <string>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::HasSubstr;

std::vector<std::string> Names(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

TEST(StatusFromErrnoTest, ChoosesTheCodeThatSaysWhatToDo) {
  EXPECT_THAT(StatusFromErrno(ENOENT, "cannot open", "/a"),
              StatusIs(absl::StatusCode::kNotFound, Eq("cannot open /a: No such file or directory")));
  EXPECT_EQ(StatusFromErrno(ENOTDIR, "", "").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(StatusFromErrno(ENOMEM, "", "").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(StatusFromErrno(EMFILE, "", "").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(StatusFromErrno(EACCES, "", "").code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(StatusFromErrno(EPERM, "", "").code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(StatusFromErrno(EEXIST, "", "").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(StatusFromErrno(EIO, "", "").code(), absl::StatusCode::kUnavailable);
}

TEST(StatusFromErrnoTest, TellsAFullDiskFromOtherShortages) {
  for (const int error : {ENOSPC, EDQUOT}) {
    EXPECT_EQ(StatusFromErrno(error, "", "").code(), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(ReasonOf(StatusFromErrno(error, "", "")), "DISK_FULL");
  }
  EXPECT_EQ(ReasonOf(StatusFromErrno(ENOMEM, "", "")), "RESOURCE_EXHAUSTED");
}

TEST(ReadSmallFileTest, GivesTheWholeContent) {
  const TemporaryFolder folder;
  const std::string content("a\0b\n", 4);
  EXPECT_EQ(*ReadSmallFile(folder.Write("f", content), 4), content);
  EXPECT_EQ(*ReadSmallFile(folder.Write("empty", ""), 0), "");
}

TEST(ReadSmallFileTest, RefusesAFileThatIsTooLarge) {
  const TemporaryFolder folder;
  EXPECT_THAT(ReadSmallFile(folder.Write("f", "12345"), 4),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("has 5 bytes; at most 4 are read")));
}

TEST(ReadSmallFileTest, RefusesWhatIsNoRegularFileWithoutWaiting) {
  const TemporaryFolder folder;
  ASSERT_EQ(mkfifo((folder / "fifo").c_str(), 0600), 0);
  for (const std::string& path : {folder / "fifo", folder.path(), std::string("/dev/zero")}) {
    EXPECT_THAT(ReadSmallFile(path, 100),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not a regular file")));
  }
}

TEST(ReadSmallFileTest, NamesTheFileThatIsNotThere) {
  EXPECT_THAT(ReadSmallFile("/nowhere/at/all", 1), StatusIs(absl::StatusCode::kNotFound, HasSubstr("/nowhere/at/all")));
}

TEST(WriteFileDurablyTest, LeavesTheFileAndNothingElse) {
  const TemporaryFolder folder;
  ASSERT_OK(WriteFileDurably(folder / "f", std::string("new\0", 4)));
  EXPECT_EQ(*ReadSmallFile(folder / "f", 100), std::string("new\0", 4));
  EXPECT_THAT(Names(folder.path()), ElementsAre("f"));
}

TEST(WriteFileDurablyTest, ReplacesAFileAndTheRestOfAnEarlierAttempt) {
  const TemporaryFolder folder;
  folder.Write("f", "old and longer");
  folder.Write("f.part", "rest of an earlier attempt");
  ASSERT_OK(WriteFileDurably(folder / "f", "new"));
  EXPECT_EQ(*ReadSmallFile(folder / "f", 100), "new");
  EXPECT_THAT(Names(folder.path()), ElementsAre("f"));
}

TEST(WriteFileDurablyTest, TakesANameWithoutAFolder) {
  const TemporaryFolder folder;
  const fs::path before = fs::current_path();
  fs::current_path(folder.path());
  const absl::Status status = WriteFileDurably("f", "x");
  fs::current_path(before);
  ASSERT_OK(status);
  EXPECT_THAT(Names(folder.path()), ElementsAre("f"));
}

TEST(WriteFileDurablyTest, DoesNotWriteThroughALink) {
  const TemporaryFolder folder;
  folder.Write("target", "untouched");
  fs::create_symlink(folder / "target", folder / "f.part");
  EXPECT_FALSE(WriteFileDurably(folder / "f", "x").ok());
  EXPECT_EQ(*ReadSmallFile(folder / "target", 100), "untouched");
}

TEST(WriteFileDurablyTest, SaysThatTheFolderIsMissing) {
  const TemporaryFolder folder;
  EXPECT_THAT(WriteFileDurably(folder / "no/f", "x"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("no/f")));
}

TEST(WriteFileDurablyTest, LeavesNothingWhenTheNameIsTakenByAFolder) {
  const TemporaryFolder folder;
  fs::create_directories(folder / "f/inside");
  EXPECT_FALSE(WriteFileDurably(folder / "f", "x").ok());
  EXPECT_THAT(Names(folder.path()), ElementsAre("f"));
}

TEST(WriteFileDurablyTest, SaysThatTheFolderIsReadOnly) {
  const TemporaryFolder folder;
  fs::permissions(folder.path(), fs::perms(0555));
  // Root may write everywhere, so it becomes somebody else meanwhile.
  const bool is_root = geteuid() == 0;
  if (is_root && seteuid(65534) != 0) GTEST_SKIP() << "root cannot become another user here";
  const absl::Status status = WriteFileDurably(folder / "f", "x");
  ASSERT_EQ(is_root ? seteuid(0) : 0, 0);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("f.part")));
  fs::permissions(folder.path(), fs::perms::owner_all);
}

TEST(WriteFileDurablyTest, LeavesNothingWhenTheFileCannotGrow) {
  const TemporaryFolder folder;
  folder.Write("f", "old");
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit four_bytes{4, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &four_bytes), 0);
  const absl::Status status = WriteFileDurably(folder / "f", "longer than that");
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("cannot write")));
  EXPECT_EQ(*ReadSmallFile(folder / "f", 100), "old");
  EXPECT_THAT(Names(folder.path()), ElementsAre("f"));
}

TEST(FoldersTest, AreMadeWithTheirParentsAndMayBeThere) {
  const TemporaryFolder folder;
  ASSERT_OK(MakeFolders(folder / "a/b/c"));
  ASSERT_OK(MakeFolders(folder / "a/b/c"));
  EXPECT_TRUE(fs::is_directory(folder / "a/b/c"));
  folder.Write("file", "");
  EXPECT_FALSE(MakeFolders(folder / "file/a").ok());
  EXPECT_FALSE(MakeFolders(folder / "file").ok());
}

TEST(FoldersTest, AreRemovedWithAllTheyHold) {
  const TemporaryFolder folder;
  folder.Write("outside", "stays");
  folder.Write("a/b/c", "x");
  fs::create_symlink(folder / "outside", folder / "a/link");
  ASSERT_OK(RemoveAll(folder / "a"));
  ASSERT_OK(RemoveAll(folder / "a"));
  EXPECT_THAT(Names(folder.path()), ElementsAre("outside"));
}

TEST(FoldersTest, AreSyncedOnlyIfTheyAreFolders) {
  const TemporaryFolder folder;
  EXPECT_OK(SyncFolder(folder.path()));
  EXPECT_FALSE(SyncFolder(folder.Write("f", "")).ok());
  EXPECT_THAT(SyncFolder(folder / "no"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("no")));
}

TEST(FoldersTest, SayWhetherItWasTheSyncThatFailed) {
  const TemporaryFolder folder;
  // A file system without a disk has nothing to sync to.
  EXPECT_TRUE(IsSyncFailure(SyncFolder("/proc/self"))) << SyncFolder("/proc/self");
  EXPECT_FALSE(IsSyncFailure(SyncFolder(folder / "no")));
  EXPECT_FALSE(IsSyncFailure(absl::OkStatus()));
}

}  // namespace
}  // namespace pivot
