// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <filesystem>
#include <string>
#include <sys/stat.h>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "proto/files/manifest.h"
#include "proto/files/sha256.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(SafeRelativePathTest, AcceptsWhatStaysBelowItsFolder) {
  for (const char* path :
       {"a", "config.json", "pivot/manifest.json", "a/b/c/d/e/f/g/h", "...", "a..b", "..a", "a..", ".hidden",
        "with space", "Modell-\xC3\xBC.json", "\xE6\xA8\xA1\xE5\x9E\x8B/\xF0\x9F\xA6\x99", "a:b", "~", "-rf"}) {
    EXPECT_TRUE(IsSafeRelativePath(path)) << path;
  }
  EXPECT_TRUE(IsSafeRelativePath(std::string(512, 'a')));
}

TEST(SafeRelativePathTest, RefusesWhatMightLeaveItsFolder) {
  for (const char* path : {"", "/", "/etc/passwd", "//a", "..", "../a", "a/..", "a/../b", ".", "./a", "a/.", "a/./b",
                           "a/", "a//b", "\\", "a\\b", "..\\a", "C:\\a", "a/b/c/d/e/f/g/h/i"}) {
    EXPECT_FALSE(IsSafeRelativePath(path)) << path;
  }
  EXPECT_FALSE(IsSafeRelativePath(std::string(513, 'a')));
  EXPECT_FALSE(IsSafeRelativePath(absl::string_view("a\0b", 3)));
  EXPECT_FALSE(IsSafeRelativePath(absl::string_view("\0", 1)));
}

TEST(HashFileTest, GivesSizeAndHashes) {
  const TemporaryFolder folder;
  folder.Write("pivot/plan.json", "abc");
  ASSERT_OK_AND_ASSIGN(const ManifestFile file, HashFile(folder.path(), "pivot/plan.json", {}));
  EXPECT_EQ(file.path, "pivot/plan.json");
  EXPECT_EQ(file.size, 3);
  EXPECT_EQ(file.sha256, Sha256Of("abc"));
  ASSERT_THAT(file.pieces, SizeIs(1));
  EXPECT_EQ(file.pieces[0].offset, 0);
  EXPECT_EQ(file.pieces[0].size, 3);
  EXPECT_EQ(file.pieces[0].sha256, Sha256Of("abc"));
}

TEST(HashFileTest, CutsWhereItIsTold) {
  const TemporaryFolder folder;
  folder.Write("f", "aabbbc");
  ASSERT_OK_AND_ASSIGN(const ManifestFile file, HashFile(folder.path(), "f", {0, 2, 5}));
  EXPECT_EQ(file.sha256, Sha256Of("aabbbc"));
  ASSERT_THAT(file.pieces, SizeIs(3));
  const std::vector<std::string> parts = {"aa", "bbb", "c"};
  int64_t offset = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    EXPECT_EQ(file.pieces[i].offset, offset);
    EXPECT_EQ(file.pieces[i].size, static_cast<int64_t>(parts[i].size()));
    EXPECT_EQ(file.pieces[i].sha256, Sha256Of(parts[i]));
    offset += file.pieces[i].size;
  }
}

TEST(HashFileTest, AnEmptyFileHasNoPieces) {
  const TemporaryFolder folder;
  folder.Write("f", "");
  for (const std::vector<int64_t>& offsets : {std::vector<int64_t>{}, std::vector<int64_t>{0}}) {
    ASSERT_OK_AND_ASSIGN(const ManifestFile file, HashFile(folder.path(), "f", offsets));
    EXPECT_EQ(file.size, 0);
    EXPECT_THAT(file.pieces, IsEmpty());
    EXPECT_EQ(file.sha256, Sha256Of(""));
  }
}

TEST(HashFileTest, CutsEverySixteenMebibytesWhenItIsNotTold) {
  const TemporaryFolder folder;
  fs::resize_file(folder.Write("f", ""), 2 * kMaxPieceBytes + 1);
  ASSERT_OK_AND_ASSIGN(const ManifestFile file, HashFile(folder.path(), "f", {}));
  ASSERT_THAT(file.pieces, SizeIs(3));
  EXPECT_EQ(file.pieces[1].offset, kMaxPieceBytes);
  EXPECT_EQ(file.pieces[1].size, kMaxPieceBytes);
  EXPECT_EQ(file.pieces[2].size, 1);
  EXPECT_EQ(file.pieces[2].sha256, Sha256Of(std::string(1, '\0')));
  fs::resize_file(folder / "f", 2 * kMaxPieceBytes);
  ASSERT_OK_AND_ASSIGN(const ManifestFile shorter, HashFile(folder.path(), "f", {}));
  EXPECT_THAT(shorter.pieces, SizeIs(2));
}

