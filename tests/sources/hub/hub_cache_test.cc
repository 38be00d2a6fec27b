// SPDX-License-Identifier: Apache-2.0
#include "sources/hub/hub_cache.h"

#include <filesystem>
#include <fstream>

#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot::hub {
namespace {

namespace fs = std::filesystem;

const std::string kCommit(40, 'c');
const std::string kBlobA(40, 'a');
const std::string kBlobB(64, 'b');

class HubCacheTest : public ::testing::Test {
 protected:
  HubCacheTest() : cache_(folder_.path(), "org/name") {
    EXPECT_OK(cache_.MakeFolders());
    folder_.Write("models--org--name/blobs/" + kBlobA, "{}");
    folder_.Write("models--org--name/blobs/" + kBlobB, "weights");
  }

  const std::vector<CachedFile> files_ = {{.path = "config.json", .etag = kBlobA, .bytes = 2},
                                          {.path = "model.safetensors", .etag = kBlobB, .bytes = 7}};
  TemporaryFolder folder_;
  HubCache cache_;
};

TEST_F(HubCacheTest, LiesWherePythonLooks) {
  EXPECT_EQ(cache_.folder(), folder_ / "models--org--name");
  EXPECT_EQ(cache_.LockPath(kBlobA), folder_ / (".locks/models--org--name/" + kBlobA + ".lock"));
  EXPECT_TRUE(fs::exists(folder_ / "CACHEDIR.TAG"));
}

TEST_F(HubCacheTest, LinksAreRelative) {
  ASSERT_OK(cache_.LinkSnapshot(kCommit, files_));
  const fs::path snapshot = cache_.SnapshotPath(kCommit);
  EXPECT_EQ(fs::read_symlink(snapshot / "config.json"), "../../blobs/" + kBlobA);
  EXPECT_EQ(fs::file_size(snapshot / "model.safetensors"), 7);
  for (const auto& entry : fs::directory_iterator(cache_.folder())) {
    EXPECT_NE(entry.path().filename().string()[0], '.') << "nothing is left behind: " << entry.path();
  }
}

TEST_F(HubCacheTest, LinksLeadOutOfSubfolders) {
  ASSERT_OK(cache_.LinkSnapshot(kCommit, {{.path = "d/e/x.gguf", .etag = kBlobB, .bytes = 7}}));
  EXPECT_EQ(fs::file_size(fs::path(cache_.SnapshotPath(kCommit)) / "d/e/x.gguf"), 7);
}

TEST_F(HubCacheTest, CompletesASnapshotThatIsThere) {
  const fs::path snapshot = cache_.SnapshotPath(kCommit);
  folder_.Write("models--org--name/snapshots/" + kCommit + "/README.md", "theirs");
  fs::create_symlink("../../blobs/gone", snapshot / "config.json");
  ASSERT_OK(cache_.LinkSnapshot(kCommit, files_));
  EXPECT_EQ(fs::read_symlink(snapshot / "config.json"), "../../blobs/" + kBlobA);
  EXPECT_TRUE(fs::exists(snapshot / "model.safetensors"));
  EXPECT_TRUE(fs::exists(snapshot / "README.md"));
}

TEST_F(HubCacheTest, RefsNameCommits) {
  EXPECT_EQ(cache_.CommitOf("main"), std::nullopt);
  ASSERT_OK(cache_.WriteRef("main", kCommit));
  ASSERT_OK(cache_.WriteRef("refs/pr/1", kCommit));
  ASSERT_OK(cache_.WriteRef(kCommit, kCommit));
  EXPECT_EQ(cache_.CommitOf("main"), kCommit);
  EXPECT_EQ(cache_.CommitOf("refs/pr/1"), kCommit);
  EXPECT_EQ(cache_.CommitOf(kCommit), kCommit);
  EXPECT_FALSE(fs::exists(cache_.folder() + "/refs/" + kCommit));
  ASSERT_OK(cache_.WriteRef("main", std::string(40, 'd')));
  EXPECT_EQ(cache_.CommitOf("main"), std::string(40, 'd'));
  folder_.Write("models--org--name/refs/odd", "../../../etc");
  EXPECT_EQ(cache_.CommitOf("odd"), std::nullopt);
}

TEST_F(HubCacheTest, BlobsOfAnotherSizeAreNone) {
  EXPECT_TRUE(cache_.HasBlob(kBlobB, 7));
  EXPECT_FALSE(cache_.HasBlob(kBlobB, 8));
  EXPECT_FALSE(cache_.HasBlob(std::string(40, 'e'), 0));
}

}  // namespace
}  // namespace pivot::hub
