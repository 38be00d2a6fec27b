// SPDX-License-Identifier: Apache-2.0
// Links in a model folder: inside it and into its hub cache they are followed, elsewhere not.
#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/model/model_folder.h"
#include "engine/model/required_tensors.h"
#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Moves every file of a snapshot into the blobs of its cache and leaves links, as the hub's client keeps models.
void MakeHubCache(const fs::path& snapshot) {
  const fs::path blobs = snapshot.parent_path().parent_path() / "blobs";
  fs::create_directories(blobs);
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(snapshot)) files.push_back(entry.path());
  for (const fs::path& file : files) {
    const std::string blob = "hash-of-" + file.filename().string();
    fs::rename(file, blobs / blob);
    fs::create_symlink("../../blobs/" + blob, file);
  }
}

void ExpectUnsafe(const absl::Status& status, const std::string& file) {
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(file + " is a link out of the model's folder")));
  EXPECT_EQ(ReasonOf(status), "UNSAFE_SOURCE");
}

TEST(ModelFolderLinksTest, LeadIntoTheBlobsOfTheirHubCache) {
  const TemporaryFolder cache;
  const std::string snapshot = cache / "models--org--tiny/snapshots/abc123";
  ASSERT_OK(WriteTinyModel(snapshot, {.num_shards = 2}));
  MakeHubCache(snapshot);
  ASSERT_TRUE(fs::is_symlink(snapshot + "/config.json"));
  ASSERT_OK_AND_ASSIGN(const ModelFolder folder, ModelFolder::Open(snapshot));
  EXPECT_OK(CheckTensors(folder));
  EXPECT_THAT(*FilesToCopy(snapshot), ElementsAre("generation_config.json", "tokenizer.json"));
}

TEST(ModelFolderLinksTest, LeadIntoBlobsThatTheRepositoriesOfACacheShare) {
  const TemporaryFolder cache;
  const std::string snapshot = cache / "models--org--tiny/snapshots/abc123";
  ASSERT_OK(WriteTinyModel(snapshot));
  fs::create_directories(cache / "blobs/ab");
  fs::create_directories(cache / "models--org--tiny/blobs");
  fs::rename(snapshot + "/model.safetensors", cache / "blobs/ab/abcd");
  fs::create_symlink("../../blobs/ab/abcd", cache / "models--org--tiny/blobs/w");
  fs::create_symlink("../../blobs/w", snapshot + "/model.safetensors");
  ASSERT_OK_AND_ASSIGN(const ModelFolder folder, ModelFolder::Open(snapshot));
  EXPECT_EQ(folder.name(), "org/tiny");
}

TEST(ModelFolderLinksTest, DoNotLeadIntoAnotherModelsBlobs) {
  const TemporaryFolder cache;
  const std::string snapshot = cache / "models--org--tiny/snapshots/abc123";
  ASSERT_OK(WriteTinyModel(snapshot));
  fs::create_directories(cache / "models--org--other/blobs");
  fs::rename(snapshot + "/model.safetensors", cache / "models--org--other/blobs/w");
  fs::create_symlink("../../../models--org--other/blobs/w", snapshot + "/model.safetensors");
  ExpectUnsafe(ModelFolder::Open(snapshot).status(), "model.safetensors");
}

TEST(ModelFolderLinksTest, DoNotLeadIntoBlobsWithoutASnapshot) {
  const TemporaryFolder cache;
  const std::string model = cache / "models--org--tiny/versions/abc123";
  ASSERT_OK(WriteTinyModel(model));
  MakeHubCache(model);
  ExpectUnsafe(ModelFolder::Open(model).status(), "config.json");
}

TEST(ModelFolderLinksTest, DoNotLeadToAFolderWhoseNameOnlyBeginsLikeTheBlobs) {
  const TemporaryFolder cache;
  const std::string snapshot = cache / "m/snapshots/abc123";
  ASSERT_OK(WriteTinyModel(snapshot));
  fs::create_directories(cache / "m/blobs-not");
  fs::rename(snapshot + "/model.safetensors", cache / "m/blobs-not/w");
  fs::create_symlink("../../blobs-not/w", snapshot + "/model.safetensors");
  ExpectUnsafe(ModelFolder::Open(snapshot).status(), "model.safetensors");
}

TEST(ModelFolderLinksTest, LeadToAnotherPlaceOfTheFolder) {
  const TemporaryFolder folder;
  ASSERT_OK(WriteTinyModel(folder.path()));
  fs::create_directory(folder / "weights");
  fs::rename(folder / "model.safetensors", folder / "weights/w");
  fs::create_symlink("weights/w", folder / "model.safetensors");
  EXPECT_OK(ModelFolder::Open(folder.path()));
}

TEST(ModelFolderLinksTest, DoNotLeadOut) {
  for (const char* name : {"config.json", "model.safetensors", "tokenizer.json"}) {
    const TemporaryFolder outside;
    const TemporaryFolder folder;
    ASSERT_OK(WriteTinyModel(folder / "model"));
    fs::rename(folder / "model" + ("/" + std::string(name)), outside / "secret");
    fs::create_symlink(outside / "secret", folder / "model" + ("/" + std::string(name)));
    const bool is_copied = std::string(name) == "tokenizer.json";
    ExpectUnsafe(is_copied ? FilesToCopy(folder / "model").status() : ModelFolder::Open(folder / "model").status(),
                 name);
  }
}

TEST(ModelFolderLinksTest, DoNotLeadOutThroughAFolderOfTheIndex) {
  const TemporaryFolder outside;
  const TemporaryFolder folder;
  ASSERT_OK(WriteTinyModel(outside / "model"));
  ASSERT_OK(WriteTinyModel(folder.path()));
  fs::remove(folder / "model.safetensors");
  fs::create_directory_symlink(outside / "model", folder / "sub");
  folder.Write("model.safetensors.index.json", R"({"weight_map": {"model.norm.weight": "sub/model.safetensors"}})");
  ExpectUnsafe(ModelFolder::Open(folder.path()).status(), "sub/model.safetensors");
}

TEST(ModelFolderLinksTest, MayNameTheFolderItself) {
  const TemporaryFolder folder;
  ASSERT_OK(WriteTinyModel(folder / "real"));
  fs::create_directory_symlink("real", folder / "link");
  ASSERT_OK_AND_ASSIGN(const ModelFolder model, ModelFolder::Open(folder / "link"));
  EXPECT_EQ(model.name(), "link");
}

TEST(ModelFolderLinksTest, ToNothingCountAsMissing) {
  const TemporaryFolder folder;
  ASSERT_OK(WriteTinyModel(folder.path()));
  fs::remove(folder / "model.safetensors");
  fs::create_symlink("nowhere", folder / "model.safetensors");
  EXPECT_THAT(ModelFolder::Open(folder.path()),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("has neither")));
}

}  // namespace
}  // namespace pivot