TEST(HashFileTest, RefusesCutsThatMakeNoSense) {
  const TemporaryFolder folder;
  folder.Write("f", "aabbbc");
  for (const std::vector<int64_t>& offsets :
       {std::vector<int64_t>{1}, {0, 0}, {0, 3, 3}, {0, 4, 2}, {0, 6}, {0, 7}, {0, -1}, {-1}}) {
    EXPECT_THAT(HashFile(folder.path(), "f", offsets),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("pieces of f")));
  }
}

TEST(HashFileTest, RefusesPiecesOfMoreThanSixteenMebibytes) {
  const TemporaryFolder folder;
  fs::resize_file(folder.Write("f", ""), kMaxPieceBytes + 10);
  EXPECT_THAT(HashFile(folder.path(), "f", {0}), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("16 MiB")));
  EXPECT_THAT(HashFile(folder.path(), "f", {0, 9}), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("16 MiB")));
  EXPECT_OK(HashFile(folder.path(), "f", {0, 10}));
}

TEST(HashFileTest, RefusesUnsafePaths) {
  const TemporaryFolder folder;
  folder.Write("f", "x");
  for (const char* path : {"../f", "/etc/passwd", "", ".", "a/../f"}) {
    EXPECT_THAT(HashFile(folder.path(), path, {}),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("unsafe path")))
        << path;
  }
}

TEST(HashFileTest, FollowsNoLinkAtTheEnd) {
  const TemporaryFolder folder;
  folder.Write("real", "x");
  fs::create_symlink("real", folder / "link");
  fs::create_symlink("/etc/passwd", folder / "out");
  fs::create_symlink("nowhere", folder / "dangling");
  for (const char* path : {"link", "out", "dangling"}) {
    EXPECT_THAT(HashFile(folder.path(), path, {}), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is a link")))
        << path;
  }
}

TEST(HashFileTest, FollowsNoLinkInTheMiddle) {
  const TemporaryFolder folder;
  folder.Write("real/f", "x");
  fs::create_directory_symlink("real", folder / "link");
  fs::create_directory_symlink("/etc", folder / "out");
  for (const char* path : {"link/f", "out/passwd", "out/nowhere"}) {
    EXPECT_THAT(HashFile(folder.path(), path, {}),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("behind one")))
        << path;
  }
}

TEST(HashFileTest, AcceptsAFolderThatIsALinkItself) {
  const TemporaryFolder folder;
  folder.Write("real/f", "x");
  fs::create_directory_symlink("real", folder / "link");
  EXPECT_OK(HashFile(folder / "link", "f", {}));
}

TEST(HashFileTest, RefusesWhatIsNoRegularFileWithoutWaiting) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "folder");
  ASSERT_EQ(mkfifo((folder / "fifo").c_str(), 0600), 0);
  for (const char* path : {"folder", "fifo"}) {
    EXPECT_THAT(HashFile(folder.path(), path, {}),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not a regular file")))
        << path;
  }
}

TEST(HashFileTest, SaysWhatIsMissing) {
  const TemporaryFolder folder;
  folder.Write("f", "x");
  EXPECT_THAT(HashFile(folder.path(), "no", {}), StatusIs(absl::StatusCode::kNotFound, HasSubstr("no")));
  EXPECT_THAT(HashFile(folder.path(), "no/f", {}), StatusIs(absl::StatusCode::kNotFound, HasSubstr("no/f")));
  EXPECT_THAT(HashFile(folder.path(), "f/g", {}), StatusIs(absl::StatusCode::kNotFound, HasSubstr("f/g")));
  EXPECT_THAT(HashFile(folder / "nowhere", "f", {}), StatusIs(absl::StatusCode::kNotFound, HasSubstr("nowhere")));
}

TEST(FindIntactTest, FindsOnlyFilesWithTheirSizeAndHash) {
  const TemporaryFolder folder;
  std::vector<ManifestFile> files;
  for (const std::string name : {"whole", "pivot/whole", "flipped", "longer", "missing", "link"}) {
    folder.Write(name, "content of " + name);
    files.push_back(*HashFile(folder.path(), name, {}));
  }
  folder.Write("flipped", "content of flippec");
  folder.Write("longer", "content of longer.");
  fs::remove(folder / "missing");
  fs::rename(folder / "link", folder / "elsewhere");
  fs::create_symlink("elsewhere", folder / "link");
  files.push_back({.path = "../outside"});
  EXPECT_THAT(FindIntact(folder.path(), files, {}),
              ::testing::ElementsAre(true, true, false, false, false, false, false));
}

TEST(FindIntactTest, ReadsNothingOnceItIsStopped) {
  const TemporaryFolder folder;
  folder.Write("f", "abc");
  const std::vector<ManifestFile> files(40, *HashFile(folder.path(), "f", {}));
  EXPECT_THAT(FindIntact(folder.path(), files, [] { return true; }), ::testing::Each(false));
  EXPECT_THAT(FindIntact(folder.path(), files, [] { return false; }), ::testing::Each(true));
}

}  // namespace
}  // namespace pivot
