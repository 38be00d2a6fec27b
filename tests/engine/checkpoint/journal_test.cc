// SPDX-License-Identifier: Apache-2.0
#include "engine/checkpoint/journal.h"

#include "gmock/gmock.h"

#include "proto/files/durable_file.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot {
namespace {

using nlohmann::json;

const json kIdentity = {{"numerics", 1}, {"spec", "4 bits"}, {"threads", 2}};

JournalEntry Entry(int block) {
  return {.stage = "layerwise",
          .block = block,
          .file = "shard-" + std::to_string(block),
          .size = 100 + block,
          .sha256 = std::string(64, 'a'),
          .record = {{"block", block}, {"relative_error", 0.25}}};
}

class JournalTest : public ::testing::Test {
 protected:
  absl::StatusOr<Journal> Open(const json& identity = kIdentity) { return Journal::Open(path_, identity, &refused_); }

  TemporaryFolder folder_;
  std::string path_ = folder_ / "journal.jsonl";
  std::string refused_;
};

TEST_F(JournalTest, BeginsEmpty) {
  ASSERT_OK_AND_ASSIGN(const Journal journal, Open());
  EXPECT_TRUE(journal.entries().empty());
  EXPECT_EQ(refused_, "");
}

TEST_F(JournalTest, GivesBackWhatWasAppended) {
  {
    ASSERT_OK_AND_ASSIGN(Journal journal, Open());
    ASSERT_OK(journal.Append(Entry(0)));
    ASSERT_OK(journal.Append(Entry(1)));
  }
  ASSERT_OK_AND_ASSIGN(const Journal journal, Open());
  ASSERT_EQ(journal.entries().size(), 2U);
  EXPECT_EQ(journal.entries()[1].file, "shard-1");
  EXPECT_EQ(journal.entries()[1].size, 101);
  EXPECT_EQ(journal.entries()[1].record["relative_error"], 0.25);
}

TEST_F(JournalTest, CutAtAnyByteKeepsEveryWholeLine) {
  {
    ASSERT_OK_AND_ASSIGN(Journal journal, Open());
    for (int block = 0; block < 3; ++block) ASSERT_OK(journal.Append(Entry(block)));
  }
  ASSERT_OK_AND_ASSIGN(const std::string whole, ReadSmallFile(path_, 1 << 20));
  for (size_t length = 0; length < whole.size(); ++length) {
    folder_.Write("journal.jsonl", whole.substr(0, length));
    ASSERT_OK_AND_ASSIGN(const Journal journal, Open());
    const auto lines = std::count(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length), '\n');
    EXPECT_EQ(journal.entries().size(), static_cast<size_t>(std::max<ptrdiff_t>(0, lines - 1))) << length;
  }
}

TEST_F(JournalTest, AppendsAfterATornLine) {
  {
    ASSERT_OK_AND_ASSIGN(Journal journal, Open());
    ASSERT_OK(journal.Append(Entry(0)));
  }
  ASSERT_OK_AND_ASSIGN(const std::string whole, ReadSmallFile(path_, 1 << 20));
  folder_.Write("journal.jsonl", whole + R"({"stage":"layer)");
  {
    ASSERT_OK_AND_ASSIGN(Journal journal, Open());
    ASSERT_OK(journal.Append(Entry(1)));
  }
  ASSERT_OK_AND_ASSIGN(const Journal journal, Open());
  EXPECT_EQ(journal.entries().size(), 2U);
}

TEST_F(JournalTest, StartsOverWhenTheIdentityDiffersAndNamesTheField) {
  {
    ASSERT_OK_AND_ASSIGN(Journal journal, Open());
    ASSERT_OK(journal.Append(Entry(0)));
  }
  json other = kIdentity;
  other["threads"] = 4;
  {
    ASSERT_OK_AND_ASSIGN(const Journal journal, Open(other));
    EXPECT_TRUE(journal.entries().empty());
    EXPECT_EQ(refused_, "threads");
  }
  ASSERT_OK_AND_ASSIGN(const Journal journal, Open(other));
  EXPECT_EQ(refused_, "") << "the new identity was written";
}

TEST_F(JournalTest, StartsOverFromAnotherSchema) {
  folder_.Write("journal.jsonl", json{{"schema", 99}, {"identity", kIdentity}}.dump() + "\n");
  ASSERT_OK_AND_ASSIGN(const Journal journal, Open());
  EXPECT_EQ(refused_, "schema");
}

TEST_F(JournalTest, StopsAtABlockThatDoesNotFollow) {
  {
    ASSERT_OK_AND_ASSIGN(Journal journal, Open());
    ASSERT_OK(journal.Append(Entry(0)));
    ASSERT_OK(journal.Append(Entry(2)));
  }
  ASSERT_OK_AND_ASSIGN(const Journal journal, Open());
  EXPECT_EQ(journal.entries().size(), 1U);
}

TEST_F(JournalTest, ForgetsWhatIsTruncated) {
  ASSERT_OK_AND_ASSIGN(Journal journal, Open());
  for (int block = 0; block < 3; ++block) ASSERT_OK(journal.Append(Entry(block)));
  ASSERT_OK(journal.Truncate(1));
  ASSERT_OK(journal.Append(Entry(1)));
  ASSERT_OK_AND_ASSIGN(const Journal again, Open());
  EXPECT_EQ(again.entries().size(), 2U);
}

TEST_F(JournalTest, SaysWhichFolderIsMissing) {
  EXPECT_THAT(Journal::Open(folder_ / "no/such/journal.jsonl", kIdentity, &refused_),
              StatusIs(absl::StatusCode::kNotFound, ::testing::HasSubstr("no/such")));
}

}  // namespace
}  // namespace pivot
