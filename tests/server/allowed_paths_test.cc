// SPDX-License-Identifier: Apache-2.0
#include "server/allowed_paths.h"

#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot {
namespace {

class AllowedPathsTest : public ::testing::Test {
 protected:
  AllowedPathsTest() {
    folder_.Write("models/a/config.json", "{}");
    folder_.Write("models-private/config.json", "{}");
    folder_.Write("other/secret", "");
    std::filesystem::create_symlink(folder_ / "other", folder_ / "models/out");
    std::filesystem::create_symlink(folder_ / "models/a", folder_ / "models/in");
    std::filesystem::create_symlink(folder_ / "models", folder_ / "door");
  }

  std::string ReasonFor(const std::string& path, const std::string& root = "models") const {
    const auto paths = AllowedPaths::Make({folder_ / root});
    EXPECT_OK(paths);
    const absl::Status status = paths->Check(path, "f");
    EXPECT_TRUE(status.ok() || FieldOf(status) == "f");
    return status.ok() ? "OK" : ReasonOf(status);
  }

  TemporaryFolder folder_;
};

TEST_F(AllowedPathsTest, LetsInWhatLiesBelow) {
  EXPECT_EQ(ReasonFor(folder_ / "models"), "OK");
  EXPECT_EQ(ReasonFor(folder_ / "models/a"), "OK");
  EXPECT_EQ(ReasonFor(folder_ / "models/a/../a/config.json"), "OK");
  EXPECT_EQ(ReasonFor(folder_ / "models/in"), "OK") << "a link to inside";
  EXPECT_EQ(ReasonFor(folder_ / "models/a", "door"), "OK") << "the allowed folder is a link itself";
  EXPECT_EQ(ReasonFor("/etc/passwd", "../../../.."), "OK") << "everything is allowed";
}

TEST_F(AllowedPathsTest, KeepsOutWhatLiesElsewhere) {
  EXPECT_EQ(ReasonFor("/etc/passwd"), "PATH_NOT_ALLOWED");
  EXPECT_EQ(ReasonFor(folder_ / "models-private"), "PATH_NOT_ALLOWED") << "only the name begins alike";
  EXPECT_EQ(ReasonFor(folder_ / "models/../other"), "PATH_NOT_ALLOWED");
  EXPECT_EQ(ReasonFor(folder_ / "models/out"), "PATH_NOT_ALLOWED") << "a link to outside";
  EXPECT_EQ(ReasonFor(folder_ / "models/out/secret"), "PATH_NOT_ALLOWED");
}

TEST_F(AllowedPathsTest, DoesNotTellWhetherSomethingExistsElsewhere) {
  EXPECT_EQ(ReasonFor(folder_ / "other/secret"), ReasonFor(folder_ / "other/nothing"));
  EXPECT_EQ(ReasonFor(folder_ / "models/out/secret"), ReasonFor(folder_ / "models/out/nothing"));
}

TEST_F(AllowedPathsTest, SaysWhatIsMissingInside) {
  EXPECT_EQ(ReasonFor(folder_ / "models/b"), "SOURCE_NOT_AVAILABLE");
}

TEST_F(AllowedPathsTest, RefusesWhatIsNoAbsolutePath) {
  for (const std::string& path :
       {std::string(), std::string("models/a"), std::string("/a\0b", 4), "/" + std::string(5000, 'x')}) {
    EXPECT_EQ(ReasonFor(path), "INVALID_SPEC") << path;
  }
}

TEST_F(AllowedPathsTest, LetsNothingInByDefault) {
  const auto paths = AllowedPaths::Make({});
  EXPECT_THAT(paths->Check(folder_ / "models/a", "f"),
              StatusIs(absl::StatusCode::kPermissionDenied, ::testing::HasSubstr("--allow-path")));
}

TEST_F(AllowedPathsTest, NeedsFoldersThatExist) {
  EXPECT_FALSE(AllowedPaths::Make({folder_ / "nowhere"}).ok());
  EXPECT_FALSE(AllowedPaths::Make({folder_ / "other/secret"}).ok());
}

}  // namespace
}  // namespace pivot
