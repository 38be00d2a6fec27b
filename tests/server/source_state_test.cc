// SPDX-License-Identifier: Apache-2.0
#include "server/probe/source_state.h"

#include <filesystem>
#include <fstream>

#include "absl/time/clock.h"
#include "gtest/gtest.h"

#include "tests/support/temporary_folder.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;

class SourceStateTest : public ::testing::Test {
 protected:
  SourceStateTest() {
    folder_.Write("model/config.json", "{}");
    folder_.Write("model/below/weights", "1234");
    folder_.Write("blobs/a", "1234");
    fs::create_symlink("../blobs/a", Path("model/link"));
  }

  std::string Path(const std::string& name) const { return folder_ / name; }
  std::string Text(const std::string& name = "model") const {
    const auto state = LookAtSource(Path(name));
    return state.has_value() ? state->text : "";
  }
  /// Whether what `change` does is noticed.
  template <typename Change>
  bool Notices(const Change& change, const std::string& name = "model") {
    const std::string before = Text(name);
    change();
    return Text(name) != before;
  }

  TemporaryFolder folder_;
};

TEST_F(SourceStateTest, StaysWhileNothingChanges) {
  EXPECT_NE(Text(), "");
  EXPECT_FALSE(Notices([] {}));
  EXPECT_FALSE(Notices([&] { folder_.Write("neighbour", ""); }));
}

TEST_F(SourceStateTest, NoticesEveryKindOfChange) {
  EXPECT_TRUE(Notices([&] { folder_.Write("model/below/weights", "12345"); })) << "size";
  EXPECT_TRUE(Notices([&] { folder_.Write("model/new", ""); })) << "a file more";
  EXPECT_TRUE(Notices([&] { fs::remove(Path("model/new")); })) << "a file less";
  EXPECT_TRUE(Notices([&] { fs::rename(Path("model/config.json"), Path("model/other.json")); })) << "name";
  EXPECT_TRUE(Notices([&] { fs::rename(Path("blobs/a"), Path("blobs/b")); })) << "a link to nothing";
  EXPECT_EQ(Text(), "");
  folder_.Write("blobs/a", "5678");
  EXPECT_TRUE(Notices([&] { folder_.Write("blobs/a", "56789"); })) << "behind a link";
  EXPECT_TRUE(Notices([&] { fs::last_write_time(Path("model/other.json"), fs::file_time_type::min()); })) << "time";
}

TEST_F(SourceStateTest, OfAFileIsThatOfItsNeighboursToo) {
  EXPECT_NE(Text("model/config.json"), "");
  EXPECT_TRUE(Notices([&] { folder_.Write("model/tokenizer.json", ""); }, "model/config.json"));
}

TEST_F(SourceStateTest, KnowsWhenTheLastChangeWas) {
  EXPECT_LT(absl::AbsDuration(absl::Now() - LookAtSource(Path("model"))->last_change), absl::Minutes(10));
}

TEST_F(SourceStateTest, SaysNothingOfWhatItCannotTell) {
  EXPECT_FALSE(LookAtSource(Path("nowhere")).has_value());
  fs::create_directory_symlink("../blobs", Path("model/folder"));
  EXPECT_FALSE(LookAtSource(Path("model")).has_value()) << "what is behind a link to a folder is not looked at";
  fs::remove(Path("model/folder"));
  for (int i = 0; i < 4096; ++i) folder_.Write("model/many/" + std::to_string(i), "");
  EXPECT_FALSE(LookAtSource(Path("model")).has_value());
}

}  // namespace
}  // namespace pivot
