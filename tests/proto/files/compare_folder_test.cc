// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <sys/stat.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "proto/files/manifest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

/// A folder of four files and its manifest.
class CompareFolderTest : public ::testing::Test {
 protected:
  CompareFolderTest() {
    folder_.Write("README.md", "");
    folder_.Write("config.json", "{}");
    folder_.Write("model.safetensors", "aaaabbbbcccc");
    folder_.Write("pivot/plan.json", "plan");
    folder_.Write(kManifestPath, "the manifest does not list itself");
    for (const char* path : {"README.md", "config.json", "pivot/plan.json"}) Add(path, {});
    Add("model.safetensors", {0, 4, 8});
  }

  /// Fault by path; a path that is reported twice has both.
  std::map<std::string, std::string> Faults() {
    std::map<std::string, std::string> faults;
    EXPECT_OK(CompareFolder(folder_.path(), manifest_,
                            [&faults](const std::string& path, const std::string& fault) { faults[path] += fault; }));
    return faults;
  }

  TemporaryFolder folder_;
  ManifestData manifest_;

 private:
  void Add(const std::string& path, const std::vector<int64_t>& offsets) {
    auto file = HashFile(folder_.path(), path, offsets);
    ASSERT_OK(file);
    manifest_.files.push_back(*std::move(file));
  }
};

TEST_F(CompareFolderTest, FindsNothingInAFolderThatIsAsItWas) { EXPECT_THAT(Faults(), IsEmpty()); }

TEST_F(CompareFolderTest, NamesThePieceWithAFlippedBit) {
  folder_.Write("model.safetensors", "aaaabbbccccc");
  EXPECT_THAT(Faults(), ElementsAre(Pair("model.safetensors", "is damaged between byte 4 and 8")));
  folder_.Write("model.safetensors", "aaaabbbbcccd");
  EXPECT_THAT(Faults(), ElementsAre(Pair("model.safetensors", "is damaged between byte 8 and 12")));
}

TEST_F(CompareFolderTest, NamesTheFirstOfSeveralDamagedPieces) {
  folder_.Write("model.safetensors", "xaaabbbbccxx");
  EXPECT_THAT(Faults(), ElementsAre(Pair("model.safetensors", "is damaged between byte 0 and 4")));
}

TEST_F(CompareFolderTest, SaysHowLongAFileIsAndShouldBe) {
  folder_.Write("model.safetensors", "aaaabbbbccccd");
  EXPECT_THAT(Faults(), ElementsAre(Pair("model.safetensors", "has 13 bytes instead of 12")));
  folder_.Write("model.safetensors", "aaaabbbbcc");
  EXPECT_THAT(Faults(), ElementsAre(Pair("model.safetensors", "has 10 bytes instead of 12")));
  // So short that the manifest's last piece would begin behind its end.
  folder_.Write("model.safetensors", "aaaa");
  EXPECT_THAT(Faults(), ElementsAre(Pair("model.safetensors", "has 4 bytes instead of 12")));
  folder_.Write("model.safetensors", "");
  EXPECT_THAT(Faults(), ElementsAre(Pair("model.safetensors", "has 0 bytes instead of 12")));
  // So long that the manifest's last piece would be longer than a piece may be.
  fs::resize_file(folder_ / "model.safetensors", kMaxPieceBytes + 100);
  EXPECT_THAT(Faults(), ElementsAre(Pair("model.safetensors", "has 16777316 bytes instead of 12")));
}

TEST_F(CompareFolderTest, FindsMissingFiles) {
  fs::remove(folder_ / "config.json");
  fs::remove_all(folder_ / "pivot");
  EXPECT_THAT(Faults(), ElementsAre(Pair("config.json", "is missing"), Pair("pivot/plan.json", "is missing")));
}

TEST_F(CompareFolderTest, FindsFilesThatAreNotListed) {
  folder_.Write("extra", "x");
  folder_.Write("deep/er/extra", "x");
  EXPECT_THAT(Faults(),
              ElementsAre(Pair("deep/er/extra", "is not in the manifest"), Pair("extra", "is not in the manifest")));
}

TEST_F(CompareFolderTest, DoesNotMindEmptyFolders) {
  fs::create_directories(folder_ / "empty/inside");
  EXPECT_THAT(Faults(), IsEmpty());
}

TEST_F(CompareFolderTest, FindsLinksHoweverTheyAreNamed) {
  fs::create_symlink("config.json", folder_ / "to-a-listed-file");
  fs::create_directory_symlink("pivot", folder_ / "to-a-folder");
  fs::create_symlink("nowhere", folder_ / "to-nothing");
  EXPECT_THAT(Faults(), ElementsAre(Pair("to-a-folder", "is not in the manifest"),
                                    Pair("to-a-listed-file", "is not in the manifest"),
                                    Pair("to-nothing", "is not in the manifest")));
}

TEST_F(CompareFolderTest, AcceptsNoLinkInTheFilesPlace) {
  fs::rename(folder_ / "config.json", fs::path(folder_.path()).concat("-config"));
  fs::create_symlink(fs::path(folder_.path()).concat("-config"), folder_ / "config.json");
  EXPECT_THAT(Faults(), ElementsAre(Pair("config.json", HasSubstr("is a link"))));
  fs::remove(fs::path(folder_.path()).concat("-config"));
}

TEST_F(CompareFolderTest, AcceptsNoFolderInTheFilesPlace) {
  fs::remove(folder_ / "config.json");
  fs::create_directory(folder_ / "config.json");
  EXPECT_THAT(Faults(), ElementsAre(Pair("config.json", HasSubstr("not a regular file"))));
}

TEST_F(CompareFolderTest, SaysThatTheManifestIsDamagedWhenItsPiecesAndWholeDisagree) {
  manifest_.files[0].sha256 = std::string(64, '0');
  EXPECT_THAT(Faults(), ElementsAre(Pair("README.md", HasSubstr("the manifest itself is damaged"))));
}

TEST_F(CompareFolderTest, SurvivesAManifestWhosePiecesMakeNoSense) {
  manifest_.files[3].pieces[1].offset = 0;
  folder_.Write("model.safetensors", "aaaabbbbcccd");
  EXPECT_THAT(Faults(), ElementsAre(Pair("model.safetensors", HasSubstr("damaged"))));
}

TEST_F(CompareFolderTest, TakesAFolderWithASlashAtItsEnd) {
  folder_.Write("extra", "x");
  std::map<std::string, std::string> faults;
  ASSERT_OK(CompareFolder(folder_.path() + "/", manifest_,
                          [&faults](const std::string& path, const std::string& fault) { faults[path] = fault; }));
  EXPECT_THAT(faults, ElementsAre(Pair("extra", "is not in the manifest")));
}

TEST_F(CompareFolderTest, FailsWhenThereIsNoFolder) {
  EXPECT_THAT(CompareFolder(folder_ / "nowhere", ManifestData{}, [](const std::string&, const std::string&) {}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("nowhere")));
}

}  // namespace
}  // namespace pivot
